package definitions_test

import (
	"slices"
	"strings"
	"testing"

	"bulkhead/services/ops/internal/fixture"
)

func says(warnings []string, text string) bool {
	return slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, text) })
}

func TestBeside(t *testing.T) {
	t.Run("dependsOn in a circle is refused with the circle, unknown names are warned of", func(t *testing.T) {
		b := setup(t)
		named := func(name, parent string) string {
			return strings.Replace(fixture.Contacts, "name: contacts", "name: "+name+"\ndependsOn: ["+parent+"]", 1)
		}
		if got := b.apply(named("a-one", "b-two")); !says(got.Warnings, "b-two, which is no pipeline yet") {
			t.Errorf("warnings %q", got.Warnings)
		}
		b.apply(named("b-two", "c-three"))
		_, err := b.applier.Apply(t.Context(), "", named("c-three", "a-one"), "", "kim")
		if !isInvalid(err) || !strings.Contains(err.Error(), "a-one → b-two → c-three → a-one") {
			t.Errorf("error %v", err)
		}
		if got := b.apply(named("c-three", "a-on")); !says(got.Warnings, "did you mean a-one?") {
			t.Errorf("warnings %q", got.Warnings)
		}
	})
	t.Run("two pipelines of one entity space are warned of unless both name a version", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		people := strings.Replace(fixture.Contacts, "name: contacts", "name: people\nversion: at", 1)
		if got := b.apply(people); !says(got.Warnings, "pipeline contacts writes the same entities") {
			t.Errorf("warnings %q", got.Warnings)
		}
		if got := b.apply(strings.Replace(fixture.Contacts, "lanes: 2", "version: at\nlanes: 2", 1)); says(got.Warnings, "the same entities") {
			t.Errorf("warnings %q", got.Warnings)
		}
	})
	t.Run("the key field changes only when nothing of the pipeline is on its way", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		chunk := b.Chunk("c", "", "a")
		byID := document("update", "externalId: Id", "{from: id, to: Id, type: id}", "Email")
		if _, err := b.applier.Apply(t.Context(), "", byID, "", "kim"); !isConflict(err) || !strings.Contains(err.Error(), "Contact.Id of org main, compared exactly instead of Contact.External_Id__c") {
			t.Errorf("error %v", err)
		}
		b.Outcome(chunk, "", "l", fixture.Transfers{Landed: 1})
		b.apply(byID)
	})
	t.Run("what the retrier has not taken yet is on its way too", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		byID := document("update", "externalId: Id", "{from: id, to: Id, type: id}", "Email")
		lanes := strings.Replace(fixture.Contacts, "lanes: 2", "lanes: 3", 1)
		refused := func(what string) {
			t.Helper()
			for _, text := range []string{byID, lanes} {
				if _, err := b.applier.Apply(t.Context(), "", text, "", "kim"); !isConflict(err) || !strings.Contains(err.Error(), "0 chunks and 1 waiting records") {
					t.Errorf("%s: error %v", what, err)
				}
			}
		}
		failed := b.Chunk("c", "", "a")
		b.Outcome(failed, "", "f", fixture.Transfers{Retrying: 1})
		refused("a failure that is to be tried again")
		failure := b.Fail(failed, fixture.Failure{Key: "a", Class: "contention", Disposition: "retry"})
		b.Exhaust(failed, failure, "a", "", 0)

		missing := b.Chunk("d", "", "b")
		b.Outcome(missing, "", "m", fixture.Transfers{Unresolved: 1})
		unresolved := b.Fail(missing, fixture.Failure{Key: "b", Class: "unresolved", Disposition: "unresolved"})
		b.Resolve(unresolved, "not_landed", "")
		refused("a decision that something did not land")
		b.ResolutionTaken(unresolved)

		letter := fixture.LetterID("a", 0)
		b.Exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state, taker)
			VALUES ($1, 'contacts', 1, '', 'a', $2, 0, 'a', 'contention', 'X', '', '{}', 'retry', '', now(), 'replaying', 'retrier')`, letter, fixture.KeyHash("a"))
		refused("a letter that was ordered to be sent again")
		b.TakenByRetrier(letter)
		b.apply(lanes)
		b.apply(byID)
	})
	t.Run("another member for version is warned of, and so is one that comes or goes", func(t *testing.T) {
		b := setup(t)
		with := func(member string) string {
			return strings.Replace(fixture.Contacts, "lanes: 2", "version: "+member+"\nlanes: 2", 1)
		}
		if got := b.apply(with("at")); says(got.Warnings, "version") {
			t.Errorf("warnings %q of a first revision", got.Warnings)
		}
		if got := b.apply(with("changed.at")); !says(got.Warnings, "version is changed.at instead of at") {
			t.Errorf("warnings %q", got.Warnings)
		}
		if got := b.apply(fixture.Contacts); !says(got.Warnings, "do not both have a version") {
			t.Errorf("warnings %q", got.Warnings)
		}
	})
	t.Run("another operation on the same key field needs no standstill", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		b.Chunk("c", "", "a")
		b.apply(document("delete", byExternalID, "External_Id__c"))
	})
}
