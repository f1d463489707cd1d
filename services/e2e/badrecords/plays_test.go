package badrecords

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// play is a case of several messages, or one that looks elsewhere than at its record.
type play struct {
	n        int
	name     string
	verdicts []string
	// publish publishes its messages and returns what to ask once everything has come to rest.
	publish func(s *stack) (check func(t *testing.T, s *stack))
}

// send publishes a record as a run of its own.
func (s *stack) send(pipeline, run, id, body string) {
	s.T.Helper()
	m := nats.NewMsg(bus.RecordsSubject(pipeline))
	m.Data = []byte(body)
	m.Header.Set(bus.HeaderRun, run)
	if id != "" {
		m.Header.Set(jetstream.MsgIDHeader, id)
	}
	s.afresh(m)
}

// ended is the end that a run's one record came to.
func (s *stack) ended(t *testing.T, pipeline, run string) string {
	t.Helper()
	b := s.Balance(pipeline, run)
	switch {
	case b.Accepted+b.Repeats != 1:
		return fmt.Sprintf("%+v", b)
	case b.Repeats == 1:
		return repeat
	case b.Landed == 1:
		return landed
	case b.Superseded == 1:
		return superseded
	case b.Dead == 1:
		letters := s.letters(pipeline, run)
		if len(letters) != 1 {
			t.Fatalf("run %s has %d letters", run, len(letters))
		}
		return "dead " + letters[0].Code
	}
	return fmt.Sprintf("%+v", b)
}

func (s *stack) wantEnds(t *testing.T, pipeline string, ends f) {
	t.Helper()
	for run, want := range ends {
		if got := s.ended(t, pipeline, run); got != want {
			t.Errorf("run %s is %s, want %s", run, got, want)
		}
	}
}

// spellings is a case of one entity under two spellings of its key, of which the second record is newer.
func spellings(n int, name, first, second string) play {
	return play{n, name, []string{landed}, func(s *stack) func(*testing.T, *stack) {
		run := func(i int) string { return fmt.Sprintf("spelling-%d-%d", n, i) }
		s.send("named", run(1), run(1), fmt.Sprintf(`{"id":%q,"name":"first"}`, first))
		s.send("named", run(2), run(2), fmt.Sprintf(`{"id":%q,"name":"second"}`, second))
		return func(t *testing.T, s *stack) {
			s.wantEnds(t, "named", f{run(1): landed, run(2): landed})
			var rows []string
			for _, r := range s.Sim.Records("Named__c", false) {
				if key := strings.TrimSpace(r.Fields["Ext__c"]); strings.EqualFold(key, strings.TrimSpace(first)) || strings.EqualFold(key, strings.TrimSpace(second)) {
					rows = append(rows, r.Fields["Name"])
				}
			}
			if !slices.Equal(rows, []string{"second"}) {
				t.Errorf("the org holds %q", rows)
			}
		}
	}}
}

// again is a case of one record published twice.
func again(n int, name, pipeline, id, first, second, end string) play {
	verdicts := []string{landed, end}
	return play{n, name, verdicts, func(s *stack) func(*testing.T, *stack) {
		run := strings.ReplaceAll(name, " ", "-")
		s.send(pipeline, run+"-1", id, first)
		s.send(pipeline, run+"-2", id, second)
		return func(t *testing.T, s *stack) {
			s.wantEnds(t, pipeline, f{run + "-1": landed, run + "-2": end})
			s.wantRow(t, objectOf(pipeline), run, f{"Name": "one"})
		}
	}}
}

// neighbours is a case of three records in one message, of which the one in the middle is refused.
func neighbours(n int, name, contentType, verdict string, body func(t testing.TB) string) play {
	run := fmt.Sprintf("neighbours-%d", n)
	return play{n, name, []string{landed, verdict}, func(s *stack) func(*testing.T, *stack) {
		m := nats.NewMsg(bus.RecordsSubject("named"))
		m.Data = []byte(body(s.T))
		m.Header.Set(bus.HeaderRun, run)
		m.Header.Set(bus.HeaderContentType, contentType)
		s.afresh(m)
		s.published += 2 // the message was counted as one record
		return func(t *testing.T, s *stack) {
			if b := s.Balance("named", run); b.Accepted != 3 || b.Landed != 2 || b.Dead != 1 {
				t.Errorf("%+v", b)
			}
			if l := s.letters("named", run); len(l) != 1 || "dead "+l[0].Code != verdict || !strings.HasPrefix(l[0].Key, "@") {
				t.Errorf("%+v", l)
			}
			s.wantRow(t, "Named__c", run+"-1", f{"Name": "x"})
			s.wantRow(t, "Named__c", run+"-3", f{"Name": "x"})
		}
	}}
}

const address = "ada.lovelace@people.example"

var plays = []play{
	neighbours(4, "in a frame", bus.TypeNDJSON, notJSON, func(testing.TB) string {
		return `{"id":"neighbours-4-1","name":"x"}` + "\n" + `{"id":"neighbours-4-2","na` + "\n" + `{"id":"neighbours-4-3","name":"x"}`
	}),
	neighbours(20, "in a batch", bus.TypeProtobuf, tooLarge, func(t testing.TB) string {
		return batchOf(t, `{"id":"neighbours-20-1","name":"x"}`, "n20-1") + batchOf(t, `{"id":"neighbours-20-2","name":"x"}`, strings.Repeat("k", 10<<10)) +
			batchOf(t, `{"id":"neighbours-20-3","name":"x"}`, "n20-3")
	}),
	spellings(16, "cafés", "caf\u00e9", "cafe\u0301"),
	spellings(17, "capitals", "ABC-17", "abc-17"),
	spellings(18, "blanks", " edge-18 ", "edge-18"),
	again(22, "named by a member", "keyed", "", `{"event":"e22","id":"named-by-a-member","name":"one"}`, `{"name":"one","event":"e22","id":"named-by-a-member"}`, repeat),
	again(22, "named by the message", "named", "m22", `{"id":"named-by-the-message","name":"one"}`, `{"id":"named-by-the-message","name":"one"}`, repeat),
	again(22, "named by its content", "named", "", `{"id":"named-by-its-content","name":"one"}`, `{"id":"named-by-its-content", "name":"one"}`, repeat),
	again(22, "an insert", "inserts", "", `{"event":"e22","id":"an-insert","name":"one"}`, `{"event":"e22","id":"an-insert","name":"one"}`, repeat),
	again(23, "reused by a member", "keyed", "", `{"event":"e23","id":"reused-by-a-member","name":"one"}`, `{"event":"e23","id":"reused-by-a-member","name":"two"}`, keyReused),
	again(23, "reused by the message", "named", "m23", `{"id":"reused-by-the-message","name":"one"}`, `{"id":"reused-by-the-message","name":"two"}`, keyReused),
	{24, "at once and later", []string{landed, refusedByThePublisher, keyReused}, func(s *stack) func(*testing.T, *stack) {
		// The broker forgets an id soon: a machine that is busy may take longer for two messages.
		var first string
		for i := 0; ; i++ {
			first = fmt.Sprintf("same-id-%d", i)
			s.send("named", first, first, fmt.Sprintf(`{"id":%q,"name":"one"}`, first))
			m := nats.NewMsg(bus.RecordsSubject("named"))
			m.Data = fmt.Appendf(nil, `{"id":"other-%d","name":"two"}`, i)
			m.Header.Set(jetstream.MsgIDHeader, first)
			m.Header.Set(bus.HeaderRun, "other-"+first)
			duplicate, err := s.publish(m)
			s.Must(err)
			if duplicate {
				s.afresh(m)
				break
			}
			if i == 100 {
				s.T.Fatal("the broker never says that it knows an id")
			}
		}
		return func(t *testing.T, s *stack) {
			s.wantEnds(t, "named", f{first: landed, "other-" + first: keyReused})
			s.wantRow(t, "Named__c", first, f{"Name": "one"})
		}
	}},
	{71, "later and never", []string{landed, "dead INVALID_FIELD"}, func(s *stack) func(*testing.T, *stack) {
		s.send("parts", "waits", "waits", `{"id":"waits","name":"x","parent":"late"}`)
		s.send("orphans", "orphan", "orphan", `{"id":"orphan","name":"x","parent":"never"}`)
		s.Eventually("the part misses its parent", func() bool { return s.Balance("parts", "").Failed["reference"] > 0 })
		s.send("widgets", "late", "late", `{"id":"late","name":"parent"}`)
		return func(t *testing.T, s *stack) {
			s.wantEnds(t, "parts", f{"waits": landed})
			s.wantEnds(t, "orphans", f{"orphan": "dead INVALID_FIELD"})
			parent := s.wantRow(t, "Widget__c", "late", f{"Name": "parent"})
			s.wantRow(t, "Part__c", "waits", f{"Widget__c": parent})
			l := s.letter(s.letters("orphans", "orphan")[0].ID)
			if l.Class != "reference" || len(l.Attempts) != 3 {
				t.Errorf("class %s after %d attempts, want reference after the 3 of the default policy", l.Class, len(l.Attempts))
			}
		}
	}},
	{83, "the broker's own", []string{landed}, func(s *stack) func(*testing.T, *stack) {
		// The broker alone acknowledges, and it does so in place of the publisher. What it writes into a stream of ours is nobody's fact and nobody's letter.
		replies := []string{"flow.widgets.chunk_sealed", "dlq.widgets.data", "$JS.API.STREAM.PURGE.RECORDS_nulls", "nobody.listens"}
		for i, reply := range replies {
			m := nats.NewMsg(bus.RecordsSubject("widgets"))
			m.Data = fmt.Appendf(nil, `{"id":"reply-%d","name":"x"}`, i)
			m.Reply = reply
			m.Header.Set(bus.HeaderRun, fmt.Sprintf("reply-%d", i))
			s.Must(s.Conn.NC.PublishMsg(m))
			s.published++
		}
		s.Must(s.Conn.NC.Flush())
		return func(t *testing.T, s *stack) {
			for i := range replies {
				s.wantEnds(t, "widgets", f{fmt.Sprintf("reply-%d", i): landed})
			}
		}
	}},
	{85, "Ada's", []string{landed}, func(s *stack) func(*testing.T, *stack) {
		s.send("named", "address", address, fmt.Sprintf(`{"id":%q,"name":"x"}`, address))
		return func(t *testing.T, s *stack) {
			s.wantEnds(t, "named", f{"address": landed})
			s.wantRow(t, "Named__c", address, f{"Name": "x"})
			if strings.Contains(s.Log.Text(), "lovelace") {
				t.Error("the log tells of it")
			}
			for _, subject := range s.subjects(t) {
				if strings.Contains(subject, "lovelace") || strings.Count(subject, ".") > 2 {
					t.Errorf("a subject is %s", subject)
				}
			}
		}
	}},
	{87, "all of them", []string{landed}, func(s *stack) func(*testing.T, *stack) {
		s.send("widgets", "before", "before", `{"id":"before","name":"x"}`)
		return func(t *testing.T, s *stack) {
			before, jobs := s.Balance("", ""), s.sendings()
			s.Stop("extractor") // what it had open is delivered to it again
			s.Start("extractor")
			s.send("widgets", "after", "after", `{"id":"after","name":"x"}`)
			s.settle()
			after := s.Balance("", "")
			if after.Accepted != before.Accepted+1 || after.Landed != before.Landed+1 || after.Repeats != before.Repeats || s.sendings() != jobs+1 {
				t.Errorf("%+v and %d jobs became %+v and %d", before, jobs, after, s.sendings())
			}
			s.wantEnds(t, "widgets", f{"before": landed, "after": landed})
		}
	}},
}
