package extract

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/services/extractor/internal/decide"
)

// Metrics are what the extractor counts. Pipelines are a closed set: those that are defined.
type Metrics struct {
	records *prometheus.CounterVec
	dead    *prometheus.CounterVec
	repeats *prometheus.CounterVec
	chunks  *prometheus.CounterVec
	commit  *prometheus.HistogramVec
	open    *prometheus.GaugeVec
	alarm   *prometheus.GaugeVec
	freed   prometheus.Counter
	replays *prometheus.CounterVec
	rereads *prometheus.CounterVec

	superseded *prometheus.CounterVec
	remembered *prometheus.GaugeVec
	looksUp    *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bulkhead_extractor_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "bulkhead_extractor_" + name, Help: help}, labels)
	}
	m := &Metrics{
		records: counter("records_total", "Records accepted into chunks.", "pipeline"),
		dead:    counter("dead_total", "Records refused before Salesforce.", "pipeline", "code"),
		repeats: counter("repeats_total", "Records seen before.", "pipeline"),
		chunks:  counter("chunks_total", "Chunks sealed.", "pipeline"),
		commit: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bulkhead_extractor_commit_seconds", Help: "Time of a commit of chunks, letters or marks.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"pipeline"}),
		open:    gauge("open_chunks", "Fresh chunks without an outcome.", "pipeline"),
		alarm:   gauge("stopped", "1 when reading stopped with an alarm.", "pipeline"),
		freed:   prometheus.NewCounter(prometheus.CounterOpts{Name: "bulkhead_extractor_freed_chunks_total", Help: "Chunks whose rows were dropped."}),
		replays: counter("replays_total", "Letters mapped again.", "pipeline"),
		rereads: counter("reread_records_total", "Records of parts of a stream that were read again, by whether the ledger held them.", "pipeline", "held"),

		superseded: counter("superseded_total", "Records that newer versions cover, and which are never sent.", "pipeline"),
		remembered: gauge("remembered", "Hashes that the reader remembers of the ledger's records, about.", "pipeline", "kind"),
		looksUp:    gauge("looks_up_all", "1 when every record is looked up: the ledger is not remembered yet, or holds more than rememberMiB can.", "pipeline", "kind"),
	}
	reg.MustRegister(m.records, m.dead, m.repeats, m.chunks, m.commit, m.open, m.alarm, m.freed, m.replays, m.rereads, m.superseded, m.remembered, m.looksUp)
	return m
}

func (m *Metrics) committed(pipeline string, c *decide.Commit, took time.Duration) {
	for i := range c.Chunks {
		m.records.WithLabelValues(pipeline).Add(float64(c.Chunks[i].Records))
	}
	m.chunks.WithLabelValues(pipeline).Add(float64(len(c.Chunks)))
	for i := range c.Dead {
		m.dead.WithLabelValues(pipeline, c.Dead[i].Code).Inc()
	}
	m.superseded.WithLabelValues(pipeline).Add(float64(len(c.Superseded)))
	for _, n := range c.Repeats {
		m.repeats.WithLabelValues(pipeline).Add(float64(n))
	}
	m.commit.WithLabelValues(pipeline).Observe(took.Seconds())
}

func (m *Metrics) remembers(pipeline, kind string, of *remembered) {
	n, all := 0.0, 1.0
	if of.filter != nil {
		n = float64(of.filter.Len())
	}
	if of.whole {
		all = 0
	}
	m.remembered.WithLabelValues(pipeline, kind).Set(n)
	m.looksUp.WithLabelValues(pipeline, kind).Set(all)
}

func (m *Metrics) reread(pipeline string, known, accepted int) {
	m.rereads.WithLabelValues(pipeline, "yes").Add(float64(known))
	m.rereads.WithLabelValues(pipeline, "no").Add(float64(accepted))
}

func (m *Metrics) openChunks(pipeline string, n int) {
	m.open.WithLabelValues(pipeline).Set(float64(n))
}

func (m *Metrics) stopped(pipeline string, yes bool) {
	v := 0.0
	if yes {
		v = 1
	}
	m.alarm.WithLabelValues(pipeline).Set(v)
}
