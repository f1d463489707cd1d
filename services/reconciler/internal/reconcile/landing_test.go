package reconcile

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func TestHowLongRowsWereOnTheirWay(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixMicro() }
	for _, test := range []struct {
		name     string
		received []*flowv1.ManifestReceived
		states   string
		count    uint64
		sum      float64
	}{
		{"is counted for each that landed", []*flowv1.ManifestReceived{{Rows: 2, At: ago(time.Second)}, {Rows: 3, At: ago(2 * time.Second)}}, "lflul", 3, 1 + 2 + 2},
		{"is not counted where it is not known", []*flowv1.ManifestReceived{{Rows: 1}, {Rows: 1, At: ago(3 * time.Second)}}, "lll", 1, 3},
		{"is nothing where the broker's clock is ahead", []*flowv1.ManifestReceived{{Rows: 1, At: ago(-time.Minute)}}, "l", 1, 0},
		{"is counted for no row that there is not", []*flowv1.ManifestReceived{{Rows: 1 << 31, At: ago(time.Second)}, {Rows: 5, At: 1}}, "ll", 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			newMetrics(registry).landed("contacts", test.received, []byte(test.states), now)
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() != "bulkhead_reconciler_landing_seconds" {
					continue
				}
				h := f.GetMetric()[0].GetHistogram()
				if h.GetSampleCount() != test.count || h.GetSampleSum() != test.sum {
					t.Errorf("%d rows, %g seconds", h.GetSampleCount(), h.GetSampleSum())
				}
				return
			}
			t.Error("there is no such metric")
		})
	}
}
