package journeys

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oneDefinition is a directory with one definition.
func oneDefinition(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pipeline.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// operationsModel is an object model with contacts and visits.
const operationsModel = "testdata/operations.yaml"

func vanishAfter(object string, rows int) map[string]any {
	return map[string]any{"match": map[string]any{"object": object}, "effect": map[string]any{"kind": "job_vanish", "rows": rows}}
}

// TestInsertsOfAJobThatVanishesAreLookedUpBeforeAnythingIsSentAgain: half of the job took effect, nobody can read its results, and
// the system is killed while it asks the org.
func TestInsertsOfAJobThatVanishesAreLookedUpBeforeAnythingIsSentAgain(t *testing.T) {
	inTurn(t)
	address, org := simulator(t, "--model", operationsModel)
	data, dir := dataDir(t), oneDefinition(t, insertPeople)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", dir) }
	s := up()
	gone := org.fault(t, vanishAfter("Contact", 7))
	late := org.fault(t, map[string]any{
		"match": map[string]any{"endpoint": "query"}, "times": 0, "effect": map[string]any{"kind": "latency", "when": "after", "duration": "20s"},
	})
	mark := org.lastCall(t)
	keys := keysOf("v", 60)
	s.client(t).publish(t, "people", messagesOf(keys, person)...)
	org.awaitCall(t, mark, "query")
	s.kill()
	org.heal(t, late)
	s = up()
	if b, want := s.settle(t, "people", 60), (balance{Accepted: 60, Landed: 60}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	if org.hits(t, gone) != 1 {
		t.Error("no job vanished")
	}
	if held := org.rows(t, "Contact"); len(held) != 60 {
		t.Errorf("the org holds %d contacts, want 60", len(held))
	}
	saved := 0
	for k, sent := range org.sendings(t, "Contact") {
		landed := 0
		for _, r := range sent {
			if r.landed() {
				landed++
			}
		}
		if first := sent[0]; first.landed() && first.Lost {
			saved++
		}
		if landed != 1 || sent[0].landed() && len(sent) != 1 {
			t.Errorf("%s landed %d times in %d closed jobs: %+v", k, landed, len(sent), sent)
		}
	}
	if saved != 7 {
		t.Errorf("%d rows landed in the job that vanished, want 7", saved)
	}
	for _, k := range keys {
		if h := s.record(t, "people", "evt-"+k); h.State != "landed" || h.ID == "" {
			t.Errorf("%s: %+v", k, h)
		}
	}
}

// TestInsertsThatNothingTellsApartWaitForAPersonWhenTheirJobVanishes: everything is wanted twice in equal words, so that only who
// counts the rows of the org knows which of the records landed.
func TestInsertsThatNothingTellsApartWaitForAPersonWhenTheirJobVanishes(t *testing.T) {
	inTurn(t)
	address, org := simulator(t, "--model", operationsModel)
	data, dir := dataDir(t), oneDefinition(t, insertVisits)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", dir) }
	s := up()
	gone := org.fault(t, vanishAfter("Visit__c", 9))
	places := keysOf("place", 20)
	var messages []message
	for _, p := range places {
		messages = append(messages, message{id: "evt-" + p, body: visit(p)}, message{id: "again-" + p, body: visit(p)})
	}
	s.client(t).publish(t, "visits", messages...)
	before := s.settle(t, "visits", 40).Balance
	lost := before.Unresolved
	if before != (balance{Accepted: 40, Landed: 40 - lost, Unresolved: lost}) || lost < 10 || org.hits(t, gone) != 1 {
		t.Errorf("%+v, want the records of the one job that vanished unresolved and the others landed", before)
	}

	// What is in the org and belongs to no record is what landed unseen.
	known := map[string]bool{}
	for _, m := range messages {
		if h := s.record(t, "visits", m.id); h.State == "landed" {
			known[h.ID] = true
		}
	}
	unseen := map[string][]string{}
	for _, r := range org.all(t, "Visit__c") {
		if !known[r.ID] {
			unseen[r.Fields["Place__c"]] = append(unseen[r.Fields["Place__c"]], r.ID)
		}
	}
	place := map[string]string{}
	for _, m := range messages {
		place[m.id], _ = m.body.(fields)["place"].(string)
	}
	b := cli{s.ops}
	letters := s.letters(t, "visits")
	if len(letters) > 0 {
		if r := b.wants(t, 0, "dlq", "show", letters[0].ID); !strings.Contains(r.stdout, place[letters[0].Key]) || !strings.Contains(r.stdout, "--not-landed") {
			t.Errorf("the letter shows neither what was published nor what to do: %s", r.stdout)
		}
	}
	var send []string
	taken, contested := 0, false
	for _, l := range letters {
		ids := unseen[place[l.Key]]
		if l.Class != "unresolved" {
			t.Errorf("%+v, want an unresolved record", l)
		}
		if len(ids) == 0 {
			send = append(send, l.ID)
			continue
		}
		b.wants(t, 0, "dlq", "resolve", l.ID, "--landed", ids[0], "--reason", "counted in the org")
		if len(ids) > 1 && !contested {
			contested = true
			twin := letters[slices.IndexFunc(letters, func(o letter) bool { return place[o.Key] == place[l.Key] && o.ID != l.ID })]
			b.wants(t, 5, "dlq", "resolve", twin.ID, "--landed", ids[0], "--reason", "the row that was just given to its twin")
		}
		unseen[place[l.Key]] = ids[1:]
		taken++
	}
	if taken != 9 || !contested {
		t.Errorf("%d records landed unseen, want 9; two of one place among them: %t", taken, contested)
	}
	org.set(t, map[string]any{"rows_per_second": 5})
	mark := org.lastCall(t)
	b.wants(t, 0, append(append([]string{"dlq", "resolve"}, send...), "--not-landed", "--reason", "not in the org")...)
	awaitRunning(t, org, mark)
	s.kill()
	org.set(t, map[string]any{"rows_per_second": 0})
	s = up()
	eventually(t, "all have landed", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "visits")
		return b.Balance == balance{Accepted: 40, Landed: 40}, err
	})
	count := map[string]int{}
	for _, r := range org.all(t, "Visit__c") {
		count[r.Fields["Place__c"]]++
	}
	for _, p := range places {
		if count[p] != 2 {
			t.Errorf("the org holds %d visits of %s, want the 2 that were wanted", count[p], p)
		}
	}
	if len(count) != len(places) {
		t.Errorf("the org holds visits of %d places, want %d", len(count), len(places))
	}
	if letters = s.letters(t, "visits"); len(letters) != 0 {
		t.Errorf("%d letters are open, the first is %+v", len(letters), letters[0])
	}
}

// TestAnInsertThatTheOrgDoesNotShowYetIsNotMadeTwice: the row is there and two looks do not see it, as when an index lags behind.
// It is sent again, refused as a duplicate, and known by that.
func TestAnInsertThatTheOrgDoesNotShowYetIsNotMadeTwice(t *testing.T) {
	inTurn(t)
	address, org := simulator(t, "--model", operationsModel)
	s := dev(t, "--sim", address, "--pipelines", oneDefinition(t, insertPeople))
	keys := keysOf("d", 20)
	one := keys[4]
	struck := org.fault(t, map[string]any{"where": map[string]any{"keys": []string{one}}, "times_per_key": 1, "effect": map[string]any{"kind": "lose_rows"}})
	blind := org.fault(t, map[string]any{
		"match": map[string]any{"endpoint": "query"}, "times": 2,
		"effect": map[string]any{"kind": "status", "status": 200, "body": `{"totalSize":0,"done":true,"records":[]}`, "content_type": "application/json"},
	})
	s.client(t).publish(t, "people", messagesOf(keys, person)...)
	if b, want := s.settle(t, "people", 20), (balance{Accepted: 20, Landed: 20}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	if org.hits(t, struck) != 1 || org.hits(t, blind) != 2 {
		t.Errorf("the row was lost %d times, and %d looks saw nothing, want 1 and 2", org.hits(t, struck), org.hits(t, blind))
	}
	held, sent := org.rows(t, "Contact"), org.sendings(t, "Contact")[one]
	if len(held) != 20 || len(sent) != 2 || sent[1].landed() {
		t.Errorf("%d contacts, want 20; %s was sent as %+v, want a second time that failed", len(held), one, sent)
	}
	if h := s.record(t, "people", "evt-"+one); h.State != "landed" || h.ID != held[one].ID {
		t.Errorf("%+v, want it landed as %s", h, held[one].ID)
	}
}

// TestAnInsertDoesNotTakeTheRowOfSomebodyElseForItsOwn: the org holds the value already, made by another user or by another pipeline
// a moment ago, and no result says that the insert was refused.
func TestAnInsertDoesNotTakeTheRowOfSomebodyElseForItsOwn(t *testing.T) {
	inTurn(t)
	address, org := simulator(t, "--model", operationsModel)
	org.seed(t, "Contact", []map[string]any{simulatedContact("theirs"), simulatedContact("seen")})
	dir := oneDefinition(t, insertPeople)
	if err := os.WriteFile(filepath.Join(dir, "versions.yaml"), []byte(upsertVersions), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dev(t, "--sim", address, "--pipelines", dir)
	c := s.client(t)
	c.publish(t, "versions", message{id: "first", body: person("ours").with("rev", 1)})
	s.settle(t, "versions", 1)
	refused := []string{"theirs", "ours"}
	rule := org.fault(t, map[string]any{"where": map[string]any{"keys": refused}, "times_per_key": 1, "effect": map[string]any{"kind": "lose_rows"}})
	keys := append(refused, "seen", "new")
	c.publish(t, "people", messagesOf(keys, func(id string) fields { return person(id).with("first_name", "Inserted") })...)
	if b, want := s.settle(t, "people", 4).Balance, (balance{Accepted: 4, Landed: 1, Dead: 3}); b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
	if n := org.hits(t, rule); n != 2 {
		t.Errorf("%d rows were lost, want 2", n)
	}
	for _, l := range s.letters(t, "people") {
		if l.Class != "duplicate" || l.Code != "DUPLICATE_VALUE" {
			t.Errorf("%+v, want a duplicate", l)
		}
	}
	for _, r := range org.all(t, "Contact") {
		k := r.Fields["External_Id__c"]
		if inserted := r.Fields["FirstName"] == "Inserted"; inserted != (k == "new") {
			t.Errorf("%s is %v", k, r.Fields)
		}
	}
}

// TestWhatIsGoneIsASuccessOnlyWhereWeMayHaveTakenIt: a row that somebody deleted before is a dead letter for a delete and an update.
func TestWhatIsGoneIsASuccessOnlyWhereWeMayHaveTakenIt(t *testing.T) {
	inTurn(t)
	address, org := simulator(t, "--model", operationsModel)
	org.seed(t, "Contact", []map[string]any{simulatedContact("a"), simulatedContact("b"), simulatedContact("c")})
	ids := map[string]string{}
	for _, r := range org.all(t, "Contact") {
		ids[r.Fields["External_Id__c"]] = r.ID
	}
	dir := oneDefinition(t, deleteByID+byJobs)
	for name, text := range map[string]string{"field.yaml": deleteByField, "update.yaml": updateByField} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+byJobs), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := dev(t, "--sim", address, "--pipelines", dir)
	c := s.client(t)
	dead := func(t *testing.T, pipeline string, key, class, code string) {
		t.Helper()
		letters := s.letters(t, pipeline)
		if len(letters) != 1 || letters[0].Key != key || letters[0].Class != class || letters[0].Code != code {
			t.Errorf("%+v, want one letter of %s with %s %s", letters, key, class, code)
		}
	}
	t.Run("by Id", func(t *testing.T) {
		c.publish(t, "removals-by-id", message{id: "first", body: fields{"salesforce_id": ids["a"]}})
		s.settle(t, "removals-by-id", 1)
		// The short form of the Id is the same entity.
		c.publish(t, "removals-by-id", message{id: "second", body: fields{"salesforce_id": ids["a"][:15]}})
		if b, want := s.settle(t, "removals-by-id", 2).Balance, (balance{Accepted: 2, Landed: 1, Dead: 1}); b != want {
			t.Errorf("%+v, want %+v", b, want)
		}
		dead(t, "removals-by-id", "second", "reference", "ENTITY_IS_DELETED")
	})
	t.Run("by a field, which the org compares without case", func(t *testing.T) {
		c.publish(t, "removals", message{id: "first", body: fields{"id": "B"}})
		s.settle(t, "removals", 1)
		c.publish(t, "removals", message{id: "second", body: fields{"id": "b"}})
		if b, want := s.settle(t, "removals", 2).Balance, (balance{Accepted: 2, Landed: 1, Dead: 1}); b != want {
			t.Errorf("%+v, want %+v", b, want)
		}
		dead(t, "removals", "second", "reference", "ENTITY_NOT_FOUND")
	})
	t.Run("an update of a row that is not there yet lands by a replay when it is", func(t *testing.T) {
		c.publish(t, "loyalty", message{id: "early", body: fields{"number": "L-d", "first_name": "Early"}})
		c.publish(t, "loyalty", message{id: "there", body: fields{"number": "L-c", "first_name": "There"}})
		if b, want := s.settle(t, "loyalty", 2).Balance, (balance{Accepted: 2, Landed: 1, Dead: 1}); b != want {
			t.Errorf("%+v, want %+v", b, want)
		}
		dead(t, "loyalty", "early", "reference", "ENTITY_NOT_FOUND")
		org.seed(t, "Contact", []map[string]any{simulatedContact("d")})
		s.replay(t, "early")
		eventually(t, "it lands", func(ctx context.Context) (bool, error) {
			b, err := readBalance(ctx, s.ops, "loyalty")
			return b.Balance == balance{Accepted: 2, Landed: 2}, err
		})
	})
	left := map[string]string{}
	for _, r := range org.all(t, "Contact") {
		left[r.Fields["External_Id__c"]] = r.Fields["FirstName"]
	}
	if len(left) != 2 || left["c"] != "There" || left["d"] != "Early" {
		t.Errorf("the org holds %v, want c and d, updated", left)
	}
}
