package submit

import (
	"bulkhead/services/submitter/internal/store"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the submitter counts. Labels come from closed sets.
type Metrics struct {
	steps      *prometheus.CounterVec
	jobs       *prometheus.CounterVec
	answers    *prometheus.CounterVec
	calls      *prometheus.CounterVec
	callRows   prometheus.Counter
	zombies    prometheus.Counter
	superseded prometheus.Counter
	reduced    prometheus.Counter
	unsent     *prometheus.CounterVec
	orphans    *prometheus.GaugeVec
	working    prometheus.Gauge
	forgotten  prometheus.Gauge
	doubted    prometheus.Counter
}

// NewMetrics makes the metrics and registers them; a nil registerer keeps them to themselves.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_submitter_steps_total", Help: "Steps of the submission protocol, by action and what came of it.",
		}, []string{"action", "came"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_submitter_jobs_submitted_total", Help: "Jobs handed to the poller, by kind of chunk.",
		}, []string{"kind"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_submitter_chunks_answered_total", Help: "Chunks that went by calls of sObject Collections to their end, by kind of chunk.",
		}, []string{"kind"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_submitter_collection_calls_total", Help: "Calls of sObject Collections, by what came of them.",
		}, []string{"came"}),
		callRows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_submitter_collection_rows_total", Help: "Rows that calls of sObject Collections answered for.",
		}),
		zombies: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_submitter_fenced_total", Help: "Workers that stopped because somebody else owned their submission.",
		}),
		superseded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_submitter_superseded_total", Help: "Records left out of a resend because newer versions cover them.",
		}),
		reduced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_submitter_reduced_rows_total", Help: "Rows of a resend sent without columns that newer versions name.",
		}),
		unsent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_submitter_unsent_rows_total", Help: "Rows not sent because the org has no such row, or several, by code.",
		}, []string{"code"}),
		orphans: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulkhead_submitter_orphan_jobs", Help: "Open jobs of our user, too old to be bound and bound by no submission, at the last look.",
		}, []string{"org"}),
		forgotten: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bulkhead_submitter_forgotten_jobs", Help: "Jobs that a restored ledger has forgotten and that may still land, at the last look.",
		}),
		doubted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bulkhead_submitter_doubted_rows_total", Help: "Rows not sent because a job that a restored ledger has forgotten may have carried them.",
		}),
		working: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bulkhead_submitter_working", Help: "Submissions that this instance works on now.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.steps, m.jobs, m.answers, m.calls, m.callRows, m.zombies, m.superseded, m.reduced, m.unsent, m.orphans, m.working, m.forgotten, m.doubted)
	}
	return m
}

func (m *Metrics) step(a Action, k Kind) { m.steps.WithLabelValues(a.String(), k.String()).Inc() }
func (m *Metrics) submitted(kind string) { m.jobs.WithLabelValues(kind).Inc() }
func (m *Metrics) collected(kind string) { m.answers.WithLabelValues(kind).Inc() }
func (m *Metrics) called(k Kind, rows int) {
	m.calls.WithLabelValues(k.String()).Inc()
	if k == Done {
		m.callRows.Add(float64(rows))
	}
}
func (m *Metrics) fenced() { m.zombies.Inc() }
func (m *Metrics) left(c store.Checked) {
	m.superseded.Add(float64(len(c.Superseded)))
	m.reduced.Add(float64(len(c.Reduced)))
	for _, u := range c.Unsent {
		m.unsent.WithLabelValues(u.Code).Inc()
	}
}
func (m *Metrics) forgottenJobs(n int)        { m.forgotten.Set(float64(n)) }
func (m *Metrics) doubt(rows int)             { m.doubted.Add(float64(rows)) }
func (m *Metrics) orphaned(org string, n int) { m.orphans.WithLabelValues(org).Set(float64(n)) }
