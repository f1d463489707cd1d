package journeys

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// versionCase is one order in which two versions of one entity meet, the first of which fails at first.
type versionCase struct {
	name string
	// v1 and v2 are what the versions say of the fields beside the id; a value ends in the number of its version.
	v1, v2 fields
	// same publishes both at once, so that they meet in one chunk; else v2 comes when v1's job has been closed.
	same bool
	// late lets v1 fail until v2 has landed; dead lets it die and replays its letter when v2 has landed. Else it fails once.
	late, dead bool
	// both lets each version fail once.
	both       bool
	want       map[string]string
	superseded bool // what becomes of v1
}

var columnOf = map[string]string{"first_name": "FirstName", "last_name": "LastName", "phone": "Phone"}

func versionCases() []versionCase {
	name := fields{"first_name": "first v1", "last_name": "last v1", "phone": "phone v1"}
	all2 := fields{"first_name": "first v2", "last_name": "last v2", "phone": "phone v2"}
	others := fields{"last_name": "last v2", "phone": "phone v2"}
	cleared := fields{"last_name": "last v2", "phone": nil}
	newest := map[string]string{"FirstName": "first v2", "LastName": "last v2", "Phone": "phone v2"}
	patched := map[string]string{"FirstName": "first v1", "LastName": "last v2", "Phone": "phone v2"}
	nulled := map[string]string{"FirstName": "first v1", "LastName": "last v2", "Phone": ""}
	return []versionCase{
		{name: "same chunk, newer naming all fields", v1: name, v2: all2, same: true, want: newest},
		{name: "same chunk, newer patching other fields", v1: name, v2: others, same: true, want: patched},
		{name: "same chunk, newer clearing a field", v1: name, v2: cleared, same: true, want: nulled},
		{name: "next chunk, newer naming all fields", v1: name, v2: all2, want: newest},
		{name: "next chunk, newer patching other fields", v1: name, v2: others, want: patched},
		{name: "next chunk, newer clearing a field", v1: name, v2: cleared, want: nulled},
		{name: "both fail once, newer naming all fields", v1: name, v2: all2, both: true, want: newest},
		{name: "both fail once, newer patching other fields", v1: name, v2: others, both: true, want: patched},
		{name: "both fail once, newer clearing a field", v1: name, v2: cleared, both: true, want: nulled},
		{name: "newer landed before the resend, naming all fields", v1: name, v2: all2, late: true, want: newest, superseded: true},
		{name: "newer landed before the resend, patching other fields", v1: name, v2: others, late: true, want: patched},
		{name: "newer landed before the resend, clearing a field", v1: name, v2: cleared, late: true, want: nulled},
		{name: "newer landed before the replay, naming all fields", v1: name, v2: all2, dead: true, want: newest, superseded: true},
		{name: "newer landed before the replay, patching other fields", v1: name, v2: others, dead: true, want: patched},
		{name: "newer landed before the replay, clearing a field", v1: name, v2: cleared, dead: true, want: nulled},
	}
}

// TestTheNewestVersionWinsInEveryOrder: two versions of one entity, the first failing at first, end in the newest, with no field
// lost and none ever going back.
func TestTheNewestVersionWinsInEveryOrder(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	c := s.client(t)
	// A field of the older version tells its row, so that the fault strikes that row and no other of the entity.
	fails := func(key string, tc versionCase) map[string]any {
		rule := failRows(lockedRow, []string{key}, nil)
		if !tc.same && !tc.both {
			rule["where"] = map[string]any{"keys": []string{key}, "field": "FirstName", "in": []string{"first v1"}}
		}
		switch {
		case tc.dead:
			rule["times_per_key"], rule["effect"] = 1, map[string]any{"kind": "row_error", "error": noLastName}
		case tc.late:
			rule["times"] = 0
		case tc.both:
			rule["times_per_key"] = 2
		default:
			rule["times_per_key"] = 1
		}
		return rule
	}
	cases := versionCases()
	key := func(i int) string { return fmt.Sprintf("v-%02d", i) }
	event := func(i, v int) string { return fmt.Sprintf("evt-%s-%d", key(i), v) }
	rules := make([]string, len(cases))
	var first, second []message
	for i, tc := range cases {
		rules[i] = s.org.fault(t, fails(key(i), tc))
		first = append(first, message{id: event(i, 1), body: tc.v1.with("id", key(i))})
		m := message{id: event(i, 2), body: tc.v2.with("id", key(i))}
		if tc.same {
			first = append(first, m)
		} else {
			second = append(second, m)
		}
	}
	// Both lanes are told apart by entity; a chunk is sealed when it is 300 ms old, so what is published at once stands in one.
	mark := s.org.lastCall(t)
	c.publish(t, "contacts", first...)
	eventually(t, "the first versions are on their way", func(ctx context.Context) (bool, error) {
		calls, err := s.org.calls(ctx, mark, "close", "", "")
		if err != nil {
			return false, err
		}
		sent := map[string]bool{}
		for _, call := range calls {
			for _, r := range s.org.jobRows(t, call.Job) {
				sent[r.Key] = true
			}
		}
		return len(sent) == len(cases), nil
	})
	c.publish(t, "contacts", second...)
	for i, tc := range cases {
		if !tc.late && !tc.dead {
			continue
		}
		eventually(t, tc.name+": the newer has landed", func(ctx context.Context) (bool, error) {
			row, _, err := s.org.row(ctx, "Contact", key(i))
			return row.Fields["LastName"] == "last v2", err
		})
		if tc.late {
			s.org.heal(t, rules[i])
		}
	}
	total := int64(2 * len(cases))
	s.settle(t, "contacts", total)
	for i, tc := range cases {
		if tc.dead {
			s.replay(t, event(i, 1))
		}
	}
	b := s.settle(t, "contacts", total)

	superseded := int64(0)
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			row, _, err := s.org.row(t.Context(), "Contact", key(i))
			if err != nil {
				t.Fatal(err)
			}
			for column, want := range tc.want {
				if got := row.Fields[column]; got != want {
					t.Errorf("%s is %q, want %q", column, got, want)
				}
			}
			if p := goesBack(row.Versions); p != "" {
				t.Errorf("%s: %+v", p, row.Versions)
			}
			want := "landed"
			if tc.superseded {
				superseded++
				want = "superseded"
			}
			// In the next chunk either may come first, so the older may also be superseded when the newer covers it.
			covered := !tc.same && !tc.late && !tc.dead && strings.HasSuffix(tc.name, "naming all fields")
			if h := s.record(t, "contacts", event(i, 1)); h.State != want && !(covered && h.State == "superseded") {
				t.Errorf("the older version is %s, want %s: %+v", h.State, want, h)
			} else if covered && h.State == "superseded" {
				superseded++
			}
			if h := s.record(t, "contacts", event(i, 2)); h.State != "landed" {
				t.Errorf("the newer version is %s, want landed: %+v", h.State, h)
			}
			if tc.late || !tc.same && !tc.dead && !tc.both {
				if s.record(t, "contacts", event(i, 1)).tried("UNABLE_TO_LOCK_ROW") == nil {
					t.Error("the older version never failed: the order was not tested")
				}
			}
		})
	}
	if b.Balance.Superseded != superseded || b.Balance.Landed != total-superseded || b.Balance.Dead != 0 {
		t.Errorf("%+v, want %d superseded and the rest landed", b.Balance, superseded)
	}
}

// versionOf reads the number that a value ends in; 0 = the field is empty.
func versionOf(value string) int {
	i := strings.LastIndex(value, " v")
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(value[i+2:])
	if err != nil {
		return 0
	}
	return n
}

// goesBack says where the history of a row goes from a newer version's value to an older one's. A field that was cleared says
// nothing of the version that cleared it, so what comes after a clearing is judged against what stood before it.
func goesBack(history []orgVersion) string {
	for _, column := range columnOf {
		newest := 0
		for _, v := range history {
			version := versionOf(v.Fields[column])
			if version > 0 && version < newest {
				return fmt.Sprintf("%s goes back from version %d to %d", column, newest, version)
			}
			newest = max(newest, version)
		}
	}
	return ""
}
