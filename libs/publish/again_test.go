package publish

import (
	"testing"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
)

func TestAFrameThatIsSentAgainIsTheSame(t *testing.T) {
	conn, err := nats.Connect(testkit.NATS(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	p, err := New(conn, "p")
	if err != nil {
		t.Fatal(err)
	}
	on, err := bus.On(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.EnsureRecords(t.Context(), on, "p", bus.Limits{MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	p.o.add(&p.open, Record{Key: "k", Body: []byte("{}")})
	s, err := p.o.seal(&p.open, 1, p.subject, "id", p.limit())
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.try(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	// As if the first acknowledgement had been lost: within its window the broker itself knows the id, and answers with the same place.
	second, err := p.try(t.Context(), s)
	if err != nil || !second.Duplicate && second.Sequence == first.Sequence || second.Duplicate && second.Sequence != first.Sequence {
		t.Fatalf("%+v, then %+v %v", first, second, err)
	}
	if s.sends != 2 || p.Stats().Again != 1 || p.Stats().Records != 0 {
		t.Errorf("%d sends, %+v", s.sends, p.Stats())
	}
	stream, err := p.js.Stream(t.Context(), "RECORDS_p")
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil || m.Header.Get(nats.MsgIdHdr) != "id" || string(m.Data) != string(s.msg.Data) {
			t.Errorf("message %d: %v %v", seq, m, err)
		}
	}
}
