package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/account"
)

// metrics of the reconciler. Labels come from closed sets.
type metrics struct {
	reads        *prometheus.CounterVec
	rows         *prometheus.CounterVec
	failures     *prometheus.CounterVec
	chunks       prometheus.Counter
	quarantines  prometheus.Counter
	pauses       prometheus.Counter
	lostPayloads prometheus.Counter
	reading      prometheus.Gauge
	quarantined  prometheus.Gauge
	oldest       prometheus.Gauge
	lookups      prometheus.Counter
	resolved     *prometheus.CounterVec
	unresolved   prometheus.Gauge
	old          *prometheus.GaugeVec
	skew         prometheus.Gauge
	stopped      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "bulkhead_reconciler_" + name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bulkhead_reconciler_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "bulkhead_reconciler_" + name, Help: help})
	}
	m := metrics{
		reads:        vector("reads_total", "Reads of a job's result files, by result: complete, broke_off.", "result"),
		rows:         vector("rows_total", "Rows of reconciled chunks, by outcome.", "outcome"),
		failures:     vector("failed_rows_total", "Rows that Salesforce refused, by class.", "class"),
		chunks:       counter("chunks_reconciled_total", "Chunks whose outcome was written."),
		quarantines:  counter("quarantines_total", "Chunks whose result files contradicted what was sent."),
		pauses:       counter("pauses_total", "Pauses of pipelines that submissions caused."),
		lostPayloads: counter("lost_payloads_total", "Records that failed and whose payload is not in RECORDS any more."),
		reading:      gauge("chunks_reading", "Chunks with a job that has ended and without an outcome."),
		quarantined:  gauge("chunks_quarantined", "Chunks that wait for a person."),
		lookups:      counter("lookups_total", "Look-ups of inserted rows whose fate the result files left open."),
		resolved:     vector("resolved_records_total", "Unresolved records that were decided, by decision.", "decision"),
		skew:         gauge("clock_skew_seconds", "How far Salesforce's clock was ahead of ours at the last read of result files."),
		stopped:      gauge("stopped_orgs", "Orgs that get no further jobs since one of theirs has no outcome for five days; Salesforce keeps results for seven."),
		unresolved:   gauge("unresolved_records", "Records of which it is not known whether they landed, and nobody has decided."),
		old: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulkhead_reconciler_old_chunks", Help: "Submitted chunks without an outcome, by the age they exceed: 24h, 72h.",
		}, []string{"age"}),
		oldest: gauge("oldest_chunk_seconds", "Age of the oldest chunk without an outcome; Salesforce keeps results for seven days."),
	}
	if r != nil {
		r.MustRegister(m.reads, m.rows, m.failures, m.chunks, m.quarantines, m.pauses, m.lostPayloads, m.reading, m.quarantined, m.oldest, m.lookups,
			m.resolved, m.unresolved, m.old, m.skew, m.stopped)
	}
	return m
}

func (m metrics) count(o *account.Outcome) {
	m.chunks.Inc()
	for outcome, n := range map[record.Outcome]int{
		record.OutcomeLanded: o.Landed, record.OutcomeFailed: o.Failed, record.OutcomeUnprocessed: o.Unprocessed,
		record.OutcomeMissing: o.Missing, record.OutcomeSuperseded: o.Superseded,
	} {
		m.rows.WithLabelValues(string(outcome)).Add(float64(n))
	}
	for _, f := range o.Failures {
		m.failures.WithLabelValues(string(f.Class)).Inc()
	}
}
