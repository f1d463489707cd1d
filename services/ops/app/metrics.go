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

// balanceCollector reads the balance when it is scraped: the same statement as the API's, never a copy.
type balanceCollector struct {
	app                                         *App
	records, accepted, repeats, addsUp, horizon *prometheus.Desc
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
	}
	if err := a.env.Registry.Register(c); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Describe names the metrics.
func (c *balanceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.records, c.accepted, c.repeats, c.addsUp, c.horizon} {
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
	good := 0.0
	if t.AddsUp() {
		good = 1
	}
	ch <- prometheus.MustNewConstMetric(c.addsUp, prometheus.GaugeValue, good, name)
}
