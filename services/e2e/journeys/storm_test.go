package journeys

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
)

// storm is versions of many entities in the order of the stream, and what the org has to hold in the end.
type storm struct {
	batches [][]message
	want    map[string]map[string]string // entity → column → value
	records int64
	repeats []message
}

// makeStorm: each version names some of the fields, now and then clears one; the values end in the number of the version.
func makeStorm(r *rand.Rand, entities, versions int) storm {
	st := storm{want: map[string]map[string]string{}}
	for v := 1; v <= versions; v++ {
		var batch []message
		for _, i := range r.Perm(entities) {
			key := fmt.Sprintf("s-%03d", i)
			body := fields{"id": key}
			if st.want[key] == nil {
				st.want[key] = map[string]string{}
			}
			for member, column := range columnOf {
				value := fmt.Sprintf("%s v%d", member, v)
				switch {
				case member == "last_name" && v > 1 && r.IntN(3) > 0, member != "last_name" && r.IntN(2) == 0:
					continue // this version does not speak of it
				case member != "last_name" && v > 1 && r.IntN(4) == 0:
					body[member] = nil
					delete(st.want[key], column)
				default:
					body[member] = value
					st.want[key][column] = value
				}
			}
			if len(body) == 1 { // a version that says nothing is none
				body["first_name"] = fmt.Sprintf("first_name v%d", v)
				st.want[key]["FirstName"] = fmt.Sprintf("first_name v%d", v)
			}
			m := message{id: fmt.Sprintf("evt-%s-%d", key, v), body: body}
			batch = append(batch, m)
			if r.IntN(5) == 0 {
				st.repeats = append(st.repeats, m)
			}
		}
		st.records += int64(len(batch))
		st.batches = append(st.batches, batch)
	}
	return st
}

// seedOf is the seed that the environment names, or a test's own.
func seedOf(t *testing.T, own uint64) uint64 {
	t.Helper()
	text := os.Getenv("BULKHEAD_JOURNEY_SEED")
	if text == "" {
		return own
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("BULKHEAD_JOURNEY_SEED: %v", err)
	}
	return seed
}

// TestAStormOfVersionsEndsAsTheStreamSays: many entities, each in several versions of which each names some fields, while rows are
// locked, and die and are replayed later. The org ends with what folding the stream gives, and no field ever went back.
func TestAStormOfVersionsEndsAsTheStreamSays(t *testing.T) {
	inTurn(t)
	seed := seedOf(t, 20_261)
	t.Logf("seed %d (BULKHEAD_JOURNEY_SEED sets another)", seed)
	st := makeStorm(rand.New(rand.NewPCG(seed, 1)), 60, 6)
	s := dev(t, "--pipelines", quickPipelines(t))
	c := s.client(t)
	keys := make([]string, 60)
	for i := range keys {
		keys[i] = fmt.Sprintf("s-%03d", i)
	}
	// A third is locked at the first three tries of whatever version comes; of another third a version dies until it is replayed.
	s.org.fault(t, failRows(lockedRow, keys[:20], map[string]any{"times_per_key": 3}))
	dying := s.org.fault(t, map[string]any{
		"where":  map[string]any{"keys": keys[20:40], "field": "FirstName", "in": []string{"first_name v2", "first_name v3", "first_name v5"}},
		"effect": map[string]any{"kind": "row_error", "error": "FIELD_CUSTOM_VALIDATION_EXCEPTION:not on a Sunday:FirstName --"},
	})
	accepted := int64(0)
	for _, batch := range st.batches {
		c.publish(t, "contacts", batch...)
		accepted += int64(len(batch))
		eventually(t, "the batch is sealed, so that the next one goes into other chunks", func(ctx context.Context) (bool, error) {
			b, err := readBalance(ctx, s.ops, "contacts")
			return b.Balance.Accepted == accepted, err
		})
	}
	c.publish(t, "contacts", st.repeats...)
	s.settle(t, "contacts", st.records)
	if len(s.letters(t, "contacts")) == 0 {
		t.Fatal("nothing died: the replay was not tested")
	}
	s.org.heal(t, dying)
	for round := 0; ; round++ {
		open := s.letters(t, "contacts")
		if len(open) == 0 {
			break
		}
		if round == 5 {
			t.Fatalf("%d letters are open after %d rounds of replay, the first is %+v", len(open), round, open[0])
		}
		body := map[string]any{
			"filter": map[string]any{"pipeline": "contacts"}, "expected_count": len(open), "reason": "the rule is gone",
			"idempotency_key": fmt.Sprintf("round-%d", round), "by": "journey",
		}
		if err := ask(t.Context(), http.MethodPost, s.ops+"/v1/dead-letters:replay", body, nil); err != nil {
			t.Fatal(err)
		}
		s.settle(t, "contacts", st.records)
	}
	b := s.settle(t, "contacts", st.records)
	if b.Repeats != int64(len(st.repeats)) {
		t.Errorf("%d repeats, want %d", b.Repeats, len(st.repeats))
	}
	if b.Balance.Accepted != st.records || b.Balance.Landed+b.Balance.Superseded != st.records {
		t.Errorf("%+v, want all %d landed or superseded", b.Balance, st.records)
	}
	held := s.org.rows(t, "Contact")
	for key, want := range st.want {
		got := maps.Clone(held[key].Fields)
		maps.DeleteFunc(got, func(column, _ string) bool { return column == "External_Id__c" })
		if !maps.Equal(got, want) {
			t.Errorf("seed %d: %s is %v, want %v\nhistory: %+v", seed, key, got, want, held[key].Versions)
		}
		if p := goesBack(held[key].Versions); p != "" {
			t.Errorf("seed %d: %s: %s\nhistory: %+v", seed, key, p, held[key].Versions)
		}
	}
}
