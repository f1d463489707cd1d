package poll

import "github.com/prometheus/client_golang/prometheus"

// metrics of the poller. Labels come from closed sets.
type metrics struct {
	looks       *prometheus.CounterVec
	ended       *prometheus.CounterVec
	stalls      prometheus.Counter
	watching    prometheus.Gauge
	oldest      prometheus.Gauge
	looksPerJob prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_poller_looks_total", Help: "Calls that asked after a job, by result: answered, not_found, failed.",
		}, []string{"result"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_poller_jobs_ended_total", Help: "Watches that ended, by state: finished, gone.",
		}, []string{"state"}),
		stalls: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_poller_stalls_total", Help: "Times that a job was found without progress for another whole stall time.",
		}),
		watching: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bulkhead_poller_jobs_watching", Help: "Jobs watched by all pollers.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bulkhead_poller_oldest_job_seconds", Help: "Age of the oldest watched job since its submission.",
		}),
		looksPerJob: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "bulkhead_poller_looks_per_job", Help: "Answered looks that a job took until it ended.",
			Buckets: []float64{1, 2, 3, 5, 8, 13, 21, 34, 55, 89},
		}),
	}
	if r != nil {
		r.MustRegister(m.looks, m.ended, m.stalls, m.watching, m.oldest, m.looksPerJob)
	}
	return m
}

func resultOf(seen Seen) string {
	switch {
	case seen.Failure != "":
		return "failed"
	case seen.NotFound:
		return "not_found"
	}
	return "answered"
}
