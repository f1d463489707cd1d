package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/services/retrier/internal/store"
)

// scrapeTimeout bounds the one query of a scrape.
const scrapeTimeout = 3 * time.Second

// waitingCollector counts waiting records when it is scraped, so that nothing is counted twice by two instances.
type waitingCollector struct {
	store   *store.Store
	waiting *prometheus.Desc
}

func registerMetrics(reg *prometheus.Registry, st *store.Store) error {
	c := &waitingCollector{store: st, waiting: prometheus.NewDesc("bulkhead_retrier_waiting_records",
		"Records that wait to be sent again, by pipeline and class (none: replayed, or never looked at by Salesforce).", []string{"pipeline", "class"}, nil)}
	if err := reg.Register(c); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Describe names the metric.
func (c *waitingCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.waiting }

// Collect counts. A database that does not answer gives no numbers rather than old ones.
func (c *waitingCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	counts, err := c.store.WaitingByClass(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.waiting, err)
		return
	}
	for _, n := range counts {
		class := n.Class
		if class == "" {
			class = "none"
		}
		ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(n.Records), n.Pipeline, class)
	}
}
