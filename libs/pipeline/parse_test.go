package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

const full = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
key: [event_id, meta.part]
records: patch
unknownMembers: ignore
emptyString: null
map:
  - {from: email, to: Email, type: string}
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: account_id, to: Account.External_Id__c}
  - {from: who, to: "Lead:Who.Email", type: string}
  - {const: "Web", to: LeadSource}
lanes: 4
chunk: {rows: 1000, bytes: 5MB, age: 1m30s}
backlog: 1GiB
retry:
  preset: default
  transient: {attempts: 3, base: 10ms, max: 1s}
  quota: {max: 1h}
bulk: {threshold: 500}
`

func TestParseDefinition(t *testing.T) {
	t.Run("reads all of it", func(t *testing.T) {
		d, warnings, err := pipeline.ParseDefinition([]byte(full))
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v %v", err, warnings)
		}
		if !slices.Equal(d.Header(), []string{"External_Id__c", "Email", "Account.External_Id__c", "Lead:Who.Email", "LeadSource"}) {
			t.Errorf("columns %v", d.Header())
		}
		if d.Space() != "main/Contact/External_Id__c" || d.Lanes != 4 || d.Backlog != 1<<30 || !slices.Equal(d.Key, []string{"event_id", "meta.part"}) {
			t.Errorf("%+v", d)
		}
		if d.Chunk != (pipeline.Chunk{Rows: 1000, Bytes: 5_000_000, Age: 90 * time.Second}) || d.EmptyString != pipeline.EmptyNull {
			t.Errorf("%+v", d.Chunk)
		}
		if d.BulkThreshold == nil || *d.BulkThreshold != 500 {
			t.Errorf("threshold %v", d.BulkThreshold)
		}
		want := record.DefaultPolicies()
		want[record.ClassTransient] = record.Policy{Attempts: 3, Base: 10 * time.Millisecond, Max: time.Second}
		quota := want[record.ClassQuota]
		quota.Max = time.Hour
		want[record.ClassQuota] = quota
		for class, policy := range want {
			if d.Retry[class] != policy {
				t.Errorf("%s: %+v, want %+v", class, d.Retry[class], policy)
			}
		}
	})
	t.Run("fills in what may be left out", func(t *testing.T) {
		d := define(t, widgets)
		if d.Lanes != 2 || d.Chunk != (pipeline.Chunk{Rows: 50_000, Bytes: 50_000_000, Age: 10 * time.Second}) || d.Backlog != 2<<30 ||
			d.UnknownMembers != pipeline.UnknownReject || d.EmptyString != pipeline.EmptyReject || d.Key != nil || d.BulkThreshold != nil {
			t.Errorf("%+v", d)
		}
	})
	t.Run("two pipelines of one space agree on entities, not on keys", func(t *testing.T) {
		a, b := define(t, full), define(t, strings.Replace(full, "name: contacts", "name: other", 1))
		if a.EntityHash("x") != b.EntityHash("x") || a.KeyHash("x") == b.KeyHash("x") {
			t.Error("they do not")
		}
	})
	for _, c := range []struct {
		name, old, new string
		line           int
		says           string
	}{
		{"an unknown key", "lanes: 4", "lane: 4", 18, `did you mean "lanes"`},
		{"an unknown key inside", "age: 1m30s", "aeg: 1m30s", 19, `did you mean "age"`},
		{"an unknown key in a mapping", "required: true", "requird: true", 14, `did you mean "required"`},
		{"a key twice", "lanes: 4", "lanes: 4\nlanes: 4", 19, "lanes"},
		{"a tab", "lanes: 4", "\tlanes: 4", 18, ""},
		{"a second document", "lanes: 4", "lanes: 4\n---\nname: x", 0, ""},
		{"another apiVersion", "bulkhead/v1", "bulkhead/v2", 1, "bulkhead/v1"},
		{"another kind", "kind: Pipeline", "kind: Org", 2, "Pipeline"},
		{"a name with a dot", "name: contacts", "name: con.tacts", 3, "name"},
		{"a name with capitals", "name: contacts", "name: Contacts", 3, "name"},
		{"a name that is too long", "name: contacts", "name: " + strings.Repeat("a", 41), 3, "name"},
		{"a wildcard as name", "name: contacts", `name: "*"`, 3, "name"},
		{"a word that may be a truth value", "name: contacts", "name: no", 3, "quotes"},
		{"a number as text", "org: main", "org: 7", 4, "text"},
		{"no name", "name: contacts\n", "", 1, "name is missing"},
		{"a key without value", "org: main", "org:", 4, "no value"},
		{"an object that is no API name", "object: Contact", "object: Con-tact", 5, "object"},
		{"no operation", "operation: upsert\n", "", 1, "operation is missing"},
		{"an operation that is none", "operation: upsert", "operation: merge", 6, "not one of"},
		{"an operation in capitals", "operation: upsert", "operation: UPSERT", 6, `did you mean "upsert"`},
		{"a hard delete", "operation: upsert", "operation: hardDelete", 13, "a hardDelete says which row and nothing else"},
		{"a key without members", "key: [event_id, meta.part]", "key: []", 8, "no member"},
		{"a key member twice", "key: [event_id, meta.part]", "key: [a, a]", 8, "twice"},
		{"a key member that is no path", "key: [event_id, meta.part]", `key: ["a..b"]`, 8, "no member"},
		{"the entity as key", "key: [event_id, meta.part]", "key: [id]", 0, "external id"},
		{"a key inside a mapped value", "key: [event_id, meta.part]", "key: [email.x]", 0, "object"},
		{"a column twice", "to: Email, type: string", "to: external_id__c, type: string", 14, "filled twice"},
		{"no column for the external id", "to: External_Id__c, type", "to: Other__c, type", 0, "External_Id__c"},
		{"the external id in another case", "to: External_Id__c, type", "to: external_id__c, type", 14, "case"},
		{"a constant external id", "{from: id, to: External_Id__c, type: string, required: true}", `{const: "x", to: External_Id__c}`, 14, "constant"},
		{"a column of Salesforce's own", "to: LeadSource", "to: sf__Error", 17, "own"},
		{"the column Id", "to: LeadSource", "to: Id", 17, "Id"},
		{"a column with a comma", "to: LeadSource", `to: "Lead,Source"`, 17, "to"},
		{"a column two relationships away", "to: LeadSource", "to: A.B.C", 17, "to"},
		{"a type that is none", "to: Email, type: string", "to: Email, type: strng", 13, "type"},
		{"from and const", `const: "Web"`, `const: "Web", from: x`, 17, "either from or const"},
		{"neither from nor const", `const: "Web", `, "", 17, "either from or const"},
		{"a constant with a type", `const: "Web"`, `const: "Web", type: string`, 17, "type"},
		{"a constant of null", `const: "Web"`, `const: "#N/A"`, 17, "null"},
		{"a constant that is no text", `const: "Web"`, `const: 7`, 17, "quotes"},
		{"a blank constant", `const: "Web"`, `const: " "`, 17, "blank"},
		{"a member that is value and object", "from: who", "from: email.x", 16, "object"},
		{"zero lanes", "lanes: 4", "lanes: 0", 18, "between"},
		{"negative lanes", "lanes: 4", "lanes: -1", 18, "whole number"},
		{"an octal number", "lanes: 4", "lanes: 012", 18, "whole number"},
		{"a number with an exponent", "rows: 1000", "rows: 1e3", 19, "whole number"},
		{"zero rows", "rows: 1000", "rows: 0", 19, "between"},
		{"too many rows", "rows: 1000", "rows: 150000001", 19, "between"},
		{"too many bytes", "bytes: 5MB", "bytes: 101MB", 19, "between"},
		{"bytes without a unit", "bytes: 5MB", "bytes: 5000000", 19, "no size"},
		{"a broken size", "bytes: 5MB", "bytes: 1.5MB", 19, "no size"},
		{"a duration without a unit", "age: 1m30s", "age: 10", 19, "no duration"},
		{"a duration in weeks", "age: 1m30s", "age: 1w", 19, "units ms, s, m, h"},
		{"a negative duration", "age: 1m30s", "age: -5s", 19, "no duration"},
		{"no duration at all", "age: 1m30s", "age: 0s", 19, "between"},
		{"a size beyond all numbers", "backlog: 1GiB", "backlog: 9999999999999TiB", 20, "between"},
		{"no attempts", "attempts: 3", "attempts: 0", 23, "between"},
		{"a base above its maximum", "base: 10ms", "base: 2s", 23, "above max"},
		{"an unknown class", "transient:", "transent:", 23, `did you mean "transient"`},
		{"a class that is never sent again", "quota: {max: 1h}", "data: {attempts: 2}", 24, "never sent again"},
		{"attempts of a class that counts none", "quota: {max: 1h}", "quota: {attempts: 2}", 24, "counts no tries"},
		{"another preset", "preset: default", "preset: eager", 22, "preset"},
		{"a mapping where a list should be", "key: [event_id, meta.part]", "key: {a: b}", 8, "list"},
		{"a list where a mapping should be", "chunk: {rows: 1000, bytes: 5MB, age: 1m30s}", "chunk: [1]", 19, "mapping"},
		{"a threshold beyond what goes by calls", "threshold: 500", "threshold: 10001", 25, "between"},
		{"a threshold below zero", "threshold: 500", "threshold: -1", 25, "whole number"},
		{"a word that bulk does not know", "threshold: 500", "treshold: 500", 25, `did you mean "threshold"`},
		{"an alias", "lanes: 4", "lanes: &x 4", 18, "anchors"},
		{"a tag", "lanes: 4", "lanes: !!int 4", 18, "anchors"},
		{"nesting without end", "lanes: 4", "lanes: " + strings.Repeat("[", 100_000), 18, "nested"},
	} {
		t.Run(c.name+" is refused with its line", func(t *testing.T) {
			if !strings.Contains(full, c.old) {
				t.Fatalf("the example does not hold %q", c.old)
			}
			_, _, err := pipeline.ParseDefinition([]byte(strings.Replace(full, c.old, c.new, 1)))
			var at *pipeline.Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
			if c.line != 0 && at.Line != c.line {
				t.Errorf("line %d, want %d: %v", at.Line, c.line, err)
			}
		})
	}
	t.Run("a bomb of aliases is refused", func(t *testing.T) {
		bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
		for c := 'b'; c < 'j'; c++ {
			bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
		}
		if _, _, err := pipeline.ParseDefinition([]byte(bomb)); err == nil {
			t.Error("it is read")
		}
	})
	t.Run("what is no definition at all is refused", func(t *testing.T) {
		for _, doc := range []string{"", "# nothing\n", "---\n", "null\n", "x\n", "[1]\n", "\x00", "\xff\xfe", "a: [", "{", strings.Repeat("x", 600<<10)} {
			if _, _, err := pipeline.ParseDefinition([]byte(doc)); err == nil {
				t.Errorf("%.20q is read", doc)
			}
		}
	})
	t.Run("several problems are told at once", func(t *testing.T) {
		_, _, err := pipeline.ParseDefinition([]byte(strings.NewReplacer("lanes: 4", "lanes: 0", "1GiB", "1", "org: main", "org: Main").Replace(full)))
		if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
			t.Errorf("%v", err)
		}
	})
	t.Run("a number as external id is worth a warning", func(t *testing.T) {
		_, warnings, err := pipeline.ParseDefinition([]byte(strings.Replace(full, "to: External_Id__c, type: string", "to: External_Id__c, type: number", 1)))
		if err != nil || len(warnings) != 1 || warnings[0].Line != 14 {
			t.Errorf("%v %v", warnings, err)
		}
	})
}

func TestParseOrg(t *testing.T) {
	const org = `kind: Org
name: main
loginUrl: https://example.my.salesforce.com
auth: client_credentials
clientId: key
clientSecretFile: /run/secrets/main
apiVersion: "66.0"
orgId: 00D000000000001
orphans: abort
`
	t.Run("reads all of it", func(t *testing.T) {
		o, err := pipeline.ParseOrg([]byte(org))
		if err != nil {
			t.Fatal(err)
		}
		if o.OrgID != "00D000000000001EAA" || o.APIVersion != "66.0" || o.Orphans != pipeline.OrphansAbort || o.ClientSecretFile == "" || o.AllowInsecureLoopback {
			t.Errorf("%+v", o)
		}
	})
	t.Run("reads one that logs in by a key", func(t *testing.T) {
		o, err := pipeline.ParseOrg([]byte(byKey(org)))
		if err != nil || o.Auth != pipeline.AuthJWT || o.PrivateKeyFile != "/run/secrets/key.pem" || o.Username != "loader@example.com" || o.ClientSecretFile != "" {
			t.Errorf("%+v, %v", o, err)
		}
	})
	for name, change := range map[string][2]string{
		"without the key":       {"privateKeyFile: /run/secrets/key.pem\n", ""},
		"without the user":      {"username: loader@example.com\n", ""},
		"with a secret besides": {"orphans: abort", "clientSecretFile: /run/secrets/main"},
		"with the key by value": {"orphans: abort", "privateKey: MIIE"},
	} {
		t.Run("refuses one that logs in by a key "+name, func(t *testing.T) {
			if _, err := pipeline.ParseOrg([]byte(strings.Replace(byKey(org), change[0], change[1], 1))); err == nil || strings.Contains(err.Error(), "MIIE") {
				t.Errorf("%v", err)
			}
		})
	}
	for _, c := range []struct {
		name, old, new string
		line           int
	}{
		{"a secret by value", "clientSecretFile: /run/secrets/main", "clientSecretFile: /run/secrets/main\nclientSecret: hunter2", 7},
		{"two places for the secret", "orphans: abort", "clientSecretEnv: SECRET", 1},
		{"no place for the secret", "clientSecretFile: /run/secrets/main\n", "", 1},
		{"a variable that can be none", "clientSecretFile: /run/secrets/main", "clientSecretEnv: A-B", 6},
		{"a key for another way of logging in", "orphans: abort", "username: u", 9},
		{"no encryption", "https://example.my.salesforce.com", "http://example.my.salesforce.com", 3},
		{"no encryption to this machine unless allowed", "https://example.my.salesforce.com", "http://127.0.0.1:8082", 3},
		{"a user in the address", "https://example.my.salesforce.com", "https://login.salesforce.com@evil.example", 3},
		{"a metadata service", "https://example.my.salesforce.com", "https://169.254.169.254", 3},
		{"a path", "https://example.my.salesforce.com", "https://example.my.salesforce.com/services", 3},
		{"no address", "https://example.my.salesforce.com", "login", 3},
		{"an old version", `"66.0"`, `"52.0"`, 7},
		{"a version without its point", `"66.0"`, `"66"`, 7},
		{"a version with a letter", `"66.0"`, "v66.0", 7},
		{"the word latest", `"66.0"`, "latest", 7},
		{"a version that may be a number", `"66.0"`, "66.0", 7},
		{"an id of something else", "00D000000000001", "005000000000001", 8},
		{"a blank client id", "clientId: key", `clientId: ""`, 5},
		{"another way of logging in", "client_credentials", "password", 4},
		{"another word for orphans", "orphans: abort", "orphans: delete", 9},
		{"another kind", "kind: Org", "kind: Pipeline", 1},
	} {
		t.Run(c.name+" is refused with its line", func(t *testing.T) {
			_, err := pipeline.ParseOrg([]byte(strings.Replace(org, c.old, c.new, 1)))
			var at *pipeline.Error
			if !errors.As(err, &at) || at.Line != c.line {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the secret")
			}
		})
	}
}

func FuzzParseDefinition(f *testing.F) {
	for _, seed := range []string{full, widgets, "a: &a [*a]", "- x", "? a\n: b", "a: |\n  x", "<<: {a: b}", "a:\n\t- b"} {
		f.Add([]byte(seed))
	}
	for _, seed := range operationSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, _, err := pipeline.ParseDefinition(data)
		if err == nil {
			if (d.KeyField() == "") != d.Content() || d.Content() && !d.Exact() || d.Whole && !d.Merges() || len(d.Header()) == 0 {
				t.Fatalf("%+v", d)
			}
			if _, r := d.Map([]byte(`{"id":"x"}`)); r != nil && r.Code == "" {
				t.Fatalf("%+v", r)
			}
		}
		_, _ = pipeline.ParseOrg(data)
	})
}

// byKey turns an org's document into one that logs in by a private key.
func byKey(org string) string {
	return strings.NewReplacer("client_credentials", "jwt", "clientSecretFile: /run/secrets/main", "privateKeyFile: /run/secrets/key.pem\nusername: loader@example.com").Replace(org)
}
