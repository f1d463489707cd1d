package reconcile

import (
	"bytes"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
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
	landing      *prometheus.HistogramVec
}

// landingBuckets reach from what a trickle through collections takes to an org that is away for a weekend; bounds that are promised are among them.
var landingBuckets = []float64{
	0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600, 72 * 3600,
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
		landing: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bulkhead_reconciler_landing_seconds",
			Help:    "From when the broker stored a record (one that is sent again: from when it was accepted) until its row was known to have landed; merged records count once, the oldest.",
			Buckets: landingBuckets,
		}, []string{"pipeline"}),
		oldest: gauge("oldest_chunk_seconds", "Age of the oldest chunk without an outcome; Salesforce keeps results for seven days."),
	}
	if r != nil {
		r.MustRegister(m.reads, m.rows, m.failures, m.chunks, m.quarantines, m.pauses, m.lostPayloads, m.reading, m.quarantined, m.oldest, m.lookups,
			m.resolved, m.unresolved, m.old, m.skew, m.stopped, m.landing)
	}
	return m
}

// landed counts how long the rows that landed were on their way. received says since when, as a manifest does; states is [record.Outcome.Byte] per row.
func (m metrics) landed(pipeline string, received []*flowv1.ManifestReceived, states []byte, now time.Time) {
	seconds := m.landing.WithLabelValues(pipeline)
	for _, r := range received {
		some := states[:min(int(r.GetRows()), len(states))]
		states = states[len(some):]
		if r.GetAt() == 0 {
			continue
		}
		took := max(now.Sub(time.UnixMicro(r.GetAt())), 0).Seconds() // clocks differ
		for range bytes.Count(some, []byte{record.OutcomeLanded.Byte()}) {
			seconds.Observe(took)
		}
	}
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
