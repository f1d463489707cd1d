package badconfig

import (
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

const definition = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: name, to: LastName, type: string}
lanes: 2
chunk: {rows: 50000, bytes: 50MB, age: 10s}
backlog: 2GiB
retry: {preset: default}
`

const org = `kind: Org
name: main
loginUrl: https://example.my.salesforce.com
auth: client_credentials
clientId: key
clientSecretEnv: SECRET
apiVersion: "66.0"
`

func parseDefinition(text string) error {
	_, _, err := pipeline.ParseDefinition([]byte(text))
	return err
}

// changed fails unless the definition with a change is refused with the words. old must be there.
func changed(old, text string, words ...string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if strings.Count(definition, old) != 1 {
			t.Fatalf("the definition does not hold %q once", old)
		}
		said(t, parseDefinition(strings.Replace(definition, old, text, 1)), words...)
	}
}

// login fails unless each address is refused when the org is read and, on its own, by the client.
func login(addresses ...string) func(*testing.T) {
	return func(t *testing.T) {
		for _, address := range addresses {
			text := strings.Replace(org, "https://example.my.salesforce.com", address, 1)
			_, err := pipeline.ParseOrg([]byte(text))
			said(t, err, "line 3", "loginUrl")
			_, err = salesforce.New(salesforce.Config{
				LoginURL: address, ClientID: "key", ClientSecret: func() (string, error) { return "s", nil },
			})
			said(t, err, "login url")
		}
	}
}

// orgWith fails unless the org with a change is refused with the words.
func orgWith(old string, texts []string, words ...string) func(*testing.T) {
	return func(t *testing.T) {
		for _, text := range texts {
			_, err := pipeline.ParseOrg([]byte(strings.Replace(org, old, text, 1)))
			said(t, err, words...)
		}
	}
}

func goodDocuments(t *testing.T) {
	t.Helper()
	if err := parseDefinition(definition); err != nil {
		t.Error(err)
	}
	if _, err := pipeline.ParseOrg([]byte(org)); err != nil {
		t.Error(err)
	}
}

func TestTheDocumentsAreGoodWithoutTheirMistakes(t *testing.T) {
	goodDocuments(t)
	for name, c := range configs() {
		if err := load(file(t, needed), c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func badNames(t *testing.T) {
	for _, name := range []string{"a.b", `"a b"`, `"a*"`, `">"`, "Contacts", "1a", strings.Repeat("a", 41), `""`} {
		changed("name: contacts", "name: "+name, "line 3", "name")(t)
	}
}

func insertWithoutCorrelation(t *testing.T) {
	insert := strings.NewReplacer("operation: upsert", "operation: insert", "externalId: External_Id__c\n", "").Replace(definition)
	said(t, parseDefinition(insert), "correlation is missing", "content")
	chosen := strings.Replace(insert, "map:", "correlation: content\nmap:", 1)
	_, warnings, err := pipeline.ParseDefinition([]byte(chosen))
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) == 0 {
		t.Error("correlation by content is taken without a warning")
	}
}
