package bus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

func TestStoreAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		records(t, conn, "p")
		for i := range 5 {
			must(t, bus.Publish(t.Context(), conn, bus.Message{
				Subject: "records.p", MsgID: fmt.Sprint("id-", i), Headers: map[string]string{bus.HeaderRun: "night"}, Body: fmt.Appendf(nil, "body %d", i+1),
			}))
		}
		refused := false
		a, err := bus.StoreAgain(t.Context(), conn, "p", func(info bus.StreamInfo) (bus.Again, error) {
			err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.p", Body: []byte("meanwhile")})
			refused = errors.Is(err, bus.ErrNoStream)
			return bus.Again{From: 3, Through: info.Last, Behind: 9}, nil
		})
		must(t, err)
		if want := (bus.Again{From: 3, Through: 5, Behind: 9}); a != want || a.End() != 12 {
			t.Errorf("%+v ending at %d, want %+v", a, a.End(), want)
		}
		if !refused {
			t.Error("a publisher was not refused while messages were stored again")
		}
		again, err := bus.StoreAgain(t.Context(), conn, "p", nil)
		if err != nil || again != a {
			t.Errorf("asked again it says %+v, %v", again, err)
		}
		for range 2 {
			must(t, bus.Reopen(t.Context(), conn, "p"))
		}
		publish(t, conn, "p", "after")
		must(t, bus.EnsureRecords(t.Context(), conn, "p", limits))
		info, err := bus.Info(t.Context(), conn, "RECORDS_p")
		must(t, err)
		if info.First != 1 || info.Last != 13 || info.MaxBytes != limits.MaxBytes {
			t.Errorf("%+v", info)
		}
		found, err := bus.GetMany(t.Context(), conn, "RECORDS_p", []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
		must(t, err)
		for seq, m := range found {
			want := ""
			switch {
			case seq <= 5:
				want = fmt.Sprint("body ", seq)
			case seq > 9 && seq < 13:
				want = fmt.Sprint("body ", seq-7)
				if id := m.Header.Get(jetstream.MsgIDHeader); id != fmt.Sprint("id-", seq-8) || bus.Run(m.Header) != "night" {
					t.Errorf("message %d has the headers %v", seq, m.Header)
				}
			case seq == 13:
				want = "after"
			}
			if string(m.Data) != want {
				t.Errorf("message %d is %q, want %q", seq, m.Data, want)
			}
		}
	})
}

func TestWhatIsMissingAmongMessagesThatAreStoredAgainKeepsItsPlace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		c := jetstream.StreamConfig{
			Name: "RECORDS_p", Subjects: []string{"records.p"}, MaxBytes: limits.MaxBytes, AllowDirect: true, AllowAtomicPublish: true, Duplicates: 100 * time.Millisecond,
		}
		must(t, conn.Broker.CreateStream(t.Context(), c))
		publish(t, conn, "p", "1", "2", "3", "4", "5", "6")
		b.lose(t, "RECORDS_p", 3)
		b.lose(t, "RECORDS_p", 4)
		a, err := bus.StoreAgain(t.Context(), conn, "p", func(info bus.StreamInfo) (bus.Again, error) {
			return bus.Again{From: 2, Through: info.Last, Behind: 7}, nil
		})
		must(t, err)
		found, err := bus.GetMany(t.Context(), conn, "RECORDS_p", []uint64{7, 8, 9, 10, 11, 12, 13})
		must(t, err)
		got := map[uint64]string{}
		for seq, m := range found {
			got[seq] = string(m.Data)
			if bus.IsFiller(m) {
				got[seq] = "filler"
			}
		}
		want := map[uint64]string{7: "filler", 8: "2", 9: "filler", 10: "filler", 11: "5", 12: "6"}
		if diff := cmp.Diff(want, got); diff != "" || a.End() != 12 {
			t.Errorf("%+v\n%s", a, diff)
		}
	})
}

func TestMessagesOfNearlyTheLargestSizeAreStoredAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		records(t, conn, "p")
		var bodies []string
		for less := range 4 {
			bodies = append(bodies, strings.Repeat("x", bus.MaxMessageBytes-60*less), fmt.Sprint("small ", less))
		}
		publish(t, conn, "p", bodies...)
		a, err := bus.StoreAgain(t.Context(), conn, "p", func(info bus.StreamInfo) (bus.Again, error) {
			return bus.Again{From: 1, Through: info.Last, Behind: info.Last}, nil
		})
		must(t, err)
		if a.End() != uint64(2*len(bodies)) {
			t.Fatalf("%+v", a)
		}
		for i, want := range bodies {
			m, err := bus.GetMessage(t.Context(), conn, "RECORDS_p", a.Behind+1+uint64(i))
			must(t, err)
			if string(m.Data) != want || m.Header.Get("Nats-Batch-Id") != "" {
				t.Errorf("message %d has %d bytes and the headers %v, want %d bytes", m.Seq, len(m.Data), m.Header, len(want))
			}
		}
	})
}

func TestSettingsThatArePutRightKeepWhatIsNotedInTheStream(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		must(t, bus.EnsureDLQ(t.Context(), conn, limits))
		must(t, bus.AskForLetters(t.Context(), conn))
		since, err := bus.LettersSince(t.Context(), conn)
		must(t, err)
		must(t, bus.EnsureDLQ(t.Context(), conn, bus.Limits{MaxBytes: 2 * limits.MaxBytes}))
		info, err := bus.Info(t.Context(), conn, bus.StreamDLQ)
		must(t, err)
		if got, err := bus.LettersSince(t.Context(), conn); err != nil || !got.Equal(since) || info.MaxBytes != 2*limits.MaxBytes {
			t.Errorf("letters are wanted since %s in a stream of %d bytes, want still since %s: %v", got, info.MaxBytes, since, err)
		}

		records(t, conn, "p")
		_, err = bus.StoreAgain(t.Context(), conn, "p", func(info bus.StreamInfo) (bus.Again, error) { return bus.Again{Behind: info.Last}, nil })
		must(t, err)
		records(t, conn, "p")
		publish(t, conn, "p", "a")
		stream, err := conn.Broker.Stream(t.Context(), "RECORDS_p")
		must(t, err)
		for name := range stream.Config.Metadata {
			if strings.HasPrefix(name, "bulkhead_") {
				t.Errorf("a stream that is open remembers that it was shut: %v", stream.Config.Metadata)
			}
		}
	})
}

func TestAStreamThatHoldsAnotherMessageThanWasReadIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		records(t, conn, "p")
		publish(t, conn, "p", "a", "b", "c", "d")
		r := open(t, conn, bus.ReaderConfig{Stream: "RECORDS_p"})
		fetch(t, r, 3)
		read := r.Witness()
		if read.Seq != 3 && read.Seq != 4 {
			t.Fatalf("%+v", read)
		}
		config := func(w bus.Witness) bus.ReaderConfig {
			return bus.ReaderConfig{Stream: "RECORDS_p", After: 2, Witness: w}
		}
		stored := read
		stored.Stored = stored.Stored.Truncate(time.Microsecond)
		open(t, conn, config(stored))
		other := read
		other.Stored = other.Stored.Add(-time.Second)
		var replaced *bus.ReplacedError
		if _, err := bus.OpenReader(t.Context(), conn, config(other)); !errors.As(err, &replaced) || replaced.Seq != read.Seq {
			t.Errorf("another message in its place: %v", err)
		}
		var shortened *bus.ShortenedError
		if _, err := bus.OpenReader(t.Context(), conn, config(bus.Witness{Seq: 7, Stored: time.Now()})); !errors.As(err, &shortened) || shortened.Last != 4 {
			t.Errorf("a stream that ends before it: %v", err)
		}
		must(t, bus.PurgeRecords(t.Context(), conn, "p", 5))
		open(t, conn, bus.ReaderConfig{Stream: "RECORDS_p", After: 4, Witness: other}) // what has gone from the front says nothing
	})
}
