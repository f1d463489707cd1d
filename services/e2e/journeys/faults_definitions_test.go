package journeys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// slowPeople are sealed when a person would have gone to bed, when there are 25 of a lane, or when the definition changes.
const slowPeople = `apiVersion: bulkhead/v1
kind: Pipeline
name: people
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
  - {from: phone, to: Phone, type: string}
lanes: 2
chunk: {rows: 25, bytes: 50MB, age: 1h}
backlog: 256MiB
` + byJobs

// quickPeople leave the phone alone and are sealed soon.
var quickPeople = strings.NewReplacer("  - {from: phone, to: Phone, type: string}\n", "  - {const: \"none\", to: Phone}\n",
	"age: 1h", "age: 300ms", "backlog", "unknownMembers: ignore\nbacklog").Replace(slowPeople)

func definitionFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "definition.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// halfSealed publishes fifty records in one frame, of which a lane's first 25 are sealed, and waits until the others are open.
func (s *stack) halfSealed(t *testing.T, before int64, keys []string, record func(string) fields) {
	t.Helper()
	records := make([]fields, len(keys))
	for i, k := range keys {
		records[i] = record(k)
	}
	msg := nats.NewMsg("records.people")
	msg.Header.Set("Content-Type", "application/x-ndjson")
	msg.Data = framesOf(t, records, len(records))[0]
	if _, err := s.client(t).js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	s.accepted(t, before+25)
	if b := s.balance(t, "people"); b.Unread.Messages != 1 {
		t.Fatalf("%d messages are unread, want the one of which a part is open", b.Unread.Messages)
	}
}

func TestADefinitionIsComparedWithTheOrgBeforeItIsApplied(t *testing.T) {
	inTurn(t)
	s := dev(t, "--model", "testdata/definitions.yaml", "--pipelines", oneDefinition(t, slowPeople))
	b := cli{s.ops}
	change := func(old, now string) string {
		text := strings.Replace(slowPeople, old, now, 1)
		if text == slowPeople {
			t.Fatalf("%q is not in the definition", old)
		}
		return text
	}
	for name, c := range map[string]struct {
		text, says string
	}{
		"an object that is not there":              {change("object: Contact", "object: Contacts"), "did you mean Contact?"},
		"an object in another spelling":            {change("object: Contact", "object: contact"), "the org writes Contact"},
		"a field that is not there":                {change("to: Phone", "to: Fone"), "Contact has no field Fone that the org's user may see: did you mean Phone?"},
		"a field in another spelling":              {change("to: LastName", "to: lastname"), "lastname is written LastName by the org"},
		"a field that nobody may write":            {change("to: Phone", "to: Score__c"), "may not write Contact.Score__c"},
		"an external id that is not unique":        {strings.ReplaceAll(slowPeople, "External_Id__c", "Legacy_Id__c"), "Contact.Legacy_Id__c is not unique: mark it as unique in the org"},
		"a key field that is no external id":       {strings.ReplaceAll(slowPeople, "External_Id__c", "Plain__c"), "not marked as external id"},
		"a relationship that is not there":         {change("to: Phone", "to: Employer__r.Ref__c"), "Contact has no relationship Employer__r"},
		"a parent's field that finds nobody":       {change("to: Phone", "to: Company__r.Name__c"), "Company__c.Name__c is no external id"},
		"a key that is the entity":                 {slowPeople + "key: [id]\n", "version"},
		"a member that the contract does not know": {slowPeople + "colour: red\n", "line 17"},
	} {
		t.Run(name+" is refused, and what to do is said", func(t *testing.T) {
			if r := b.wants(t, 2, "pipelines", "apply", definitionFile(t, c.text)); !strings.Contains(r.stderr, c.says) {
				t.Errorf("%s\nwant %q", r.stderr, c.says)
			}
		})
	}
	if r := b.wants(t, 0, "pipelines", "revisions", "people"); !strings.Contains(r.stdout, "1") || strings.Contains(r.stdout, "\n2 ") {
		t.Errorf("a refusal left a revision:\n%s", r.stdout)
	}
	t.Run("what was refused leaves the pipeline to go on", func(t *testing.T) {
		b.wants(t, 0, "pipelines", "apply", definitionFile(t, quickPeople))
		s.client(t).publish(t, "people", message{id: "evt-1", body: person("one")})
		s.settle(t, "people", 1)
	})
}

// TestAChangeInMidFlightSealsWhatIsOpenFirst: every record is carried as the definition said that was in force when it was read, also
// through a failure, while the next ones go by the new one; and back.
func TestAChangeInMidFlightSealsWhatIsOpenFirst(t *testing.T) {
	inTurn(t)
	s := dev(t, "--model", "testdata/definitions.yaml", "--pipelines", oneDefinition(t, slowPeople))
	b, c := cli{s.ops}, s.client(t)
	keys := keysOf("m", 150)
	full := func(key string) fields { return person(key).with("phone", "+1 555 0100") }
	fault := s.org.fault(t, failRows(lockedRow, keys[10:20], map[string]any{"times_per_key": 1}))

	s.org.set(t, map[string]any{"rows_per_second": 5})
	mark := s.org.lastCall(t)
	s.halfSealed(t, 0, keys[:50], full)
	awaitRunning(t, s.org, mark)
	if r := b.wants(t, 0, "pipelines", "apply", definitionFile(t, quickPeople), "--by", "ann"); !strings.Contains(r.stdout, "people is now revision 2") {
		t.Errorf("%s", r.stdout)
	}
	s.accepted(t, 50) // what was open is sealed, and it is not the age that did it
	s.logged(t, `"was":1,"revision":2`)
	c.publish(t, "people", messagesOf(keys[50:100], full)...)
	s.accepted(t, 100)
	s.org.set(t, map[string]any{"rows_per_second": 0})
	s.settle(t, "people", 100)
	if s.org.hits(t, fault) != 10 {
		t.Errorf("%d rows failed once, want 10", s.org.hits(t, fault))
	}

	t.Run("diff says what changed, in words and in lines", func(t *testing.T) {
		r := b.wants(t, 0, "pipelines", "diff", "people")
		for _, text := range []string{"from revision 1 to 2", "-  - {from: phone, to: Phone, type: string}", `+  - {const: "none", to: Phone}`, "300ms"} {
			if !strings.Contains(r.stdout, text) {
				t.Errorf("no %q in\n%s", text, r.stdout)
			}
		}
		b.wants(t, 2, "pipelines", "diff", "people", "one")
		b.wants(t, 4, "pipelines", "diff", "people", "1", "9")
		b.wants(t, 4, "pipelines", "diff", "nobody")
	})
	t.Run("a rollback needs to say to what and why, and is a new revision with the old text", func(t *testing.T) {
		b.wants(t, 2, "pipelines", "rollback", "people", "--to", "1")
		b.wants(t, 2, "pipelines", "rollback", "people", "--reason", "r")
		b.wants(t, 4, "pipelines", "rollback", "people", "--to", "9", "--reason", "r")
		if r := b.wants(t, 0, "pipelines", "rollback", "people", "--to", "1", "--reason", "phones are wanted", "--by", "bob"); !strings.Contains(r.stdout, "people is now revision 3, with the text of revision 1") {
			t.Errorf("%s", r.stdout)
		}
		if r := b.wants(t, 0, "pipelines", "show", "people"); r.stdout != slowPeople || !strings.Contains(r.stderr, "revision 3") || !strings.Contains(r.stderr, "bob") {
			t.Errorf("%s%s", r.stderr, r.stdout)
		}
		if r := b.wants(t, 0, "pipelines", "show", "people", "--revision", "2"); r.stdout != quickPeople {
			t.Errorf("revision 2 is not what was applied:\n%s", r.stdout)
		}
		b.wants(t, 0, "pipelines", "rollback", "people", "--to", "1", "--reason", "twice")
		if r := b.wants(t, 0, "pipelines", "revisions", "people"); strings.Contains(r.stdout, "\n4 ") || !strings.Contains(r.stdout, "ann") {
			t.Errorf("%s", r.stdout)
		}
	})
	t.Run("a rollback seals what is open too", func(t *testing.T) {
		s.logged(t, `"was":2,"revision":3`) // what is read before goes by the revision before
		s.halfSealed(t, 100, keys[100:], full)
		b.wants(t, 0, "pipelines", "rollback", "people", "--to", "2", "--reason", "the night is over")
		s.settle(t, "people", 150)
	})
	if got := s.balance(t, "people"); got.Balance != (balance{Accepted: 150, Landed: 150}) || got.Repeats != 0 {
		t.Errorf("%+v repeats %d", got.Balance, got.Repeats)
	}
	rows := s.org.rows(t, "Contact")
	for i, k := range keys {
		want := "+1 555 0100"
		if i >= 50 && i < 100 {
			want = "none"
		}
		if got := rows[k].Fields["Phone"]; got != want {
			t.Errorf("%s has the phone %q, want %q", k, got, want)
		}
	}
	s.org.checkSentAgain(t, "Contact")
}
