package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func (c *client) query(text string) answer {
	c.t.Helper()
	return c.get("/services/data/v66.0/query?q=" + url.QueryEscape(text))
}

func TestQueryBodies(t *testing.T) {
	c := newClient(t)
	c.sim.Seed("Account", map[string]string{"Name": "A <&> B", "External_Id__c": "A1"})
	c.sim.Seed("Contact",
		map[string]string{"LastName": "One", "External_Id__c": "C1", "Account.External_Id__c": "A1"},
		map[string]string{"LastName": "Two", "External_Id__c": "C2"})
	account, _ := c.sim.Record("Account", "A1")
	contact, _ := c.sim.Record("Contact", "c1")
	other, _ := c.sim.Record("Contact", "c2")
	for _, tc := range []struct{ does, query, want string }{
		{
			"fields of a row", "SELECT Id, Name, Phone FROM Account",
			`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + account.ID + `"},"Id":"` + account.ID + `","Name":"A <&> B","Phone":null}]}`,
		},
		{
			"fields of a parent", "SELECT LastName, Account.Name, Account.External_Id__c FROM Contact",
			`{"totalSize":2,"done":true,"records":[{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/` + contact.ID + `"},"LastName":"One","Account":{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + account.ID + `"},"Name":"A <&> B","External_Id__c":"A1"}},` +
				`{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/` + other.ID + `"},"LastName":"Two","Account":null}]}`,
		},
		{"a number of rows", "SELECT COUNT() FROM Contact", `{"totalSize":2,"done":true,"records":[]}`},
		{"nothing", "SELECT Id FROM Contact WHERE LastName = 'x'", `{"totalSize":0,"done":true,"records":[]}`},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := c.want(c.query(tc.query), http.StatusOK); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
	t.Run("the org knows itself and its user", func(t *testing.T) {
		body := c.want(c.query("SELECT Id, Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization"), 200)
		if !strings.Contains(body, `"Id":"`+c.sim.OrgID()+`"`) || !strings.Contains(body, `"IsSandbox":false,"TrialExpirationDate":null`) {
			t.Errorf("got %s", body)
		}
		if body := c.want(c.query("SELECT Username FROM User"), 200); !strings.Contains(body, "integration@bulkhead.example") {
			t.Errorf("got %s", body)
		}
	})
	t.Run("bad queries are refused with their code", func(t *testing.T) {
		if body := c.want(c.query("SELECT"), 400); !strings.Contains(body, `"errorCode":"MALFORMED_QUERY"`) {
			t.Errorf("got %s", body)
		}
		c.want(c.get("/services/data/v66.0/query"), 400)
	})
	t.Run("a row is found by id and by external id", func(t *testing.T) {
		for _, path := range []string{contact.ID, contact.ID[:15], "External_Id__c/C1"} {
			body := c.want(c.get("/services/data/v66.0/sobjects/Contact/"+path), 200)
			if !strings.HasPrefix(body, `{"attributes":{"type":"Contact"`) || !strings.Contains(body, `"LastName":"One"`) {
				t.Errorf("got %s", body)
			}
		}
		body := c.want(c.get("/services/data/v66.0/sobjects/Contact/"+contact.ID+"?fields=LastName"), 200)
		if !strings.HasSuffix(body, `},"LastName":"One"}`) {
			t.Errorf("got %s", body)
		}
		for _, path := range []string{"Contact/003000000000001AAA", "Contact/External_Id__c/x", "Contact/LastName/One", "Nope/1"} {
			c.want(c.get("/services/data/v66.0/sobjects/"+path), 404)
		}
	})
}

func TestQueryPages(t *testing.T) {
	c := newClient(t)
	c.run(`{"object":"Account","operation":"upsert","externalIdFieldName":"External_Id__c"}`,
		"External_Id__c,Name\n"+rows(4_500, func(i int) string { return fmt.Sprintf("a%d,N", i) }))
	type page struct {
		TotalSize int
		Done      bool
		Next      string `json:"nextRecordsUrl"`
		Records   []struct{ ID string }
	}
	read := func(a answer) page {
		t.Helper()
		var p page
		if err := json.Unmarshal([]byte(c.want(a, 200)), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	seen := map[string]bool{}
	p := read(c.query("SELECT Id FROM Account"))
	sizes := []int{}
	first := p.Next
	for {
		sizes = append(sizes, len(p.Records))
		for _, r := range p.Records {
			seen[r.ID] = true
		}
		if p.Done {
			break
		}
		p = read(c.get(p.Next))
	}
	if fmt.Sprint(sizes) != "[2000 2000 500]" || len(seen) != 4_500 || p.TotalSize != 4_500 || !strings.Contains(first, "/query/0r8") || !strings.HasSuffix(first, "-2000") {
		t.Errorf("pages %v, %d rows, next %s", sizes, len(seen), first)
	}
	t.Run("a page may be smaller", func(t *testing.T) {
		a := c.send("GET", "/services/data/v66.0/query/?q=SELECT+Id+FROM+Account", "", func(r *http.Request) { r.Header.Set("Sforce-Query-Options", "batchSize=300") })
		if p := read(a); len(p.Records) != 300 || p.Done {
			t.Errorf("got %d rows", len(p.Records))
		}
	})
	t.Run("a locator lives two days", func(t *testing.T) {
		c.sim.Advance(48 * time.Hour)
		c.login()
		for _, path := range []string{first, "/services/data/v66.0/query/nonsense"} {
			if body := c.want(c.get(path), 400); !strings.Contains(body, "INVALID_QUERY_LOCATOR") {
				t.Errorf("got %s", body)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	c := newClient(t)
	var d struct {
		Name, KeyPrefix string
		Fields          []map[string]any
	}
	if err := json.Unmarshal([]byte(c.want(c.get("/services/data/v66.0/sobjects/contact/describe"), 200)), &d); err != nil {
		t.Fatal(err)
	}
	if d.Name != "Contact" || d.KeyPrefix != "003" {
		t.Errorf("got %s %s", d.Name, d.KeyPrefix)
	}
	byName := map[any]map[string]any{}
	for _, f := range d.Fields {
		byName[f["name"]] = f
		for _, member := range []string{
			"name", "type", "label", "length", "nillable", "createable", "updateable", "externalId", "idLookup", "unique", "relationshipName", "referenceTo",
			"picklistValues", "restrictedPicklist", "defaultedOnCreate", "precision", "scale", "caseSensitive", "polymorphicForeignKey",
		} {
			if _, ok := f[member]; !ok {
				t.Errorf("%v lacks %s", f["name"], member)
			}
		}
	}
	for _, tc := range []struct {
		field, member string
		want          any
	}{
		{"Id", "createable", false},
		{"LastName", "nillable", false},
		{"LastName", "length", 80.0},
		{"Email", "type", "email"},
		{"External_Id__c", "externalId", true},
		{"External_Id__c", "idLookup", true},
		{"External_Id__c", "unique", true},
		{"External_Id__c", "caseSensitive", false},
		{"Loyalty_Number__c", "unique", true},
		{"Loyalty_Number__c", "externalId", false},
		{"AccountId", "relationshipName", "Account"},
		{"LeadSource", "restrictedPicklist", true},
	} {
		if got := byName[tc.field][tc.member]; got != tc.want {
			t.Errorf("%s.%s is %v, want %v", tc.field, tc.member, got, tc.want)
		}
	}
	if got := fmt.Sprint(byName["AccountId"]["referenceTo"]); got != "[Account]" {
		t.Errorf("AccountId refers to %s", got)
	}
	c.want(c.get("/services/data/v66.0/sobjects/Nope/describe"), 404)
	if body := c.want(c.get("/services/data/v66.0/sobjects"), 200); !strings.Contains(body, `"name":"Account"`) {
		t.Errorf("got %s", body)
	}
}
