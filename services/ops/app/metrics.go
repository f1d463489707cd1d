package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/ledger"
)

// scrapeTimeout bounds what a scrape asks.
const scrapeTimeout = 10 * time.Second

// balanceCollector reads the balance and the circuits when it is scraped: the same statements as the API's, never a copy.
type balanceCollector struct {
	app                                                  *App
	records, accepted, repeats, addsUp, horizon, circuit *prometheus.Desc
}

func (a *App) registerMetrics() error {
	desc := func(metric, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(metric, help, labels, nil)
	}
	c := &balanceCollector{
		app:      a,
		records:  desc("bulkhead_records", "Accepted records by pipeline and state, the terms of the balance.", "pipeline", "state"),
		accepted: desc("bulkhead_records_accepted", "Accepted records by pipeline.", "pipeline"),
		repeats:  desc("bulkhead_repeats", "Records whose key was seen before, by pipeline.", "pipeline"),
		addsUp:   desc("bulkhead_balance_adds_up", "1 when accepted equals the sum of the other terms, else 0: an incident.", "pipeline"),
		horizon:  desc("bulkhead_records_horizon_seconds", "How far back decided records can be read again, as the last purge left it.", "pipeline"),
		circuit:  desc("bulkhead_circuit_open", "1 while the circuit of the org is open: nobody calls it but to see whether it answers again.", "org"),
	}
	if err := a.env.Registry.Register(c); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Describe names the metrics.
func (c *balanceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.records, c.accepted, c.repeats, c.addsUp, c.horizon, c.circuit} {
		ch <- d
	}
}

// Collect reads. A database that does not answer gives no numbers rather than old ones.
func (c *balanceCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	totals, err := c.app.ledger.Totals(ctx, "", "")
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.records, err)
		return
	}
	for pipeline, t := range totals {
		c.pipeline(ch, pipeline, t)
	}
	circuits, err := c.app.ledger.Circuits(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.circuit, err)
		return
	}
	for org, circuit := range circuits {
		ch <- prometheus.MustNewConstMetric(c.circuit, prometheus.GaugeValue, one(circuit.GetOpen()), org)
	}
	for pipeline, span := range c.app.streams.Horizons() {
		ch <- prometheus.MustNewConstMetric(c.horizon, prometheus.GaugeValue, span.Seconds(), pipeline)
	}
}

func (c *balanceCollector) pipeline(ch chan<- prometheus.Metric, name string, t ledger.Totals) {
	for _, state := range record.States() {
		ch <- prometheus.MustNewConstMetric(c.records, prometheus.GaugeValue, float64(t.Of(state)), name, string(state))
	}
	ch <- prometheus.MustNewConstMetric(c.accepted, prometheus.CounterValue, float64(t.Accepted), name)
	ch <- prometheus.MustNewConstMetric(c.repeats, prometheus.CounterValue, float64(t.Repeats), name)
	ch <- prometheus.MustNewConstMetric(c.addsUp, prometheus.GaugeValue, one(t.AddsUp()), name)
}

// one is 1 for true, else 0.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
