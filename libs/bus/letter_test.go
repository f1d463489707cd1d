package bus_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

func letter() bus.DeadLetter {
	return bus.DeadLetter{
		ID: "0190b6c2-7b1e-8000-8000-000000000001", Pipeline: "contacts", Revision: 2, Key: "e-1", Generation: 1, Entity: "con-1",
		Class: "data", Code: "INVALID_EMAIL_ADDRESS", Message: "not an <address>", Fields: []string{"Email"}, Stage: "reconcile",
		Payload: []byte(`{"id":"con-1","email":"x"}`), Row: map[string]string{"External_Id__c": "con-1", "Email": "x"},
		Attempts:   []bus.LetterAttempt{{N: 1, Chunk: "c", JobID: "750", At: time.Unix(1, 0).UTC(), Class: "data", Code: "INVALID_EMAIL_ADDRESS"}},
		Origin:     bus.LetterOrigin{Stream: "RECORDS_contacts", Sequence: 7, Index: 3},
		AcceptedAt: time.Unix(2, 0).UTC(), DeadAt: time.Unix(3, 0).UTC(),
	}
}

func message(t *testing.T, l bus.DeadLetter) (bus.Message, bus.DeadLetter) {
	t.Helper()
	m, err := bus.DeadLetterMessage(l)
	must(t, err)
	if len(m.Body) > bus.MaxLetterBytes {
		t.Fatalf("%d bytes", len(m.Body))
	}
	got, err := bus.ParseDeadLetter(m.Body)
	must(t, err)
	return m, got
}

func TestDeadLetter(t *testing.T) {
	t.Run("has the members of the contract and comes back", func(t *testing.T) {
		m, got := message(t, letter())
		var members map[string]any
		must(t, json.Unmarshal(m.Body, &members))
		for _, name := range []string{
			"id", "pipeline", "revision", "key", "generation", "entity", "class", "code", "message", "fields", "stage",
			"payload", "row", "attempts", "origin", "run", "accepted_at", "dead_at",
		} {
			if _, ok := members[name]; !ok {
				t.Errorf("no member %s: %s", name, m.Body)
			}
		}
		want := letter()
		if !bytes.Equal(got.Payload, want.Payload) || !maps.Equal(got.Row, want.Row) || got.Origin != want.Origin || got.Attempts[0] != want.Attempts[0] {
			t.Errorf("%+v", got)
		}
		if !bytes.Contains(m.Body, []byte("not an <address>")) {
			t.Error("a person cannot read the message")
		}
	})
	t.Run("says the most of itself in subject and headers", func(t *testing.T) {
		l := letter()
		l.Key = "line\nfeed"
		m, _ := message(t, l)
		if m.Subject != "dlq.contacts.data" || m.MsgID != l.ID || m.Headers["Bulkhead-Class"] != "data" || m.Headers["Bulkhead-Code"] != l.Code ||
			m.Headers["Bulkhead-Dead-Letter"] != l.ID || m.Headers["Bulkhead-Key"] != "line feed" {
			t.Errorf("%+v", m)
		}
	})
	t.Run("lists are lists when they are empty", func(t *testing.T) {
		l := letter()
		l.Fields, l.Attempts, l.Row, l.Payload = nil, nil, nil, nil
		m, _ := message(t, l)
		if !bytes.Contains(m.Body, []byte(`"fields":[]`)) || !bytes.Contains(m.Body, []byte(`"attempts":[]`)) || !bytes.Contains(m.Body, []byte(`"payload":""`)) {
			t.Errorf("%s", m.Body)
		}
	})
	t.Run("bytes that are no text travel as base64", func(t *testing.T) {
		l := letter()
		l.Payload = []byte{0xff, 0, 1}
		m, got := message(t, l)
		if !bytes.Equal(got.Payload, l.Payload) || !bytes.Contains(m.Body, []byte(`"payload_base64":"/wAB"`)) || bytes.Contains(m.Body, []byte(`"payload":`)) {
			t.Errorf("%s", m.Body)
		}
	})
	t.Run("a letter that is too large leaves out its row first", func(t *testing.T) {
		l := letter()
		l.Payload = bytes.Repeat([]byte("p"), 800<<10)
		l.Row = map[string]string{"Name": strings.Repeat("r", 300<<10)}
		_, got := message(t, l)
		if !got.Truncated || got.Row != nil || len(got.Payload) != len(l.Payload) || got.PayloadSize != len(l.Payload) {
			t.Errorf("truncated %v, row %d, payload %d", got.Truncated, len(got.Row), len(got.Payload))
		}
	})
	t.Run("then its payload is cut, and the whole named", func(t *testing.T) {
		for name, payload := range map[string][]byte{
			"text":     bytes.Repeat([]byte("ä"), 700<<10),
			"controls": bytes.Repeat([]byte{1}, 1<<20),
			"binary":   bytes.Repeat([]byte{0xff}, 1<<20),
			"late":     append(bytes.Repeat([]byte("a"), 1<<20), 0xff),
		} {
			l := letter()
			l.Payload = payload
			_, got := message(t, l)
			sum := sha256.Sum256(payload)
			if !got.Truncated || got.PayloadSize != len(payload) || got.PayloadSHA256 != hex.EncodeToString(sum[:]) || len(got.Payload) >= len(payload) {
				t.Errorf("%s: %v %d", name, got.Truncated, got.PayloadSize)
			}
			if name == "text" && (!utf8.Valid(got.Payload) || len(got.Payload) < 800<<10) {
				t.Errorf("%d bytes of %d are left", len(got.Payload), len(payload))
			}
		}
	})
	t.Run("even texts without end fit", func(t *testing.T) {
		l := letter()
		l.Message = strings.Repeat("m", 2<<20)
		for range 1000 {
			l.Attempts = append(l.Attempts, bus.LetterAttempt{Message: strings.Repeat("ü", 5000)})
			l.Fields = append(l.Fields, "Field__c")
		}
		message(t, l)
	})
	t.Run("any letter fits and keeps its identity", rapid.MakeCheck(func(t *rapid.T) {
		l := letter()
		l.Payload = rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		l.Key, l.Message = rapid.String().Draw(t, "key"), rapid.String().Draw(t, "message")
		if rapid.Bool().Draw(t, "large") {
			l.Payload = bytes.Repeat(l.Payload, 1<<20/(len(l.Payload)+1))
		}
		m, err := bus.DeadLetterMessage(l)
		if err != nil || len(m.Body) > bus.MaxLetterBytes {
			t.Fatalf("%d bytes, %v", len(m.Body), err)
		}
		got, err := bus.ParseDeadLetter(m.Body)
		if err != nil || got.ID != l.ID || got.Key != l.Key || !got.Truncated && !bytes.Equal(got.Payload, l.Payload) {
			t.Fatalf("%+v %v", got, err)
		}
	}))
	t.Run("a letter of an unresolved record has a subject of its own and comes back", func(t *testing.T) {
		l := letter()
		l.Class = string(record.ClassUnresolved)
		m, err := bus.DeadLetterMessage(l)
		must(t, err)
		got, err := bus.ParseDeadLetter(m.Body)
		if err != nil || got.Class != l.Class || m.Subject != "dlq."+l.Pipeline+".unresolved" {
			t.Errorf("%s: %+v, %v", m.Subject, got, err)
		}
	})
	t.Run("what is no letter is refused", func(t *testing.T) {
		for _, body := range []string{"", "null", "[]", "{}", `{"id":"x","pipeline":"p","class":"odd","stage":"extract"}`, `{"payload_base64":"?"}`, "\xff"} {
			if _, err := bus.ParseDeadLetter([]byte(body)); err == nil {
				t.Errorf("%q is a letter", body)
			}
		}
		l := letter()
		l.Pipeline = "a.b"
		if _, err := bus.DeadLetterMessage(l); err == nil {
			t.Error("a pipeline widens the subject")
		}
	})
}

func FuzzParseDeadLetter(f *testing.F) {
	m, err := bus.DeadLetterMessage(letter())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Body)
	f.Add([]byte(`{"id":"x","pipeline":"p","class":"data","stage":"extract","payload":"\ud800"}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		if l, err := bus.ParseDeadLetter(body); err == nil {
			_, _ = bus.DeadLetterMessage(l)
		}
	})
}
