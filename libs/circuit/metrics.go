package circuit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	refused *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) metrics {
	m := metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulkhead_circuit_refused_calls_total", Help: "Calls to the org that were not made because its circuit was open.",
		}, []string{"org"}),
	}
	if registerer == nil {
		return m
	}
	m.refused = registered(registerer, m.refused)
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
