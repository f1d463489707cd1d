package journeys

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// balanced is the balance when all has come to rest and nobody has decided anything yet.
func (j *operationJourney) balanced(total int64) balance {
	b := balance{Accepted: total, Dead: int64(len(j.of(failing, refused))) + j.more.Dead, Superseded: j.more.Superseded}
	if j.content {
		b.Unresolved = int64(len(j.of(lost, lostLate)))
	}
	b.Landed = total - b.Dead - b.Superseded - b.Unresolved
	return b
}

// checkLetters: those and only those are dead that should be, each for its reason.
func (j *operationJourney) checkLetters(t *testing.T, s *stack) {
	t.Helper()
	codes := map[string]string{}
	for _, k := range j.of(failing) {
		codes["evt-"+k] = "data " + failingCode
	}
	for _, k := range j.of(refused) {
		codes["evt-"+k] = "data UNKNOWN_MEMBER"
	}
	if j.content {
		for _, k := range j.of(lost, lostLate) {
			codes["evt-"+k] = "unresolved MISSING"
		}
	}
	conflicts := int64(0)
	for _, l := range s.letters(t, j.pipeline) {
		if l.Code == "VERSION_CONFLICT" {
			conflicts++
			continue
		}
		if got := l.Class + " " + l.Code; codes[l.Key] != got {
			t.Errorf("%s has a letter %s, want %q", l.Key, got, codes[l.Key])
		}
		delete(codes, l.Key)
	}
	if conflicts != j.more.Dead {
		t.Errorf("%d letters are VERSION_CONFLICT, want %d", conflicts, j.more.Dead)
	}
	for k, c := range codes {
		t.Errorf("%s has no letter %s", k, c)
	}
}

// held are the live rows by key, bystanders too.
func (j *operationJourney) held(t *testing.T) map[string][]orgRow {
	t.Helper()
	out := map[string][]orgRow{}
	for _, r := range j.org.all(t, j.object) {
		out[r.Fields[j.column]] = append(out[r.Fields[j.column]], r)
	}
	return out
}

// problems says where the org differs from what it should hold: every key has exactly the rows that it should, with the values that
// it should, and nobody else was touched. It empties held.
func (j *operationJourney) problems(held map[string][]orgRow) (out []string) {
	problem := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i, k := range j.keys {
		f := fateOf(i)
		want, n := j.before[k], 0
		if f != refused {
			want = j.want(f, k, j.before[k])
		}
		if want != nil {
			n = 1
		}
		if n > 0 && j.copies != nil {
			n = j.copies(f)
		}
		if len(held[k]) != n {
			problem("the org holds %d rows of %s (fate %d), want %d", len(held[k]), k, f, n)
		}
		for _, r := range held[k] {
			for column, value := range want {
				if r.Fields[column] != value {
					problem("%s (fate %d): %s is %q, want %q", k, f, column, r.Fields[column], value)
				}
			}
			if r.Seeded != j.seeded {
				problem("%s: seeded is %t: the row is not the one that was there", k, r.Seeded)
			}
		}
		delete(held, k)
	}
	for k, before := range j.before {
		if slices.Contains(j.keys, k) {
			continue
		}
		if rows := held[k]; len(rows) != 1 || len(rows[0].Versions) != 1 || !maps.Equal(rows[0].Fields, before) {
			problem("%s, of which no record speaks, is %+v", k, rows)
		}
		delete(held, k)
	}
	for k, rows := range held {
		problem("the org holds %d rows of %q, which nobody published", len(rows), k)
	}
	return out
}

// checkSendings: nothing was sent again that was known to have landed, and what was lost only where the operation bears it.
func (j *operationJourney) checkSendings(t *testing.T) {
	t.Helper()
	if j.content {
		return // the rows of the org say it: each sending that takes effect is a row
	}
	if j.more == (balance{}) {
		j.org.checkSentAgain(t, j.object)
	}
	sent := j.org.sendings(t, j.object)
	for _, k := range j.of(lost) {
		name := k
		if _, byKey := sent[k]; !byKey {
			name = j.ids[k]
		}
		if n := len(sent[name]); n != j.sentWhenLost {
			t.Errorf("%s, which landed and was lost, was sent in %d closed jobs, want %d: %+v", k, n, j.sentWhenLost, sent[name])
		}
	}
}

// checkHistories: what became of a record can be told, with every try.
func (j *operationJourney) checkHistories(t *testing.T, s *stack) {
	t.Helper()
	tried := map[fate]string{locked: lockedCode, failing: failingCode, lost: "MISSING", lostLate: "MISSING"}
	for i, k := range j.keys {
		h := s.record(t, j.pipeline, "evt-"+k)
		want := "landed"
		if fateOf(i) == refused {
			want = "discarded"
		}
		if h.State != want {
			t.Errorf("%s (fate %d) is %s, want %s: %+v", k, fateOf(i), h.State, want, h)
		}
		if code := tried[fateOf(i)]; code != "" && h.tried(code) == nil && !(j.content && fateOf(i) == locked) && !(j.sentWhenLost == 1 && fateOf(i) == lost) {
			t.Errorf("the history of %s shows no try that ended in %s: %+v", k, code, h)
		}
	}
}
