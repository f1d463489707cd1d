package verdict

import (
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// A ledger that was put back at 70 to how it was at 30: the jobs of 40 and 60 are forgotten, those of 80 and later are what followed. Jobs of a maker
// are closed at 20, 40, 60 and so on.
func putBack(m *maker) {
	m.all.Timeline = append(m.all.Timeline,
		history.Event{At: 30, What: "fault", Fault: "r", Kind: history.Restore, Target: "postgres", Done: true},
		history.Event{At: 70, What: "restored", Fault: "r"},
		history.Event{At: 75, What: "start", Target: "ops-1"},
	)
}

func TestARestoredLedger(t *testing.T) {
	part := func(n string, outcome string) sent {
		return sent{cells: cells("Ext__c", "p", "Stamp__c", "parts-"+n, "A__c", "p."+n), outcome: outcome}
	}
	parts := func(m *maker, landed ...string) { // three versions of a row
		for i, n := range []string{"1", "2", "3"} {
			m.publish("parts", "parts-"+n, "p", i+1, says("A__c", "p."+n), "")
			m.landed("parts", "parts-"+n, "p", landed[i], 0)
		}
	}
	order := sent{cells: cells("Request__c", "orders-1", "Name__c", "one"), outcome: created}
	for name, c := range map[string]struct {
		run   func(m *maker)
		want  []string // findings with the restore
		alone []string // and without
	}{
		"may have upserts sent again in their order, so that the org holds older values for a while": {func(m *maker) {
			m.job("parts", part("1", created))
			m.job("parts", part("2", updated))
			m.job("parts", part("3", updated))
			second, third := m.job("parts", part("2", updated)), m.job("parts", part("3", updated))
			parts(m, "750000000000001", second, third)
		}, nil, []string{resent, stale}},
		"may not have them sent in another order": {func(m *maker) {
			m.job("parts", part("1", created))
			m.job("parts", part("2", updated))
			m.job("parts", part("3", updated))
			third, second := m.job("parts", part("3", updated)), m.job("parts", part("2", updated))
			parts(m, "750000000000001", second, third)
		}, []string{stale}, []string{resent, stale}},
		"may not have sent again what it knew to have landed": {func(m *maker) {
			first := m.job("parts", part("1", created))
			m.job("parts", part("2", updated))
			m.now += 20
			m.job("parts", part("1", updated))
			second, third := m.job("parts", part("2", updated)), m.job("parts", part("3", updated))
			parts(m, first, second, third)
		}, []string{resent}, []string{resent, stale}},
		"makes no second row of an insert": {func(m *maker) {
			m.publish("orders", "orders-1", "orders-1", 1, says("Name__c", "one"), "")
			m.now = 20
			m.job("orders", order)
			m.now = 60
			m.landed("orders", "orders-1", "orders-1", m.job("orders", order), 0)
		}, []string{doubled, resent}, []string{doubled, resent}},
		"may leave to a person an insert that nothing tells apart and that a forgotten job may have carried": {func(m *maker) {
			m.publish("visits", "visits-1", "", 1, says("Place__c", "here"), "")
			m.now = 20
			v := m.job("visits", sent{cells: cells("Place__c", "here"), outcome: created})
			m.now = 80
			m.dies("visits", "visits-1", "", classUnresolved, codeMissing, "reconcile", 0, attempt(v, "transient", codeMissing))
		}, nil, []string{falseFailure}},
		"may call dead a delete that a forgotten call had made": {func(m *maker) {
			m.seed("Removal__c", "gone", map[string]string{})
			m.publish("removals", "removals-1", "gone", 1, nil, "")
			m.now = 20
			m.job("removals", sent{cells: cells("Ext__c", "gone"), outcome: deleted})
			m.all.Jobs[0].Called = true
			m.now = 80
			m.dies("removals", "removals-1", "gone", "reference", "ENTITY_NOT_FOUND", "reconcile", 0)
		}, nil, []string{falseFailure}},
		"may not call dead a delete that a forgotten job had made": {func(m *maker) {
			m.seed("Removal__c", "gone", map[string]string{})
			m.publish("removals", "removals-1", "gone", 1, nil, "")
			m.now = 20
			m.job("removals", sent{cells: cells("Ext__c", "gone"), outcome: deleted})
			m.now = 80
			m.dies("removals", "removals-1", "gone", "reference", "ENTITY_NOT_FOUND", "reconcile", 0)
		}, []string{falseFailure}, []string{falseFailure}},
		"may have a letter of the forgotten time listed of a record that landed": {func(m *maker) {
			m.publish("parts", "parts-1", "p", 1, says("A__c", "p.1"), "")
			m.now = 50
			m.dies("parts", "parts-1", "p", "data", "NEVER_SEEN", "reconcile", 0)
			l := m.dead["parts/parts-1"]
			m.landed("parts", "parts-1", "p", m.job("parts", part("1", created)), 0)
			m.all.Final.Open = append(m.all.Final.Open, history.FinalLetter{ID: l.ID, Pipeline: "parts", Key: "parts-1", Class: "data", Code: "NEVER_SEEN", State: "open", Entity: "p"})
			m.all.Final.Left = append(m.all.Final.Left, l.ID)
		}, nil, []string{unbalanced}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, restored := range []bool{true, false} {
				m := newMaker()
				want := c.alone
				if c.run(m); restored {
					want = c.want
					putBack(m)
				}
				v, err := Of(m.made())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range v.Findings {
					if !slices.Contains(got, f.Name) {
						got = append(got, f.Name)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("restored %v: %v, want %v: %+v", restored, got, want, v.Findings)
				}
			}
		})
	}
	t.Run("has counts and marks that went back with it, and at no other time", func(t *testing.T) {
		for _, at := range []float64{300, 100} { // the balances of a maker are looked at at 10, 200, 400 and 900
			m := newMaker()
			m.publish("parts", "parts-1", "p", 1, says("A__c", "p.1"), "")
			m.landed("parts", "parts-1", "p", m.job("parts", part("1", created)), 0)
			m.all.Timeline = append(m.all.Timeline, history.Event{At: at, What: "restored"})
			all := m.made()
			all.Samples[2].Marks["parts"]["0"] = "2.0"
			all.Samples[3].Marks["parts"]["0"] = "3.0"
			v, err := Of(all)
			if err != nil {
				t.Fatal(err)
			}
			if backward := slices.ContainsFunc(v.Findings, func(f history.Finding) bool { return f.Name == backwards }); backward != (at == 100) {
				t.Errorf("restored at %.0f: %+v", at, v.Findings)
			}
		}
	})
}
