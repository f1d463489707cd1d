package circuit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	open    *prometheus.GaugeVec
	refused *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) metrics {
	m := metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulkhead_circuit_open", Help: "Whether calls to the org are held back because it does not answer, or has no calls left today: 1, else 0.",
		}, []string{"org"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_circuit_refused_calls_total", Help: "Calls to the org that were not made because its circuit was open.",
		}, []string{"org"}),
	}
	if registerer == nil {
		return m
	}
	m.open, m.refused = registered(registerer, m.open), registered(registerer, m.refused)
	return m
}

// registered is the collector that the registerer has under its name.
func registered[C prometheus.Collector](registerer prometheus.Registerer, c C) C {
	var are prometheus.AlreadyRegisteredError
	if err := registerer.Register(c); errors.As(err, &are) {
		if have, ok := are.ExistingCollector.(C); ok {
			return have
		}
	}
	return c
}
