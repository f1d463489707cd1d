package verdict

import (
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// What is hidden from the product, or allowed to it, is no finding.
func TestTheJudgeLetsPass(t *testing.T) {
	for does, change := range map[string]func(a *history.All){
		"a keyed row sent again whose job is gone": func(a *history.All) {
			r := rowOf(a, "parts-12", created)
			r.Hidden = ""
			jobOf(a, r.Job).Gone = true
		},
		"a keyed row sent again whose files were refused three times": func(a *history.All) {
			r := rowOf(a, "parts-12", created)
			r.Hidden = ""
			for range 3 {
				a.Calls = append(a.Calls, history.OrgCall{N: len(a.Calls) + 1, Endpoint: "success", Job: r.Job, Fault: "f", Status: 200})
			}
		},
		"a record that used another's key, and that a person sends all the same": func(a *history.All) {
			p := *at(a.Published, func(p history.Publication) bool { return p.Key == "dated-1" })
			p.Key, p.Record, p.Entity, p.N, p.Fate, p.Says, p.Seq, p.Index = "", 77, "d77", 0, "data/KEY_REUSED", nil, 77, 0
			a.Published = append(a.Published, p)
			l := *letterOf(a, "parts-13")
			l.ID, l.Pipeline, l.Key, l.Entity, l.Code, l.Origin = "dated/dated-1#x/0", "dated", "dated-1#x", "d77", "KEY_REUSED", history.Place{Seq: 77}
			l.Payload = `{"id":"d77","a":"d77.a"}`
			a.Letters = append(a.Letters, l)
			id, job := "a01000000000777AAA", "750777"
			a.Jobs = append(a.Jobs, history.OrgJob{ID: job, Object: "Dated__c", Operation: "upsert", State: "JobComplete", Created: 1, Closed: 2, Ended: 3, Uploads: 1})
			a.Rows = append(a.Rows, history.OrgRow{Job: job, Cells: map[string]string{"Ext__c": "d77", "A__c": "d77.a"}, Outcome: created, ID: id})
			a.Records = append(a.Records, history.OrgRecord{Object: "Dated__c", ID: id, Versions: []history.OrgVersion{
				{Job: job, At: 2, Fields: map[string]string{"Ext__c": "d77", "A__c": "d77.a"}},
			}})
			a.Landed = append(a.Landed, history.Landed{Pipeline: "dated", Key: "dated-1#x", Generation: 1, ID: id, Job: job, Origin: l.Origin})
			counted(a, "dated", func(b *history.Balance) { b.Accepted++; b.Landed++ })
			someoneOrders(a, replay, l.ID)
		},
		"an unreadable frame that a person sends again, and that is no record either": func(a *history.All) {
			at(a.Published, func(p history.Publication) bool { return p.Fate == "data/NOT_JSON" }).Fate = "data/FRAME_UNREADABLE"
			first := letterOf(a, "h:1@5.0")
			again := *first
			first.Code = "FRAME_UNREADABLE"
			again.ID, again.Generation = "labels/h:1@5.0/1", 1
			a.Letters = append(a.Letters, again)
			o := at(a.Final.Open, func(o history.FinalLetter) bool { return o.Key == "h:1@5.0" })
			a.Final.Left[slices.Index(a.Final.Left, o.ID)] = again.ID
			o.ID, o.Generation = again.ID, 1
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "h:1@5.0" }).Generation = 1
			someoneOrders(a, replay, first.ID)
		},
		"a replayed record whose letter lay in the stream while the broker was away": func(a *history.All) {
			replayedUnseen(a, letterOf(a, "parts-13").ID)
		},
		"a discarded record whose letter went with its stream before anybody saw it": func(a *history.All) { discardedUnseen(a, letterOf(a, "parts-11").ID) },
		"a record that nobody knows to be published, and that is not there": func(a *history.All) {
			p := a.Published[0]
			p.Key, p.Record, p.Entity, p.Answer, p.Seq, p.Says = "parts-77", 77, "p77", history.Unknown, 0, says("A__c", "p77.1.a")
			a.Published = append(a.Published, p)
		},
		"a mark that begins again in a new stream": func(a *history.All) {
			a.Samples[2].Marks["parts"] = map[string]string{"0": "1.0", "incarnation": "2"}
			a.Samples[3].Marks["parts"] = map[string]string{"0": "2.0", "incarnation": "2"}
		},
		"a letter that left by an order that names none, but what letters it means": func(a *history.All) {
			e := at(a.Timeline, func(e history.Event) bool { return e.Order == replay })
			e.Letters, e.Filter = nil, "parts/data/UNKNOWN_MEMBER"
		},
		"letters of a run in which orders did not say what they were about": func(a *history.All) {
			for i := range a.Timeline {
				a.Timeline[i].Order, a.Timeline[i].Letters = "", nil
			}
		},
		"samples of which nothing is known": func(a *history.All) { a.Samples = append(a.Samples, history.Sample{At: 950}) },
		"a job that somebody else left open": func(a *history.All) {
			a.Jobs = append(a.Jobs, history.OrgJob{ID: "750999", Object: "Part__c", Operation: "upsert", State: "Open", Foreign: true})
		},
		"a field that an older resend left to a newer record, which then died": func(a *history.All) {
			p := a.Published[0]
			p.Key, p.Record, p.N, p.Seq, p.Entity, p.Fate = "parts-78", 78, 2, 78, "p2", "data/STRING_TOO_LONG"
			p.Says = says("A__c", "p2.2.a", "Stamp__c", "parts-78")
			a.Published = append(a.Published, p)
			l := *letterOf(a, "parts-9")
			l.Payload = `["p2.2.a" "parts-78"]`
			l.ID, l.Key, l.Entity, l.Class, l.Code, l.Stage, l.Attempts = "parts/parts-78/0", "parts-78", "p2", "data", "STRING_TOO_LONG", "reconcile", nil
			a.Letters = append(a.Letters, l)
			a.Final.Open = append(a.Final.Open, history.FinalLetter{ID: l.ID, Pipeline: "parts", Key: l.Key, Class: l.Class, Code: l.Code})
			a.Final.Left = append(a.Final.Left, l.ID)
			a.Final.Records = append(a.Final.Records, history.FinalRecord{Pipeline: "parts", Key: l.Key, State: stateDead})
			counted(a, "parts", func(b *history.Balance) { b.Accepted++; b.Dead++ })
			for i := range a.Published { // of the first record a field is left that nobody else names
				if a.Published[i].Key == "parts-3" {
					a.Published[i].Says["B__c"] = a.Published[i].Says["A__c"]
				}
			}
			r, o := rowOf(a, "parts-3", created), orgOf(a, "p2")
			r.Cells = map[string]string{"Ext__c": "p2", "B__c": "p2.1.a"}
			o.Versions[0].Fields = map[string]string{"Ext__c": "p2", "B__c": "p2.1.a"}
		},
	} {
		t.Run(does, func(t *testing.T) {
			run := sample()
			change(run)
			if v := judged(t, run); !v.OK {
				t.Errorf("it says:\n%s", told(v))
			}
		})
	}
}
