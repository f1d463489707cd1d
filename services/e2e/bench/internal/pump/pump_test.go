package pump

import (
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/bench/internal/people"
)

func TestRun(t *testing.T) {
	broker := testkit.NATS(t)
	conn, err := bus.Connect(broker.URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := bus.EnsureRecords(t.Context(), conn, people.Pipeline, bus.Limits{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Run("publishes each record once, the last frame with what is left", func(t *testing.T) {
		got, err := Run(t.Context(), Options{URL: broker.URL(), Records: 1050, Frame: 100, Publishers: 3})
		if err != nil || got.Records != 1050 || got.Frames != 11 || got.Again != 0 || got.First >= got.Last {
			t.Errorf("%+v, %v", got, err)
		}
		info, err := bus.Info(t.Context(), conn, bus.RecordsStream(people.Pipeline))
		if err != nil || info.Last != 11 {
			t.Errorf("%+v, %v", info, err)
		}
	})
	t.Run("goes no faster than it is told to", func(t *testing.T) {
		got, err := Run(t.Context(), Options{URL: broker.URL(), Records: 1000, Frame: 100, Publishers: 3, Rate: 10_000})
		if took := time.Duration(got.Last - got.First); err != nil || took < 90*time.Millisecond { // the tenth frame goes then
			t.Errorf("%s, %v", took, err)
		}
	})
	t.Run("refuses to publish nothing", func(t *testing.T) {
		if _, err := Run(t.Context(), Options{URL: broker.URL(), Records: 0, Frame: 1, Publishers: 1}); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Error(err)
		}
	})
}
