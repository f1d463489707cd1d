package verdict

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// mutation is one way in which a run can be wrong, and what the judge must say about it.
type mutation struct {
	does      string
	invariant string
	names     []string // exactly these, each at least once
	spoil     func(a *history.All)
}

// at finds the one element of which a question is true.
func at[T any](values []T, is func(T) bool) *T {
	i := slices.IndexFunc(values, is)
	return &values[i]
}

func rowOf(a *history.All, stamp, outcome string) *history.OrgRow {
	return at(a.Rows, func(r history.OrgRow) bool {
		return r.Outcome == outcome && slices.Contains(slices.Collect(maps.Values(r.Cells)), stamp)
	})
}

func orgOf(a *history.All, value string) *history.OrgRecord {
	return at(a.Records, func(o history.OrgRecord) bool {
		return slices.Contains(slices.Collect(maps.Values(o.Versions[len(o.Versions)-1].Fields)), value)
	})
}

func landedOf(a *history.All, key string) *history.Landed {
	return at(a.Landed, func(l history.Landed) bool { return l.Key == key })
}

func letterOf(a *history.All, key string) *history.Letter {
	return at(a.Letters, func(l history.Letter) bool { return l.Key == key })
}

func jobOf(a *history.All, id string) *history.OrgJob {
	return at(a.Jobs, func(j history.OrgJob) bool { return j.ID == id })
}

// counted changes a balance at rest, and the last sample of it.
func counted(a *history.All, pipeline string, change func(*history.Balance)) {
	b := a.Final.Balance[pipeline]
	change(&b)
	a.Final.Balance[pipeline] = b
}

// forget takes a record out of everything that the API says.
func forget(a *history.All, pipeline, key string) {
	a.Landed = slices.DeleteFunc(a.Landed, func(l history.Landed) bool { return l.Pipeline == pipeline && l.Key == key })
	a.Final.Records = slices.DeleteFunc(a.Final.Records, func(l history.FinalRecord) bool { return l.Pipeline == pipeline && l.Key == key })
	a.Final.Open = slices.DeleteFunc(a.Final.Open, func(l history.FinalLetter) bool { return l.Pipeline == pipeline && l.Key == key })
	a.Letters = slices.DeleteFunc(a.Letters, func(l history.Letter) bool { return l.Pipeline == pipeline && l.Key == key })
	a.Final.Left = slices.DeleteFunc(a.Final.Left, func(id string) bool { return strings.HasPrefix(id, pipeline+"/"+key+"/") })
}

// someoneOrders has somebody order something of letters.
func someoneOrders(a *history.All, order string, letters ...string) {
	a.Timeline = append(a.Timeline, history.Event{What: "operator", Text: "ada " + order + " 8: 200", Order: order, Letters: letters})
}

// nobodyOrders takes an order out of the timeline.
func nobodyOrders(a *history.All, order string) {
	a.Timeline = slices.DeleteFunc(a.Timeline, func(e history.Event) bool { return e.Order == order })
}

// discardedUnseen deletes the stream of letters before anybody saw the discarded record's, and lets the order name its letter or another one.
func discardedUnseen(a *history.All, letter string) {
	a.Plan.Faults = append(a.Plan.Faults, history.Fault{ID: "f9", Kind: history.StreamDelete, Stream: "DLQ"})
	a.Timeline = append(a.Timeline, history.Event{What: "fault", Fault: "f9", Done: true})
	a.Letters = slices.DeleteFunc(a.Letters, func(l history.Letter) bool { return l.Key == "parts-11" })
	o := at(a.Timeline, func(e history.Event) bool { return e.Order == discard })
	o.Letters = []string{letter}
}

// replayedUnseen has the broker away while the first letter of the replayed record lies in the stream, and lets the order name its letter or another one.
func replayedUnseen(a *history.All, letter string) {
	a.Plan.Faults = append(a.Plan.Faults, history.Fault{ID: "f9", Kind: history.NATSRestart})
	a.Timeline = append(a.Timeline, history.Event{What: "fault", Fault: "f9", Done: true})
	a.Letters = slices.DeleteFunc(a.Letters, func(l history.Letter) bool { return l.Key == "parts-13" && l.Generation == 0 })
	at(a.Timeline, func(e history.Event) bool { return e.Order == replay }).Letters = []string{letter}
}

func mutations() []mutation {
	return slices.Concat(mutationsOfRecords(), mutationsOfOrders(), mutationsOfTheRest())
}

// mutationsOfOrders are about what people ordered, and did not.
func mutationsOfOrders() []mutation {
	return []mutation{
		{"a letter left the stream by an order about another one", "I14", []string{lost, unbalanced}, func(a *history.All) {
			at(a.Timeline, func(e history.Event) bool { return e.Order == replay }).Letters = []string{"parts/parts-9/0"}
		}},
		{"a record was replayed, and nobody ordered it", "I13", []string{unbalanced, lost}, func(a *history.All) { nobodyOrders(a, replay) }},
		{"a record is discarded, and nobody ordered it", "I2", []string{unbalanced, lost}, func(a *history.All) { nobodyOrders(a, discard) }},
		{"a record is discarded that somebody replayed", "I2", []string{unbalanced}, func(a *history.All) {
			at(a.Timeline, func(e history.Event) bool { return e.Order == discard }).Order = replay
		}},
		{"a record is rolled back", "I2", []string{unbalanced}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-11" }).State = stateRolledBack
			counted(a, "parts", func(b *history.Balance) { b.Discarded--; b.RolledBack++ })
			a.Samples = a.Samples[:3]
		}},
		{"an order was carried out again when it was given again", "I13", []string{doubled}, func(a *history.All) {
			for _, action := range []string{"first", "second"} {
				a.Timeline = append(a.Timeline, history.Event{What: "operator", Text: "ada: 200", Key: "a key", Action: action, Done: true})
			}
		}},
		{"a record is discarded whose letter nobody saw, and the order was about another one", "I2", []string{unbalanced}, func(a *history.All) {
			discardedUnseen(a, letterOf(a, "parts-9").ID)
		}},
		{"a record is replayed whose letter nobody saw, and the order was about another one", "I13", []string{unbalanced}, func(a *history.All) {
			replayedUnseen(a, letterOf(a, "parts-9").ID)
		}},
		{"a record was withdrawn", "I7", []string{falseFailure}, func(a *history.All) {
			o := at(a.Final.Open, func(o history.FinalLetter) bool { return o.Key == "parts-9" })
			o.Class, o.Code = "code", codeWithdrawn
		}},
	}
}

// mutationsOfRecords are about what became of single records.
func mutationsOfRecords() []mutation {
	return []mutation{
		{"the successor of a superseded record is no record", "I2", []string{fieldLost}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-6" }).Successor = "parts-999"
		}},
		{"the successor of a superseded record is another entity's", "I2", []string{fieldLost}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-6" }).Successor = "parts-14"
		}},
		{"a superseded record names no successor", "I2", []string{fieldLost}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "dated-2" }).Successor = ""
		}},
		{"a record landed in a job that has no row of it", "I6", []string{falseSuccess}, func(a *history.All) {
			landedOf(a, "parts-3").Job = landedOf(a, "parts-1").Job
		}},
		{"a delete landed in a job that has no row of it", "I6", []string{falseSuccess}, func(a *history.All) {
			landedOf(a, "removals-1").Job = landedOf(a, "parts-1").Job
		}},
		{"a record died that was merged into a row that landed", "I7", []string{falseFailure}, func(a *history.All) {
			// The row of job 2 says of p4 what the superseded record said, too.
			for i := range a.Published {
				if p := &a.Published[i]; p.Key == "parts-6" {
					p.Says["A__c"], p.Fate = a.Published[i+1].Says["A__c"], "data/FIELD_CUSTOM_VALIDATION_EXCEPTION"
				}
			}
			l := *letterOf(a, "parts-4")
			l.ID, l.Key, l.Entity, l.Origin, l.Payload = "parts/parts-6/0", "parts-6", "p4", history.Place{Seq: 6}, `["p4.2.a" "parts-6"]`
			a.Letters = append(a.Letters, l)
			a.Final.Left = append(a.Final.Left, l.ID)
			a.Final.Open = append(a.Final.Open, history.FinalLetter{ID: l.ID, Pipeline: "parts", Key: l.Key, Class: l.Class, Code: l.Code})
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-6" }).State = stateDead
			counted(a, "parts", func(b *history.Balance) { b.Superseded--; b.Dead++ })
			a.Samples = a.Samples[:3]
			rowOf(a, "parts-6", failed).Cells["A__c"] = "p4.2.a"
		}},
		{"what may heal died of what the org never said", "I7", []string{falseFailure}, func(a *history.All) {
			for i := range a.Published {
				if a.Published[i].Key == "parts-9" {
					a.Published[i].Fate = "heals/unclassified"
				}
			}
			for i := range letterOf(a, "parts-9").Attempts {
				letterOf(a, "parts-9").Attempts[i].Code = "UNKNOWN_EXCEPTION"
			}
		}},
		{"a row holds what only another entity's record says", "I6", []string{foreign}, func(a *history.All) {
			rowOf(a, "parts-10", created).Cells["B__c"] = "p4.2.b"
			orgOf(a, "p7").Versions[0].Fields["B__c"] = "p4.2.b"
		}},
		{"a row sets a field that no definition writes", "I6", []string{foreign}, func(a *history.All) {
			rowOf(a, "parts-10", created).Cells["C__c"] = "p4.2.b"
			orgOf(a, "p7").Versions[0].Fields["C__c"] = "p4.2.b"
		}},
		{"a row sets a constant to something else", "I6", []string{foreign}, func(a *history.All) {
			rowOf(a, "parts-1", created).Cells["Source__c"] = "there"
		}},
		{"a row was sent that nobody published, and the org refused it", "I6", []string{foreign}, func(a *history.All) {
			a.Rows = append(a.Rows, history.OrgRow{
				Job: rowOf(a, "parts-3", created).Job, N: 3, Cells: map[string]string{"Ext__c": "nobody"}, Outcome: failed, Error: "X:y:--",
			})
		}},
		{"a row was sent again after its files were only refused", "I8", []string{resent}, func(a *history.All) {
			r := rowOf(a, "parts-12", created)
			r.Hidden = ""
			for range 3 {
				a.Calls = append(a.Calls, history.OrgCall{N: len(a.Calls) + 1, Endpoint: "success", Job: r.Job, Fault: "f", Status: 503})
			}
		}},
		{"what is left of a record that had landed was sent again", "I8", []string{resent}, func(a *history.All) {
			// Of the older record of p5 only its field B is left where the newer one has taken its stamp; here it would have A.
			for i := range a.Published {
				switch p := &a.Published[i]; p.Key {
				case "parts-8":
					p.Says["A__c"] = p.Says["B__c"]
				case "parts-14":
					delete(p.Says, "A__c")
				}
			}
			first, second, o := rowOf(a, "parts-8", created), rowOf(a, "parts-14", updated), orgOf(a, "p5")
			first.Cells["A__c"] = "p5.1.b"
			delete(second.Cells, "A__c")
			o.Versions[0].Fields["A__c"], o.Versions[1].Fields["A__c"] = "p5.1.b", "p5.1.b"
			a.Rows = append(a.Rows, history.OrgRow{
				Job: rowOf(a, "parts-3", created).Job, N: 3, Cells: map[string]string{"Ext__c": "p5", "A__c": "p5.1.b"}, Outcome: updated, ID: o.ID,
			})
		}},
		{"a record was tried more often than its class allows", "I17", []string{unbounded}, func(a *history.All) {
			l := letterOf(a, "parts-9")
			l.Attempts = append(l.Attempts, l.Attempts[0])
		}},
	}
}

// mutationsOfTheRest are all others.
func mutationsOfTheRest() []mutation {
	return []mutation{
		{"publishers gave up", "I16", []string{stuck}, func(a *history.All) { a.Run.Unpublished = 12 }},
		{"what was counted is fewer at rest", "I10", []string{backwards}, func(a *history.All) {
			b := maps.Clone(a.Final.Balance)
			x := b["parts"]
			x.Repeats++
			b["parts"] = x
			a.Samples[3].Balance = b
		}},
		{"an acknowledged record is nowhere, and not counted either", "I5", []string{lost, unbalanced}, func(a *history.All) {
			forget(a, "parts", "parts-5")
			counted(a, "parts", func(b *history.Balance) { b.Accepted--; b.Dead-- })
			a.Samples = a.Samples[:1]
		}},
		{"an acknowledged record is nowhere, whose row the org has", "I5", []string{lost, unbalanced, orphaned}, func(a *history.All) {
			forget(a, "orders", "orders-1")
			counted(a, "orders", func(b *history.Balance) { b.Accepted--; b.Landed-- })
			a.Samples = a.Samples[:1]
		}},
		{"a dead record's letter is not in the stream", "I14", []string{lost}, func(a *history.All) {
			a.Final.Left = slices.DeleteFunc(a.Final.Left, func(id string) bool { return strings.HasPrefix(id, "orders/orders-2") })
		}},
		{"a letter left the stream and is not open, its record still dead", "I14", []string{lost}, func(a *history.All) {
			a.Final.Left = slices.DeleteFunc(a.Final.Left, func(id string) bool { return strings.HasPrefix(id, "orders/orders-2") })
			a.Final.Open = slices.DeleteFunc(a.Final.Open, func(l history.FinalLetter) bool { return l.Key == "orders-2" })
		}},
		{"letters left the stream and nobody acted", "I14", []string{lost, unbalanced}, func(a *history.All) {
			a.Timeline = slices.DeleteFunc(a.Timeline, func(e history.Event) bool { return e.What == "operator" })
		}},
		{"a letter lies in the stream whose record has landed", "I14", []string{unbalanced}, func(a *history.All) {
			a.Final.Left = append(a.Final.Left, "parts/parts-13/0")
		}},
		{"a letter does not hold what was published", "I14", []string{lost}, func(a *history.All) {
			letterOf(a, "parts-9").Payload = ""
		}},
		{"a record was replayed of which no letter was seen", "I13", []string{unbalanced}, func(a *history.All) {
			landedOf(a, "parts-1").Generation = 1
		}},
		{"an insert made two rows", "I4", []string{doubled}, func(a *history.All) {
			twin := *orgOf(a, "orders-1")
			twin.ID = "a01000000000999AAA"
			a.Records = append(a.Records, twin)
		}},
		{"an insert whose rows nothing tells apart made one too many", "I4", []string{doubled}, func(a *history.All) {
			twin := *orgOf(a, "here")
			twin.ID = "a01000000000999AAA"
			a.Records = append(a.Records, twin)
		}},
		{"an entity is two rows", "I4", []string{doubled}, func(a *history.All) {
			twin := *orgOf(a, "p2")
			twin.ID = "a01000000000999AAA"
			a.Records = append(a.Records, twin)
		}},
		{"a record was taken for two", "I12", []string{doubled, unbalanced}, func(a *history.All) {
			a.Landed = append(a.Landed, history.Landed{
				Pipeline: "labels", Key: "h:1@4.0", ID: landedOf(a, "h:1@3.0").ID, Job: landedOf(a, "h:1@3.0").Job, Origin: history.Place{Seq: 4},
			})
			counted(a, "labels", func(b *history.Balance) { b.Accepted++; b.Landed++; b.Repeats-- })
			a.Samples = a.Samples[:1]
		}},
		{"a record landed twice", "I2", []string{unbalanced}, func(a *history.All) {
			a.Landed = append(a.Landed, *landedOf(a, "parts-1"))
		}},
		{"a record landed in two generations", "I13", []string{unbalanced}, func(a *history.All) {
			l := *landedOf(a, "parts-13")
			l.Generation = 0
			a.Landed = append(a.Landed, l)
		}},
		{"a record landed and is superseded too", "I2", []string{unbalanced}, func(a *history.All) {
			a.Final.Records = append(a.Final.Records, history.FinalRecord{Pipeline: "parts", Key: "parts-1", State: stateSuperseded})
		}},
		{"a value went back to an older record's", "I9", []string{stale}, func(a *history.All) {
			// Job 2 did its row of p1 before job 1 did.
			o := orgOf(a, "p1")
			one, two := o.Versions[0], o.Versions[1]
			one.Fields, two.Fields = maps.Clone(two.Fields), maps.Clone(one.Fields)
			two.Fields["B__c"] = one.Fields["B__c"]
			one.Job, one.N, two.Job, two.N = two.Job, two.N, one.Job, one.N
			o.Versions = []history.OrgVersion{one, two}
		}},
		{"the newest value of a field was left out of what was sent", "I9", []string{fieldLost, falseSuccess}, func(a *history.All) {
			// The row of p5 that was to set A and clear B set only A.
			delete(rowOf(a, "parts-14", updated).Cells, "B__c")
			orgOf(a, "p5").Versions[1].Fields["B__c"] = "p5.1.b"
		}},
		{"the newest value of a field was not kept", "I9", []string{fieldLost}, func(a *history.All) {
			orgOf(a, "p5").Versions[1].Fields["B__c"] = "p5.1.b"
		}},
		{"a record was superseded by one that does not name its field", "I9", []string{fieldLost}, func(a *history.All) {
			for i := range a.Published {
				if p := &a.Published[i]; p.Key == "parts-6" {
					p.Says["B__c"], p.Says["A__c"] = p.Says["A__c"], nil
					delete(p.Says, "A__c")
				}
				if p := &a.Published[i]; p.Key == "parts-7" {
					delete(p.Says, "B__c")
				}
			}
			delete(rowOf(a, "parts-7", created).Cells, "B__c")
			delete(orgOf(a, "p4").Versions[0].Fields, "B__c")
		}},
		{"nothing newer than a superseded record is there", "I9", []string{fieldLost}, func(a *history.All) {
			for i := range a.Published {
				if a.Published[i].Key == "dated-2" {
					a.Published[i].N = 3
				}
			}
		}},
		{"it did not come to rest", "I5", []string{stuck}, func(a *history.All) {
			a.Run.Rested, a.Run.Waiting = false, "2 submissions"
		}},
		{"an export does not come whole", "I1", []string{unbalanced}, func(a *history.All) {
			a.Final.Broken = []string{"/v1/exports/failed?pipeline=parts"}
		}},
		{"a pipeline is paused at rest", "I5", []string{stuck}, func(a *history.All) {
			a.Final.Unsettled = []string{"parts: paused: class permission"}
		}},
		{"a service has no consumer of the facts at rest", "I22", []string{stuck}, func(a *history.All) { a.Final.Holes = []string{"FLOW/poller"} }},
		{"a stream is missing at rest", "I22", []string{stuck}, func(a *history.All) { a.Final.Holes = []string{"FLOW"} }},
		{"a process panicked", "I25", []string{stuck}, func(a *history.All) {
			a.Timeline = append(a.Timeline, history.Event{At: 300, What: "exit", Target: "poller-1", Text: "exit status 2"})
		}},
		{"a process did not end when it was asked to", "I25", []string{stuck}, func(a *history.All) {
			a.Timeline = append(a.Timeline, history.Event{At: 300, What: "note", Target: "poller-1", Text: "after SIGTERM: still running 10s after SIGTERM, in 10100 ms"})
		}},
		{"messages are unread at rest", "I5", []string{stuck}, func(a *history.All) {
			counted(a, "parts", func(b *history.Balance) { b.Unread = 1 })
			a.Samples = a.Samples[:3]
		}},
		{"a record retries at rest", "I5", []string{stuck}, func(a *history.All) {
			// The one that was superseded.
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-6" }).State = "retrying"
			counted(a, "parts", func(b *history.Balance) { b.Superseded--; b.Retrying++ })
			a.Samples = a.Samples[:3]
		}},
		{"the balance did not add up for a moment", "I1", []string{unbalanced}, func(a *history.All) {
			b := a.Samples[1].Balance["parts"]
			b.InFlight--
			a.Samples[1].Balance["parts"] = b
		}},
		{"a term was below nothing for a moment", "I1", []string{unbalanced}, func(a *history.All) {
			b := a.Samples[1].Balance["parts"]
			b.InFlight, b.Retrying = b.InFlight+1, -1
			a.Samples[1].Balance["parts"] = b
		}},
		{"the balance is not what we count", "I1", []string{unbalanced}, func(a *history.All) {
			counted(a, "parts", func(b *history.Balance) { b.Dead++; b.Landed-- })
			a.Samples = a.Samples[:1]
		}},
		{"more were accepted than published", "I1", []string{unbalanced}, func(a *history.All) {
			counted(a, "parts", func(b *history.Balance) { b.Accepted++; b.Landed++ })
			a.Samples = a.Samples[:1]
		}},
		{"a repeat was not counted", "I12", []string{unbalanced}, func(a *history.All) {
			counted(a, "labels", func(b *history.Balance) { b.Repeats = 0 })
			a.Samples = a.Samples[:3]
		}},
		{"what was read twice was counted as a repeat", "I12", []string{unbalanced}, func(a *history.All) {
			counted(a, "orders", func(b *history.Balance) { b.Repeats = 1 })
		}},
		{"a job is left open", "I20", []string{orphaned}, func(a *history.All) {
			a.Jobs = append(a.Jobs, history.OrgJob{ID: "750999", Object: "Part__c", Operation: "upsert", State: "Open", Created: 5})
		}},
		{"a closed job never ended", "I20", []string{orphaned}, func(a *history.All) {
			a.Jobs = append(a.Jobs, history.OrgJob{ID: "750999", Object: "Part__c", Operation: "upsert", State: "InProgress", Created: 5, Closed: 6})
		}},
		{"a record landed as a row that there never was", "I6", []string{falseSuccess}, func(a *history.All) {
			landedOf(a, "parts-3").ID = "a01000000000999AAA"
		}},
		{"a record landed as another entity's row", "I6", []string{falseSuccess}, func(a *history.All) {
			landedOf(a, "parts-3").ID = landedOf(a, "parts-1").ID
		}},
		{"an insert landed as the row of another", "I6", []string{falseSuccess}, func(a *history.All) {
			landedOf(a, "visits-2").ID = landedOf(a, "visits-1").ID
		}},
		{"a record landed whose values no row had", "I6", []string{falseSuccess, foreign}, func(a *history.All) {
			rowOf(a, "parts-3", created).Cells["A__c"] = "something else"
			orgOf(a, "p2").Versions[0].Fields["A__c"] = "something else"
		}},
		{"what must die landed", "I6", []string{falseSuccess}, func(a *history.All) {
			for i := range a.Published {
				if a.Published[i].Key == "parts-1" {
					a.Published[i].Fate = "data/STRING_TOO_LONG"
				}
			}
		}},
		{"a delete landed and the row is there", "I6", []string{falseSuccess}, func(a *history.All) {
			o := at(a.Records, func(o history.OrgRecord) bool { return o.Object == "Removal__c" && o.Deleted })
			o.Deleted, o.Versions = false, o.Versions[:1]
			at(a.Rows, func(r history.OrgRow) bool { return r.Outcome == deleted }).Outcome = failed
		}},
		{"an insert without a key landed and there is no row", "I6", []string{falseSuccess}, func(a *history.All) {
			id := landedOf(a, "visits-2").ID
			a.Records = slices.DeleteFunc(a.Records, func(o history.OrgRecord) bool { return o.ID == id })
		}},
		{"a dead record's row was saved, as its file said", "I7", []string{falseFailure}, func(a *history.All) {
			for i := range a.Published {
				if a.Published[i].Key == "parts-9" {
					a.Published[i].Fate = "heals/unclassified"
				}
			}
			r := at(a.Rows, func(r history.OrgRow) bool { return r.Cells["Stamp__c"] == "parts-9" && r.N == 1 })
			r.Outcome, r.ID, r.Error = created, "a01000000000999AAA", ""
			a.Records = append(a.Records, history.OrgRecord{Object: "Part__c", ID: r.ID, Versions: []history.OrgVersion{
				{Job: r.Job, N: 1, At: 90, Fields: map[string]string{"Ext__c": "p6", "Stamp__c": "parts-9", "A__c": "p6.1.a"}},
			}})
		}},
		{"a record died of what it must not die of", "I7", []string{falseFailure}, func(a *history.All) {
			at(a.Final.Open, func(o history.FinalLetter) bool { return o.Key == "parts-4" }).Code = "STRING_TOO_LONG"
		}},
		{"a record was refused that nothing is wrong with", "I7", []string{falseFailure}, func(a *history.All) {
			letterOf(a, "parts-9").Stage = stageExtract
		}},
		{"a record died of what the org never said", "I7", []string{falseFailure}, func(a *history.All) {
			for i := range letterOf(a, "parts-9").Attempts {
				letterOf(a, "parts-9").Attempts[i].Code = "UNKNOWN_EXCEPTION"
			}
		}},
		{"a record was given up before its tries were used up", "I7", []string{falseFailure}, func(a *history.All) {
			letterOf(a, "parts-9").Attempts = letterOf(a, "parts-9").Attempts[:1]
		}},
		{"a keyed record is unresolved", "I7", []string{falseFailure}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "parts-9" }).State = stateUnresolved
			counted(a, "parts", func(b *history.Balance) { b.Dead--; b.Unresolved++ })
			a.Samples = a.Samples[:3]
		}},
		{"a record is unresolved though the org told of its row", "I7", []string{falseFailure}, func(a *history.All) {
			rowOf(a, "there", created).Hidden = ""
		}},
		{"a dead insert without a key made a row", "I7", []string{falseFailure}, func(a *history.All) {
			at(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == "visits-3" }).State = stateDead
			l := letterOf(a, "visits-3")
			l.Class, l.Code, l.Stage = "transient", codeMissing, "retry"
			l.Attempts = slices.Repeat(l.Attempts, 8)
			o := at(a.Final.Open, func(o history.FinalLetter) bool { return o.Key == "visits-3" })
			o.Class, o.Code = "transient", codeMissing
			counted(a, "visits", func(b *history.Balance) { b.Unresolved--; b.Dead++ })
			a.Samples = a.Samples[:3]
		}},
		{"a row was sent again that had landed", "I8", []string{resent}, func(a *history.All) {
			rowOf(a, "parts-12", created).Hidden = ""
		}},
		{"a whole chunk was sent again", "I8", []string{resent}, func(a *history.All) {
			twin := *rowOf(a, "parts-10", created)
			twin.Job, twin.Outcome, twin.N = rowOf(a, "parts-3", created).Job, updated, 3
			a.Rows = append(a.Rows, twin)
		}},
		{"a row was sent again while its job was at work", "I3", []string{resent}, func(a *history.All) {
			jobOf(a, rowOf(a, "parts-3", failed).Job).Ended = 75
		}},
		{"an insert whose row was hidden was sent again", "I8", []string{resent}, func(a *history.All) {
			first := rowOf(a, "orders-1", created)
			first.Hidden = "lost"
			twin := *first
			twin.Job, twin.Outcome, twin.ID, twin.Error, twin.Hidden = "750999", failed, "", "DUPLICATE_VALUE:duplicate value found:--", ""
			a.Jobs = append(a.Jobs, history.OrgJob{ID: "750999", Object: "Order__c", Operation: "insert", State: "JobComplete", Created: 800, Closed: 801, Ended: 802, Uploads: 1})
			twin.N = 0
			a.Rows = append(a.Rows, twin)
		}},
		{"a job was sent content twice", "I3", []string{resent}, func(a *history.All) { a.Jobs[0].Uploads = 2 }},
		{"a record was tried too often", "I17", []string{unbounded}, func(a *history.All) {
			l := letterOf(a, "parts-9")
			l.Attempts = slices.Repeat(l.Attempts, 5)
		}},
		{"a job was asked after without end", "I17", []string{unbounded}, func(a *history.All) {
			for range 500 {
				a.Calls = append(a.Calls, history.OrgCall{N: len(a.Calls) + 1, Endpoint: "info", Job: a.Jobs[0].ID, Status: 200})
			}
		}},
		{"jobs were made without end", "I17", []string{unbounded}, func(a *history.All) {
			for range 500 {
				a.Calls = append(a.Calls, history.OrgCall{N: len(a.Calls) + 1, Endpoint: "create", Status: 200})
			}
		}},
		{"a mark went back within one stream", "I10", []string{backwards}, func(a *history.All) { a.Samples[2].Marks["parts"]["0"] = "4.7" }},
		{"what was accepted became fewer", "I10", []string{backwards}, func(a *history.All) {
			a.Samples[1].Balance["parts"] = history.Balance{Accepted: 99, InFlight: 99}
			a.Samples[2].Balance = nil
		}},
		{"the org has a row that nobody published", "I6", []string{foreign}, func(a *history.All) {
			a.Records = append(a.Records, history.OrgRecord{Object: "Part__c", ID: "a01000000000999AAA", Versions: []history.OrgVersion{
				{Job: a.Jobs[0].ID, At: 50, Fields: map[string]string{"Ext__c": "nobody"}},
			}})
		}},
		{"a row without a key is there that nobody published", "I6", []string{foreign}, func(a *history.All) {
			a.Records = append(a.Records, history.OrgRecord{Object: "Visit__c", ID: "a01000000000999AAA", Versions: []history.OrgVersion{
				{Job: a.Jobs[0].ID, At: 50, Fields: map[string]string{"Place__c": "nowhere"}},
			}})
		}},
		{"a row that nobody named was deleted", "I6", []string{foreign}, func(a *history.All) {
			o := orgOf(a, "bystander")
			o.Deleted = true
			o.Versions = append(o.Versions, history.OrgVersion{Fields: o.Versions[0].Fields, Deleted: true, Job: a.Jobs[0].ID})
		}},
		{"a field holds what nobody said", "I6", []string{foreign}, func(a *history.All) {
			o := orgOf(a, "p7")
			o.Versions[0].Fields["A__c"] = "nobody said this"
		}},
		{"the product has a record that nobody published", "I2", []string{foreign, unbalanced}, func(a *history.All) {
			l := *landedOf(a, "parts-1")
			l.Key, l.Origin = "parts-999", history.Place{Seq: 999}
			a.Landed = append(a.Landed, l)
			counted(a, "parts", func(b *history.Balance) { b.Accepted++; b.Landed++ })
			a.Samples = a.Samples[:1]
		}},
		{"the product has a record that the broker refused", "I2", []string{foreign, unbalanced}, func(a *history.All) {
			for i := range a.Published {
				if a.Published[i].Key == "orders-1" {
					a.Published[i].Answer = history.Failed
				}
			}
		}},
	}
}

func TestTheJudgeSees(t *testing.T) {
	found := map[string]bool{}
	for _, m := range mutations() {
		t.Run(m.does, func(t *testing.T) {
			run := sample()
			m.spoil(run)
			v := judged(t, run)
			got := map[string]bool{}
			broken := false
			for _, f := range v.Findings {
				got[f.Name], found[f.Name] = true, true
				broken = broken || f.Invariant == m.invariant && f.Name == m.names[0]
				if f.Text == "" || f.Invariant == "" {
					t.Errorf("it says too little: %+v", f)
				}
			}
			want := slices.Sorted(slices.Values(m.names))
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) || !broken || v.OK {
				t.Errorf("got %v, want %v and %s of %s:\n%s", names, want, m.names[0], m.invariant, told(v))
			}
		})
	}
	t.Run("every word is the answer to something", func(t *testing.T) {
		for _, word := range Words() {
			if !found[word] {
				t.Errorf("no mutation brings %s", word)
			}
		}
	})
}

func told(v history.Verdict) string {
	var b strings.Builder
	for _, f := range v.Findings {
		b.WriteString("  " + f.Invariant + " " + f.Name + " " + f.Pipeline + " " + f.Key + ": " + f.Text + "\n")
	}
	return b.String()
}
