package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// watched is what status said of a pipeline while it was under load.
type watched struct {
	looks    int
	accepted int64
	landed   int64
	marks    map[int][2]int64 // by lane
}

// look asks for status, and wants counts and checkpoints that go forward only.
func (w *watched) look(t *testing.T, s *stack, pipeline string) record.Balance {
	t.Helper()
	var status struct {
		AddsUp    bool `json:"adds_up"`
		Pipelines []struct {
			Name        string
			Balance     record.Balance
			Checkpoints []struct {
				Lane  int
				Seq   json.Number
				Index int64
			}
		}
	}
	s.Ask(http.MethodGet, "/v1/status", nil, &status)
	w.looks++
	for _, p := range status.Pipelines {
		if p.Name != pipeline {
			continue
		}
		if !status.AddsUp || !p.Balance.AddsUp() {
			t.Errorf("look %d: the balance does not add up: %+v", w.looks, p.Balance)
		}
		if p.Balance.Accepted < w.accepted || p.Balance.Landed < w.landed {
			t.Errorf("look %d: %+v, was %d accepted and %d landed", w.looks, p.Balance, w.accepted, w.landed)
		}
		w.accepted, w.landed = p.Balance.Accepted, p.Balance.Landed
		for _, c := range p.Checkpoints {
			seq, err := c.Seq.Int64()
			s.Must(err)
			if was := w.marks[c.Lane]; seq < was[0] || seq == was[0] && c.Index < was[1] {
				t.Errorf("look %d: lane %d is at %d.%d and was at %d.%d", w.looks, c.Lane, seq, c.Index, was[0], was[1])
			}
			w.marks[c.Lane] = [2]int64{seq, c.Index}
		}
		return p.Balance
	}
	t.Fatalf("status does not know %s", pipeline)
	return record.Balance{}
}

// TestInvariantsUnderLoad: many records with three failures in a hundred, a part of them published twice, and services that stop in the middle of it. How fast it
// is, is told; what is tried is that nothing lands twice, that no try is above its bound, and that counts and checkpoints go forward only.
func TestInvariantsUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		n       = 10_000
		perPage = 500
		again   = 4   // every so many pages comes twice
		tries   = 8   // of what is locked, by the default policy
		locked  = 100 // one row in so many is locked at first
		lasting = 500 // one row in so many stays locked
		refused = 50  // one row in so many is refused by a rule
	)
	s := newStack(t, byJobs, func(o *inprocess.Options) { o.Patience = 4 * time.Minute })
	keys := keysOf("L", 0, n)
	var once, always, dead []string
	for i, k := range keys {
		switch {
		case i%lasting == 7:
			always = append(always, k)
		case i%locked == 3:
			once = append(once, k)
		case i%refused == 1:
			dead = append(dead, k)
		}
	}
	s.failing(simtest.LockError, 1, once...)
	s.failing(simtest.LockError, 0, always...)
	s.failing(noLastName, 0, dead...)
	w := &watched{marks: map[int][2]int64{}}
	began := time.Now()
	repeats := int64(0)
	for page := range n / perPage {
		var b bytes.Buffer
		for _, k := range keys[page*perPage : (page+1)*perPage] {
			b.Write(contact(k))
			b.WriteByte('\n')
		}
		s.publish("contacts", "", b.Bytes(), true)
		if page%again == 0 {
			s.publish("contacts", "", b.Bytes(), true)
			repeats += perPage
		}
		w.look(t, s, "contacts")
		if page == n/perPage/2 {
			for _, name := range []string{"extractor", "reconciler", "submitter"} {
				s.Stop(name)
				s.Start(name)
			}
		}
	}
	want := record.Balance{Accepted: n, Landed: int64(n - len(dead) - len(always)), Dead: int64(len(dead) + len(always))}
	s.Eventually("the load comes to rest", func() bool { return w.look(t, s, "contacts") == want })
	t.Logf("%d records in %s, %d looks", n, time.Since(began).Round(time.Millisecond), w.looks)

	t.Run("what came twice is a repeat", func(t *testing.T) {
		if b := s.balance("contacts"); b.Repeats != repeats {
			t.Errorf("%d repeats, want %d", b.Repeats, repeats)
		}
	})
	t.Run("each row landed once, and was sent as often as its failures ask for", func(t *testing.T) {
		sent := map[string]int{}
		for _, j := range s.closed() {
			for _, r := range s.Sim.Rows(j.ID) {
				sent[r.Key]++
			}
		}
		expected := map[string]int{}
		for _, k := range keys {
			expected[k] = 1
		}
		for _, k := range once {
			expected[k] = 2
		}
		for _, k := range always {
			expected[k] = tries
		}
		if !maps.Equal(sent, expected) {
			for k, times := range expected {
				if sent[k] != times {
					t.Errorf("%s was sent %d times, want %d", k, sent[k], times)
				}
			}
		}
		for _, r := range s.Sim.Records("Contact", true) {
			if len(r.Versions) != 1 {
				t.Errorf("%s has %d versions", r.Fields["External_Id__c"], len(r.Versions))
			}
		}
	})
	t.Run("whoever is dead has one letter, with the tries that were made", func(t *testing.T) {
		s.Eventually("all letters are known", func() bool {
			return s.number(`SELECT count(*) FROM ops.letters WHERE state = 'open'`) == int64(len(dead)+len(always))
		})
		if got := s.number(`SELECT count(DISTINCT key) FROM ops.letters`); got != int64(len(dead)+len(always)) {
			t.Errorf("letters of %d keys", got)
		}
	})
	t.Run("the checkpoint stands behind the last record", func(t *testing.T) {
		if b := s.balance("contacts"); b.Unread != 0 || len(w.marks) == 0 {
			t.Errorf("%d unread, checkpoints %s", b.Unread, fmt.Sprint(w.marks))
		}
	})
}
