package pump

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/publish"
	"bulkhead/libs/testkit"
)

const pipeline = "numbers"

// numbered is a record that says which one it is.
func numbered(body []byte, i int64) publish.Record {
	return publish.Record{Body: fmt.Appendf(body, `{"n":%d}`, i)}
}

func TestRun(t *testing.T) {
	broker := testkit.NATS(t)
	conn, err := bus.Connect(broker.URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := bus.EnsureRecords(t.Context(), conn, pipeline, bus.Limits{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Run("publishes each record once, the last frame with what is left", func(t *testing.T) {
		got, err := Run(t.Context(), Options{URL: broker.URL(), Pipeline: pipeline, Record: numbered, Records: 1050, Frame: 100, Publishers: 3})
		if err != nil || got.Records != 1050 || got.Frames != 11 || got.Again != 0 || got.First >= got.Last {
			t.Errorf("%+v, %v", got, err)
		}
		info, err := bus.Info(t.Context(), conn, bus.RecordsStream(pipeline))
		if err != nil || info.Last != 11 {
			t.Errorf("%+v, %v", info, err)
		}
	})
	t.Run("tells of each record that is stored", func(t *testing.T) {
		var acked atomic.Int64
		_, err := Run(t.Context(), Options{
			URL: broker.URL(), Pipeline: pipeline, Record: numbered, Records: 1050, Frame: 100, Publishers: 3,
			Acked: func(records int) { acked.Add(int64(records)) },
		})
		if err != nil || acked.Load() != 1050 {
			t.Errorf("%d, %v", acked.Load(), err)
		}
	})
	t.Run("keeps the order of records a stride apart", func(t *testing.T) {
		const own = "strides"
		if err := bus.EnsureRecords(t.Context(), conn, own, bus.Limits{MaxBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		o := Options{URL: broker.URL(), Pipeline: own, Record: numbered, Records: 600, Frame: 10, Publishers: 4}
		if _, err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(conn.NC)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(t.Context(), bus.RecordsStream(own))
		if err != nil {
			t.Fatal(err)
		}
		place := map[int64]uint64{} // of the first record of each frame
		for seq := uint64(1); seq <= 60; seq++ {
			m, err := stream.GetMsg(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.ParseInt(string(regexp.MustCompile(`"n":(\d+)`).FindSubmatch(m.Data)[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			place[n] = seq
		}
		for n, seq := range place {
			if later, ok := place[n+o.Stride()]; ok && later < seq {
				t.Errorf("record %d stands at %d, and %d at %d", n, seq, n+o.Stride(), later)
			}
		}
		if len(place) != 60 {
			t.Errorf("%d frames", len(place))
		}
	})
	t.Run("goes no faster than it is told to", func(t *testing.T) {
		got, err := Run(t.Context(), Options{URL: broker.URL(), Pipeline: pipeline, Record: numbered, Records: 1000, Frame: 100, Publishers: 3, Rate: 10_000})
		if took := time.Duration(got.Last - got.First); err != nil || took < 90*time.Millisecond { // the tenth frame goes then
			t.Errorf("%s, %v", took, err)
		}
	})
	t.Run("refuses to publish nothing", func(t *testing.T) {
		if _, err := Run(t.Context(), Options{URL: broker.URL(), Pipeline: pipeline, Record: numbered, Records: 0, Frame: 1, Publishers: 1}); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Error(err)
		}
		if _, err := Run(t.Context(), Options{URL: broker.URL(), Pipeline: pipeline, Records: 1, Frame: 1, Publishers: 1}); err == nil {
			t.Error("records that nobody describes")
		}
	})
}
