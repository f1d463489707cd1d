package verdict

import (
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// reopenedRun is a run in which a person discards a letter, the record is published again, and dies again; change makes it another one.
func reopenedRun(change func(m *maker, all *history.All, b *history.Balance)) *history.All {
	const code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
	m := newMaker()
	m.publish("parts", "parts-1", "drop-1", 1, says("A__c", "forbidden"), "data/"+code)
	m.again(history.OK, false)
	row := sent{cells: cells("Ext__c", "drop-1", "Stamp__c", "parts-1", "A__c", "forbidden", "Source__c", "here"), outcome: failed, err: code + ":This value is forbidden:A__c--"}
	m.dies("parts", "parts-1", "drop-1", "data", code, "reconcile", 0, attempt(m.job("parts", row), "data", code))
	m.acts(discard, "parts/parts-1/0")
	m.dies("parts", "parts-1", "drop-1", "data", code, "reconcile", 1, attempt(m.job("parts", row), "data", code))
	all := m.made()
	b := all.Final.Balance["parts"]
	b.Accepted, b.Discarded = 2, 1
	if change != nil {
		change(m, all, &b)
	}
	all.Final.Balance["parts"] = b
	m.samples()
	return all
}

func TestARecordThatIsPublishedAgainAfterADiscard(t *testing.T) {
	for name, c := range map[string]struct {
		change          func(m *maker, all *history.All, b *history.Balance)
		invariant, word string // of a finding; "" = there is none
	}{
		"is accepted again, and its first generation stays discarded": {},
		"is no second generation while nobody gave up the first": {func(_ *maker, all *history.All, _ *history.Balance) {
			all.Timeline = nil
		}, "I13", unbalanced},
		"opens no generation that nobody published": {func(_ *maker, all *history.All, _ *history.Balance) {
			all.Published = all.Published[:1]
		}, "I13", unbalanced},
		"may have been published by a try that nobody answered": {func(_ *maker, all *history.All, _ *history.Balance) {
			all.Published[1].Answer, all.Published[1].Seq = history.Unknown, 0
		}, "", ""},
		"may have been read again": {func(m *maker, all *history.All, _ *history.Balance) {
			all.Published = all.Published[:1]
			all.Timeline = append(all.Timeline, history.Event{At: m.now, What: "operator", Text: "ada reread parts: 200", Done: true})
		}, "", ""},
		"is not read again by an order about another pipeline": {func(m *maker, all *history.All, _ *history.Balance) {
			all.Published = all.Published[:1]
			all.Timeline = append(all.Timeline, history.Event{At: m.now, What: "operator", Text: "ada reread labels: 200", Done: true})
		}, "I13", unbalanced},
		"opens no two generations at once": {func(_ *maker, all *history.All, _ *history.Balance) {
			at(all.Letters, func(l history.Letter) bool { return l.Generation == 1 }).Generation = 2
			at(all.Final.Open, func(l history.FinalLetter) bool { return l.Generation == 1 }).Generation = 2
			at(all.Final.Records, func(r history.FinalRecord) bool { return r.Generation == 1 }).Generation = 2
		}, "I13", unbalanced},
		"is read again once by an order that is given twice under its key": {func(m *maker, all *history.All, _ *history.Balance) {
			all.Published = all.Published[:1]
			for range 2 {
				all.Timeline = append(all.Timeline, history.Event{At: m.now, What: "operator", Text: "ada reread parts: 200", Key: "one", Done: true})
			}
			m.acts(discard, "parts/parts-1/1")
			again := *at(all.Letters, func(l history.Letter) bool { return l.Generation == 1 })
			again.ID, again.Generation = "parts/parts-1/2", 2
			all.Letters = append(all.Letters, again)
			at(all.Final.Records, func(r history.FinalRecord) bool { return r.Generation == 1 }).Generation = 2
		}, "I13", unbalanced},
		"is not accepted twice where it is replayed": {func(_ *maker, all *history.All, _ *history.Balance) {
			all.Timeline[0].Order = replay
		}, "I1", unbalanced},
		"is not forgotten where it was discarded": {func(_ *maker, _ *history.All, b *history.Balance) {
			b.Accepted, b.Discarded = 1, 0
		}, "I1", unbalanced},
		"is not discarded more often than somebody ordered": {func(_ *maker, _ *history.All, b *history.Balance) {
			b.Accepted, b.Discarded = 3, 2
		}, "I1", unbalanced},
		"is no repeat as well": {func(_ *maker, _ *history.All, b *history.Balance) {
			b.Repeats = 2
		}, "I12", unbalanced},
		"is either, where its letter was also ordered to be replayed: accepted again": {func(m *maker, _ *history.All, _ *history.Balance) {
			m.acts(replay, "parts/parts-1/0")
		}, "", ""},
		"is either, where its letter was also ordered to be replayed: a repeat": {func(m *maker, _ *history.All, b *history.Balance) {
			m.acts(replay, "parts/parts-1/0")
			b.Accepted, b.Discarded, b.Repeats = 1, 0, 1
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Of(reopenedRun(c.change))
			if err != nil {
				t.Fatal(err)
			}
			if c.word == "" {
				if !v.OK {
					t.Errorf("%+v", v.Findings)
				}
				return
			}
			for _, f := range v.Findings {
				if f.Invariant == c.invariant && f.Name == c.word {
					return
				}
			}
			t.Errorf("no finding %s %s: %+v", c.invariant, c.word, v.Findings)
		})
	}
}
