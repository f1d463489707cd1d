package journeys

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestAPlainClientPublishesAndRepeats is the way of a newcomer: dev, and a NATS client that knows nothing of us.
func TestAPlainClientPublishesAndRepeats(t *testing.T) {
	inTurn(t)
	s := dev(t)
	c := s.client(t)

	// Of each hundred one lacks its last name (dead in Salesforce), one has a member nobody knows and one is no JSON (dead before).
	keys := keysOf("c", 1000)
	messages := messagesOf(keys, contact)
	lands := map[string]bool{}
	for i, k := range keys {
		lands[k] = true
		switch i % 100 {
		case 3:
			messages[i].body, lands[k] = contact(k).without("last_name"), false
		case 5:
			messages[i].body, lands[k] = contact(k).with("shoe_size", 43), false
		case 7:
			messages[i].body, lands[k] = `{"id": `, false
		}
	}
	c.publish(t, "contacts", messages...)
	stream, err := c.js.Stream(t.Context(), "RECORDS_contacts")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The passing of time is the subject here: past the broker's window it stores the same id as a new message.
	window := info.Config.Duplicates
	past := time.NewTimer(max(2*window, 500*time.Millisecond))
	defer past.Stop()
	select {
	case <-past.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
	c.publish(t, "contacts", messages[:100]...)
	if info, err = stream.Info(t.Context()); err != nil || info.State.LastSeq != 1100 {
		t.Fatalf("the broker stored %d messages (%v): with a window of %s it should have taken all 1100", info.State.LastSeq, err, window)
	}

	eventually(t, "100 repeats are counted", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "contacts")
		return b.Repeats == 100, err
	})
	b := s.settle(t, "contacts", 1000)
	if b.Balance.Accepted != 1000 || b.Balance.Landed != 970 || b.Balance.Dead != 30 || b.Repeats != 100 {
		t.Errorf("%+v repeats %d, want accepted 1000 = landed 970 + dead 30, repeats 100", b.Balance, b.Repeats)
	}
	held := s.org.rows(t, "Contact")
	letters := map[string]int{}
	for _, l := range s.letters(t, "contacts") {
		letters[l.Key]++
	}
	for i, k := range keys {
		_, there := held[k]
		if there != lands[k] {
			t.Errorf("%s is in the org: %t, want %t", k, there, lands[k])
		}
		want := 1
		if lands[k] {
			want = 0
		}
		if n := letters[messages[i].id]; n != want {
			t.Errorf("%s has %d dead letters, want %d", messages[i].id, n, want)
		}
	}
	if len(held) != 970 {
		t.Errorf("the org holds %d contacts, want 970", len(held))
	}
	s.org.checkSentAgain(t, "Contact")

	t.Run("the same key with other content is a dead letter, and that again is a repeat of it", func(t *testing.T) {
		other := message{id: messages[0].id, body: contact(keys[0]).with("phone", "+1 555 0199")}
		c.publish(t, "contacts", other)
		b := s.settle(t, "contacts", 1001)
		if b.Balance.Dead != 31 || b.Repeats != 100 {
			t.Errorf("dead %d, repeats %d, want 31 and 100", b.Balance.Dead, b.Repeats)
		}
		// Another record in between keeps the broker's own window out of it.
		c.publish(t, "contacts", message{id: "evt-between", body: contact("between")})
		s.settle(t, "contacts", 1002)
		eventually(t, "the broker has forgotten the id", func(ctx context.Context) (bool, error) {
			c.publish(t, "contacts", other)
			b, err := readBalance(ctx, s.ops, "contacts")
			return b.Repeats > 100, err
		})
		if b := s.settle(t, "contacts", 1002); b.Balance.Accepted != 1002 || b.Balance.Dead != 31 {
			t.Errorf("%+v, want accepted 1002 with 31 dead", b.Balance)
		}
	})
	t.Run("a publish to a pipeline that does not exist fails at the publisher", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if ack, err := c.js.Publish(ctx, "records.nosuch", []byte(`{"id":"x"}`), jetstream.WithRetryAttempts(0)); err == nil {
			t.Errorf("it was acknowledged by %s", ack.Stream)
		}
	})
	t.Run("an entity told twice the same is a repeat only against its newest version", func(t *testing.T) {
		before := s.balance(t, "contacts")
		a, b := contact("aba"), contact("aba").with("phone", "+1 555 0122")
		for i, body := range []fields{a, b, a} { // three events: without an id the content is the key
			c.publish(t, "contacts", message{body: body})
			s.settle(t, "contacts", before.Balance.Accepted+int64(i)+1)
		}
		after := s.balance(t, "contacts")
		if got := after.Balance.Accepted - before.Balance.Accepted; got != 3 {
			t.Errorf("%d of A, B, A were accepted, want 3", got)
		}
		row, _, err := s.org.row(t.Context(), "Contact", "aba")
		if err != nil || row.Fields["Phone"] != "+1 555 0100" {
			t.Errorf("the org holds phone %q (%v), want that of the last event", row.Fields["Phone"], err)
		}
	})
}

func TestAFrameOfManyKindsIsAccountedForRecordByRecord(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickPipelines(t))
	c := s.client(t)
	// Ninety good ones, and between them what upstream should never send.
	var frame []byte
	for i, k := range keysOf("f", 90) {
		frame = append(append(frame, bodyOf(t, account(k))...), '\n')
		switch i {
		case 10:
			frame = append(frame, "this is no JSON\n"...)
		case 20:
			frame = append(frame, "[1,2]\n"...)
		case 30:
			frame = append(frame, `{"name":"nobody"}`+"\n"...)
		case 40:
			frame = append(frame, `{"id":"twice","id":"thrice","name":"x"}`+"\n"...)
		case 50:
			frame = append(frame, "{\"id\":\"bytes\",\"name\":\"\xff\xfe\"}\n"...)
		case 60:
			frame = append(frame, `{}`+"\n"...)
		case 70:
			frame = append(frame, `{"id":"na","name":"#N/A"}`+"\n"...)
		}
	}
	p := newStubborn(t, s.natsURL, "records.accounts")
	p.feed <- frame
	close(p.feed)
	<-p.done
	c.publish(t, "accounts", message{body: account("single")})
	b := s.settle(t, "accounts", 98)
	if b.Balance.Accepted != 98 || b.Balance.Landed != 91 || b.Balance.Dead != 7 {
		t.Errorf("%+v, want accepted 98 = landed 91 + dead 7", b.Balance)
	}
	codes := map[string]int{}
	for _, l := range s.letters(t, "accounts") {
		codes[l.Code]++
		if l.Class != "data" || l.Stage != "extract" {
			t.Errorf("letter %s has class %s, stage %s, want data and extract", l.Key, l.Class, l.Stage)
		}
	}
	for code, n := range map[string]int{
		"NOT_JSON": 2, "NOT_AN_OBJECT": 1, "MISSING_EXTERNAL_ID": 1, "BAD_UTF8": 1, "EMPTY_OBJECT": 1, "UNREPRESENTABLE": 1,
	} {
		if codes[code] != n {
			t.Errorf("%d letters with code %s, want %d (all: %v)", codes[code], code, n, codes)
		}
	}
}
