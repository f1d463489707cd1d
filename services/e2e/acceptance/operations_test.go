package acceptance

import (
	"fmt"
	"slices"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// TestSourceKeysStandForSalesforceIDs: upstream names rows by keys of its own, and whoever carries them on sends ids. The ledger keeps each row's id, retries
// hold what failed and nothing else.
func TestSourceKeysStandForSalesforceIDs(t *testing.T) {
	t.Parallel()
	const id = "from: id, to: External_Id__c, type: string, required: true"
	s := newStack(t, byJobs, with(
		definition("phones", "Contact", "update", "externalId: External_Id__c", columnsOf(id, "from: phone, to: Phone, type: string"), quick),
		definition("leavers", "Contact", "delete", "externalId: External_Id__c", columnsOf(id), quick),
		definition("openings", "Account", "insert", "correlation: External_Id__c", columnsOf(id, "from: name, to: Name, type: string"), quick),
	))
	s.TakesRecords("phones", "leavers", "openings")
	const n = 60
	for _, k := range keysOf("P", 0, n) {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	s.settle("contacts", n)
	ids := map[string]string{} // as the ledger has them
	for _, k := range keysOf("P", 0, n) {
		ids[k] = s.record("contacts", "evt-"+k).ID
	}
	before := map[string]simtest.Record{}
	for _, r := range s.Sim.Records("Contact", false) {
		before[r.Fields["External_Id__c"]] = r
	}
	t.Run("the ledger has the id of each row that landed", func(t *testing.T) {
		for k, id := range ids {
			if before[k].ID != id || id == "" {
				t.Errorf("the ledger says that %s is %q, the org that it is %q", k, id, before[k].ID)
			}
		}
	})

	t.Run("an update by a source key is sent by id, and its retry holds what failed alone", func(t *testing.T) {
		locked, unknown, dead := keysOf("P", 3, 6), keysOf("nobody", 0, 2), keysOf("P", 10, 12)
		s.failing(simtest.LockError, 1, locked...)
		rule := s.failing(invalidEmail, 0, dead...)
		changed := append(keysOf("P", 0, 40), unknown...)
		for _, k := range changed {
			s.publish("phones", "evt-"+k, fmt.Appendf(nil, `{"id":%q,"phone":"+1 555 0199"}`, k), false)
		}
		b := s.settle("phones", int64(len(changed)))
		if b.Landed != 38 || b.Dead != 4 {
			t.Errorf("%+v", b)
		}
		s.checkSent(t, "update", []string{"Id", "Phone"}, idsOf(ids, keysOf("P", 0, 40)), idsOf(ids, locked))
		letters := s.awaitLetters("phones", 4)
		for _, l := range letters {
			if l.Class == "reference" != (l.Code == "ENTITY_NOT_FOUND") || l.Class != "reference" && l.Class != "data" {
				t.Errorf("%+v", l)
			}
		}
		if h := s.record("phones", "evt-P-0004"); h.State != "landed" || h.ID != ids["P-0004"] {
			t.Errorf("%+v", h)
		}
		s.Sim.ClearFaults(rule)
		var replay []string
		for _, l := range letters {
			if l.Class == "data" {
				replay = append(replay, l.ID)
			}
		}
		known := len(s.uploads("Contact", "update"))
		s.replay(replay)
		s.Eventually("the replay lands", func() bool { b := s.balance("phones"); return b.Landed == 40 && b.Dead == 2 })
		var sent []string
		for _, u := range s.uploads("Contact", "update")[known:] {
			sent = append(sent, u.column("Id")...)
		}
		if want := idsOf(ids, dead); !slices.Equal(sortedList(sent), want) {
			t.Errorf("the replay sent %q, want %q", sent, want)
		}
		for _, r := range s.Sim.Records("Contact", false) {
			k := r.Fields["External_Id__c"]
			want := before[k].Fields
			want["Phone"] = map[bool]string{true: "+1 555 0199", false: want["Phone"]}[k < "P-0040"]
			for f, v := range want {
				if f != "LastModifiedDate" && f != "SystemModstamp" && r.Fields[f] != v {
					t.Errorf("%s: %s is %q, want %q", k, f, r.Fields[f], v)
				}
			}
		}
		if rows := s.Sim.Counts()["Contact"].Rows; rows != n {
			t.Errorf("%d contacts, want the %d that there were: an update makes no row", rows, n)
		}
	})

	t.Run("a delete by a source key is sent as ids alone, and takes nothing else", func(t *testing.T) {
		gone, locked := keysOf("P", 50, 58), keysOf("P", 52, 55)
		s.failing(simtest.LockError, 1, locked...)
		for _, k := range gone {
			s.publish("leavers", "evt-"+k, fmt.Appendf(nil, `{"id":%q}`, k), false)
		}
		if b := s.settle("leavers", int64(len(gone))); b.Landed != int64(len(gone)) {
			t.Errorf("%+v", b)
		}
		s.checkSent(t, "delete", []string{"Id"}, idsOf(ids, gone), idsOf(ids, locked))
		left := map[string]bool{}
		for _, r := range s.Sim.Records("Contact", false) {
			left[r.Fields["External_Id__c"]] = true
		}
		for _, k := range keysOf("P", 0, n) {
			if left[k] == slices.Contains(gone, k) {
				t.Errorf("%s is there: %t", k, left[k])
			}
		}
	})

	t.Run("a row that is inserted again is one whose insert failed, and no other", func(t *testing.T) {
		opened, locked := keysOf("O", 0, 30), keysOf("O", 7, 10)
		s.failing(simtest.LockError, 1, locked...)
		for _, k := range opened {
			s.publish("openings", "evt-"+k, fmt.Appendf(nil, `{"id":%q,"name":"Shop %s"}`, k, k), false)
		}
		if b := s.settle("openings", int64(len(opened))); b.Landed != int64(len(opened)) {
			t.Errorf("%+v", b)
		}
		tried := map[string]int{}
		for _, u := range s.uploads("Account", "insert") {
			if !slices.Equal(u.header, []string{"External_Id__c", "Name"}) {
				t.Errorf("columns %q", u.header)
			}
			for _, k := range u.column("External_Id__c") {
				tried[k]++
			}
		}
		for _, k := range opened {
			if want := map[bool]int{true: 2, false: 1}[slices.Contains(locked, k)]; tried[k] != want {
				t.Errorf("%s was sent %d times, want %d", k, tried[k], want)
			}
		}
		rows := s.Sim.Records("Account", true)
		if len(rows) != len(opened) {
			t.Errorf("%d accounts, want %d", len(rows), len(opened))
		}
		for _, r := range rows {
			k := r.Fields["External_Id__c"]
			if len(r.Versions) != 1 || s.record("openings", "evt-"+k).ID != r.ID {
				t.Errorf("%s has %d versions and the id %s", k, len(r.Versions), r.ID)
			}
		}
	})
}

// checkSent looks at every row that an operation on contacts sent: all of them once, these a second time, and the columns are these.
func (s *stack) checkSent(t *testing.T, operation string, header, once, again []string) {
	t.Helper()
	tried := map[string]int{}
	for _, u := range s.uploads("Contact", operation) {
		if !slices.Equal(u.header, header) {
			t.Errorf("the %s sent the columns %q, want %q", operation, u.header, header)
		}
		for _, id := range u.column("Id") {
			tried[id]++
		}
	}
	if got := sorted(tried); !slices.Equal(got, once) {
		t.Errorf("the %s sent the rows %q, want %q", operation, got, once)
	}
	for id, times := range tried {
		if want := map[bool]int{true: 2, false: 1}[slices.Contains(again, id)]; times != want {
			t.Errorf("row %s was sent %d times, want %d", id, times, want)
		}
	}
}

// idsOf are the ids of keys, sorted.
func idsOf(ids map[string]string, keys []string) []string {
	var out []string
	for _, k := range keys {
		out = append(out, ids[k])
	}
	return sortedList(out)
}

func sortedList(of []string) []string { return slices.Sorted(slices.Values(of)) }
