package journeys

import "testing"

// A verdict that cannot say no proves nothing, so the two that read histories are asked about bad ones too.
func TestTheVerdictsSayNo(t *testing.T) {
	row := func(first, last string) orgVersion {
		return orgVersion{Fields: map[string]string{"FirstName": first, "LastName": last}}
	}
	for _, c := range []struct {
		name    string
		history []orgVersion
		back    bool
	}{
		{"versions that rise are good", []orgVersion{row("first v1", "last v1"), row("first v1", "last v2")}, false},
		{"the same version again is good", []orgVersion{row("first v1", "last v1"), row("first v1", "last v1")}, false},
		{"an older value over a newer one is seen", []orgVersion{row("first v2", "last v2"), row("first v1", "last v2")}, true},
		{"so it is when the field was cleared in between", []orgVersion{row("first v2", "last v2"), row("", "last v3"), row("first v1", "last v3")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := goesBack(c.history); (p != "") != c.back {
				t.Errorf("%q", p)
			}
		})
	}
	for _, c := range []struct {
		name string
		b    balance
		good bool
	}{
		{"a balance that adds up is good", balance{Accepted: 5, Landed: 3, Dead: 2}, true},
		{"a balance that does not is seen", balance{Accepted: 5, Landed: 3, Dead: 1}, false},
		{"so is one in which a term below zero makes up for another", balance{Accepted: 5, Landed: 6, InFlight: -1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if good := c.b.holds(); good != c.good {
				t.Errorf("%+v: %t", c.b, good)
			}
		})
	}
}

// The verdict on operations is asked about an org that is right, and about one way each of being wrong.
func TestTheVerdictOnOperationsSaysNo(t *testing.T) {
	was := map[string]string{"External_Id__c": "k", "Phone": "old"}
	other := map[string]string{"External_Id__c": "other", "Phone": "theirs"}
	row := func(f map[string]string, versions int) orgRow {
		return orgRow{ID: "id", Seeded: true, Fields: f, Versions: make([]orgVersion, versions)}
	}
	update := operation{seeded: true, want: func(fate, string, map[string]string) map[string]string { return map[string]string{"Phone": "new"} }}
	remove := operation{seeded: true, want: func(fate, string, map[string]string) map[string]string { return nil }}
	now, untouched := row(map[string]string{"External_Id__c": "k", "Phone": "new"}, 2), row(other, 1)
	made := now
	made.Seeded = false
	for _, c := range []struct {
		name string
		op   operation
		held map[string][]orgRow
		good bool
	}{
		{"an update that landed is good", update, map[string][]orgRow{"k": {now}, "other": {untouched}}, true},
		{"a delete that landed is good", remove, map[string][]orgRow{"other": {untouched}}, true},
		{"an update that did not land is seen", update, map[string][]orgRow{"k": {row(was, 1)}, "other": {untouched}}, false},
		{"a row that is there twice is seen", update, map[string][]orgRow{"k": {now, now}, "other": {untouched}}, false},
		{"a row that was made by an update is seen", update, map[string][]orgRow{"k": {made}, "other": {untouched}}, false},
		{"a row that is gone is seen", update, map[string][]orgRow{"other": {untouched}}, false},
		{"a row that a delete left is seen", remove, map[string][]orgRow{"k": {row(was, 1)}, "other": {untouched}}, false},
		{"somebody else's row that is gone is seen", remove, map[string][]orgRow{}, false},
		{"somebody else's row that was written is seen", remove, map[string][]orgRow{"other": {row(other, 2)}}, false},
		{"a row that nobody published is seen", update, map[string][]orgRow{"k": {now}, "other": {untouched}, "x": {made}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := operationJourney{operation: c.op, keys: []string{"k"}, before: map[string]map[string]string{"k": was, "other": other}}
			if p := j.problems(c.held); (len(p) == 0) != c.good {
				t.Errorf("%q", p)
			}
		})
	}
}
