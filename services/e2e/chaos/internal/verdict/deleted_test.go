package verdict

import (
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// deletion is a run with two rows to delete: the first job's answer about one of them is lost, and the second job, which the product names for
// both, is sent the other alone.
func deletion(change func(m *maker, all *history.All)) *history.All {
	m := newMaker()
	for _, name := range []string{"gone", "left"} {
		m.seed("Removal__c", name, map[string]string{})
		m.publish("removals", "removals-"+name, name, 1, nil, "")
	}
	m.job("removals", sent{cells: cells("Ext__c", "gone"), outcome: deleted, hidden: "lost"})
	second := m.job("removals", sent{cells: cells("Ext__c", "left"), outcome: deleted})
	m.landed("removals", "removals-gone", "gone", second, 0)
	m.landed("removals", "removals-left", "left", second, 0)
	all := m.made()
	if change != nil {
		change(m, all)
	}
	return all
}

func TestADeleteWhoseAnswerWasLost(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *maker, all *history.All)
		wrong  bool
	}{
		"may be told of with the resend that left the row out": {nil, false},
		"is not told of with another job where the first one's answer was there to be read": {func(_ *maker, all *history.All) {
			all.Rows[0].Hidden = ""
		}, true},
		"is not told of with a job that was sent the row itself and did not delete it": {func(_ *maker, all *history.All) {
			x := all.Rows[0]
			x.Job, x.N, x.Outcome, x.ID, x.Error, x.Hidden = all.Rows[1].Job, 1, failed, "", "UNKNOWN_EXCEPTION:try again:--", ""
			all.Rows = append(all.Rows, x)
		}, true},
		"is none where the row is still there": {func(m *maker, all *history.All) {
			o := m.org(m.rows["Removal__c/gone"])
			o.Deleted, o.Versions = false, o.Versions[:1]
		}, true},
		"is none of ours where no job of ours deleted the row": {func(_ *maker, all *history.All) {
			all.Rows[0].Outcome, all.Rows[0].ID = failed, ""
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Of(deletion(c.change))
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(v.Findings, func(f history.Finding) bool {
				return f.Invariant == "I6" && f.Name == falseSuccess && f.Key == "removals-gone"
			})
			if found != c.wrong || !c.wrong && !v.OK {
				t.Errorf("%+v", v.Findings)
			}
		})
	}
}
