package journeys

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fate is what happens to a record on its way, by the last digits of its key.
type fate int

const (
	lucky     fate = iota
	locked         // its row fails once with a lock
	failing        // its row fails by a rule of the org, until the rule is gone and the letter replayed
	lost           // its row took effect, and no result file names it
	lostLate       // its row failed, and no result file names it
	refused        // it is dead before Salesforce
	threefold      // content: wanted three times, in equal words
	overtaken      // version: an older one comes later and says nothing new
	outdated       // version: an older one comes later and says of another field what the newer does not
	contested      // version: an equal one comes later and says something else
)

// fateOf repeats every twenty records.
func fateOf(i int) fate {
	return map[int]fate{
		1: overtaken, 3: locked, 5: threefold, 7: failing, 9: outdated, 11: lost, 13: contested, 15: lostLate, 19: refused,
	}[i%20]
}

// operation is what one pipeline does, in terms of what it publishes and what the org has to hold.
type operation struct {
	pipeline, object string
	definition       string
	column           string // tells the rows of the org apart by key
	seeded           bool   // each key has a row before; else the operation makes it
	content          bool   // nothing tells rows apart but what they say
	record           func(key, id string) fields
	// further are messages of a key beside its first, nil where the operation has none.
	further func(f fate, key string) []message
	// want is what a key's rows hold in the end, nil = no row is there; before is what the row held.
	want func(f fate, key string, before map[string]string) map[string]string
	// copies is how many rows a key has in the end, 1 where it is nil.
	copies func(f fate) int
	// more are terms of the balance that further messages add.
	more balance
	// sentWhenLost is in how many closed jobs a row stands that landed and was lost: 1 where a look finds that it landed.
	sentWhenLost int
	// looks says that the org is asked for rows on the way of the first sending, or for what was lost.
	looks bool
}

// perBatch is how many keys each of the two batches has.
const perBatch = 40

const (
	ruleOfTheOrg = "FIELD_CUSTOM_VALIDATION_EXCEPTION:not on a Sunday:LastName --"
	lockedCode   = "UNABLE_TO_LOCK_ROW"
	failingCode  = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
)

// operationJourney is one operation on its way, through kills of everything but the org.
type operationJourney struct {
	operation
	org    org
	up     func() *stack
	keys   []string
	ids    map[string]string            // of seeded rows by key
	before map[string]map[string]string // fields of seeded rows by key
	rules  map[fate]string
}

// simulatedContact is a row that was there before.
func simulatedContact(key string) map[string]any {
	return map[string]any{
		"External_Id__c": key, "Loyalty_Number__c": "L-" + key, "FirstName": "Old", "LastName": "Before", "Phone": "+1 555 0000",
	}
}

func newOperationJourney(t *testing.T, op operation) *operationJourney {
	t.Helper()
	address, org := simulator(t, "--model", operationsModel)
	data, dir := dataDir(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, op.pipeline+".yaml"), []byte(op.definition+byJobs), 0o600); err != nil {
		t.Fatal(err)
	}
	j := &operationJourney{
		operation: op, org: org, keys: keysOf("k", 2*perBatch), ids: map[string]string{}, before: map[string]map[string]string{}, rules: map[fate]string{},
		up: func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", dir) },
	}
	if !op.content {
		var rows []map[string]any
		for i := range 10 {
			rows = append(rows, simulatedContact(fmt.Sprintf("bystander-%d", i)))
		}
		if op.seeded {
			for _, k := range j.keys {
				rows = append(rows, simulatedContact(k))
			}
		}
		org.seed(t, op.object, rows)
		for _, r := range org.all(t, op.object) {
			j.ids[r.Fields["External_Id__c"]], j.before[r.Fields["External_Id__c"]] = r.ID, r.Fields
		}
	}
	return j
}

// of returns the keys that meet a fate.
func (j *operationJourney) of(fates ...fate) []string {
	var out []string
	for i, k := range j.keys {
		if slices.Contains(fates, fateOf(i)) {
			out = append(out, k)
		}
	}
	return out
}

// strike makes the org treat rows as their fates say.
func (j *operationJourney) strike(t *testing.T) {
	t.Helper()
	rule := func(keys []string, times int, effect map[string]any) string {
		where := map[string]any{"keys": keys}
		if j.content {
			where = map[string]any{"field": j.column, "in": keys}
		}
		return j.org.fault(t, map[string]any{"match": map[string]any{"object": j.object}, "where": where, "times_per_key": times, "effect": effect})
	}
	j.rules[locked] = rule(j.of(locked, lostLate), 1, map[string]any{"kind": "row_error", "error": lockedRow})
	j.rules[failing] = rule(j.of(failing), 0, map[string]any{"kind": "row_error", "error": ruleOfTheOrg})
	j.rules[lost] = rule(j.of(lost, lostLate), 1, map[string]any{"kind": "lose_rows"})
}

// messages are what is published of some keys, in order.
func (j *operationJourney) messages(from, to int) []message {
	var out, later []message
	for i := from; i < to; i++ {
		k := j.keys[i]
		body := j.record(k, j.ids[k])
		if fateOf(i) == refused {
			body = body.with("shoe_size", 43)
		}
		out = append(out, message{id: "evt-" + k, body: body})
		if j.further != nil {
			later = append(later, j.further(fateOf(i), k)...)
		}
	}
	return append(out, later...)
}

// carry takes the operation through everything: partial failure, retry, two kills of the whole system on the way and one in the
// replay, rows that the results do not name, and what comes twice.
func (op operation) carry(t *testing.T) {
	inTurn(t)
	j := newOperationJourney(t, op)
	j.strike(t)
	kills := j.moments(t)
	first, second := j.messages(0, perBatch), j.messages(perBatch, 2*perBatch)
	total := int64(len(first) + len(second))

	s := j.up()
	j.killAt(t, s, kills[0], perBatch/2, func() { s.client(t).publish(t, op.pipeline, first...) })
	s = j.up()
	j.killAt(t, s, kills[1], perBatch/2, func() {
		s.client(t).publish(t, op.pipeline, append(second, first[:perBatch/2]...)...) // the first half again: repeats
	})
	s = j.up()
	b := s.settle(t, op.pipeline, total)
	want := j.balanced(total)
	if b.Balance != want || b.Repeats != perBatch/2 {
		t.Errorf("before the replay: %+v repeats %d, want %+v repeats %d", b.Balance, b.Repeats, want, perBatch/2)
	}
	j.checkLetters(t, s)
	for _, f := range []fate{locked, failing, lost} {
		if j.org.hits(t, j.rules[f]) == 0 {
			t.Errorf("fault %d never struck: its part of the journey was not tested", f)
		}
	}

	j.org.heal(t, j.rules[failing])
	j.killAt(t, s, kills[2], 5, func() {
		commands := cli{s.ops}
		if op.content {
			j.decide(t, s, commands)
		}
		commands.wants(t, 0, "dlq", "replay", "--pipeline", op.pipeline, "--code", failingCode, "--reason", "the rule is gone", "--yes")
		commands.wants(t, 0, "dlq", "discard", "--pipeline", op.pipeline, "--code", "UNKNOWN_MEMBER", "--reason", "nobody needs it", "--yes")
	})
	s = j.up()
	want.Landed += int64(len(j.of(failing))) + want.Unresolved
	want.Discarded = int64(len(j.of(refused)))
	want.Dead -= int64(len(j.of(failing, refused)))
	want.Unresolved = 0
	eventually(t, fmt.Sprintf("the balance ends as %+v", want), func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, op.pipeline)
		if err == nil && b.Balance != want {
			err = fmt.Errorf("%+v", b.Balance)
		}
		return err == nil, err
	})
	for _, p := range j.problems(j.held(t)) {
		t.Error(p)
	}
	j.checkSendings(t)
	j.checkHistories(t, s)
}

// moments are when the three kills strike: while a job runs, or in the middle of a call of the org, when it has taken effect and
// the reply is on its way. The seed decides.
func (j *operationJourney) moments(t *testing.T) [3]string {
	t.Helper()
	seed := seedOf(t, 1)
	calls := []string{running, "create", "upload", "close", "info", "success"}
	if j.looks {
		calls = append(calls, "query")
	}
	name := fnv.New64a()
	_, _ = name.Write([]byte(j.pipeline)) // never fails
	r := rand.New(rand.NewPCG(seed, name.Sum64()))
	out := [3]string{calls[r.IntN(len(calls))], calls[r.IntN(len(calls))], calls[r.IntN(5)]}
	t.Logf("killed at %v (seed %d, BULKHEAD_JOURNEY_SEED sets another)", out, seed)
	return out
}

// running is the moment at which the org works on a job.
const running = "running"

// killAt does something, waits for the moment that follows it, and pulls the plug. Meanwhile the org saves rowsPerSecond.
func (j *operationJourney) killAt(t *testing.T, s *stack, moment string, rowsPerSecond int, do func()) {
	t.Helper()
	j.org.set(t, map[string]any{"rows_per_second": rowsPerSecond})
	mark := j.org.lastCall(t)
	if moment == running {
		do()
		awaitRunning(t, j.org, mark)
		s.kill()
	} else {
		late := j.org.fault(t, map[string]any{
			"match": map[string]any{"endpoint": moment}, "times": 0,
			"effect": map[string]any{"kind": "latency", "when": "after", "duration": "20s"},
		})
		do()
		j.org.awaitCall(t, mark, moment)
		s.kill()
		j.org.heal(t, late)
	}
	j.org.set(t, map[string]any{"rows_per_second": 0})
}

// decide says of every unresolved record whether it landed, as a person does who has looked into the org.
func (j *operationJourney) decide(t *testing.T, s *stack, commands cli) {
	t.Helper()
	letters := map[string]string{}
	for _, l := range s.letters(t, j.pipeline) {
		letters[l.Key] = l.ID
	}
	held := j.held(t)
	someone := held[j.of(locked)[0]][0].ID // is another record's row, and known to be
	for n, k := range j.of(lost) {
		id := letters["evt-"+k]
		if len(held[k]) != 1 {
			t.Fatalf("the org holds %d rows of %s, want the one that no result named", len(held[k]), k)
		}
		if n == 0 {
			commands.wants(t, 4, "dlq", "ls", "--class", "unresolved", "--pipeline", "nosuch")
			commands.wants(t, 0, "dlq", "ls", "--class", "unresolved", "--pipeline", j.pipeline)
			commands.wants(t, 5, "dlq", "replay", id, "--reason", "guessing")
			commands.wants(t, 5, "dlq", "discard", id, "--reason", "guessing")
			commands.wants(t, 2, "dlq", "resolve", id, "--not-landed")
			commands.wants(t, 5, "dlq", "resolve", id, "--landed", someone, "--reason", "wrong row")
			commands.wants(t, 5, "dlq", "resolve", id, "--landed", someone[:3]+"00000000ZZZZ", "--reason", "no row")
		}
		commands.wants(t, 0, "dlq", "resolve", id, "--landed", held[k][0].ID, "--reason", "seen in the org")
	}
	var ids []string
	for _, k := range j.of(lostLate) {
		if len(held[k]) != 0 {
			t.Fatalf("the org holds %s, which failed", k)
		}
		ids = append(ids, letters["evt-"+k])
	}
	commands.wants(t, 0, append(append([]string{"dlq", "resolve"}, ids...), "--not-landed", "--reason", "not in the org")...)
}
