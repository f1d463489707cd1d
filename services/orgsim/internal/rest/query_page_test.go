package rest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

const largeModel = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Code__c, type: string, externalId: true, unique: true}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: LastName, type: string}
      - {name: AccountId, type: reference, referenceTo: Account, relationshipName: Account}
  - name: Story__c
    keyPrefix: "a0S"
    fields:
      - {name: Text__c, type: textarea}
`

// answered is a page of a query whose records may have a sub-query named Contacts.
type answered struct {
	Done    bool
	Next    string `json:"nextRecordsUrl"`
	Records []struct {
		ID       string
		Contacts *answered
	}
}

func (c *client) answered(a answer) answered {
	c.t.Helper()
	var p answered
	if err := json.Unmarshal([]byte(c.want(a, 200)), &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func TestLargePages(t *testing.T) {
	c := newClient(t, simtest.Model(largeModel))
	t.Run("a page with many rows of sub-queries ends early, and no row is lost or there twice", func(t *testing.T) {
		var accounts, contacts []map[string]string
		for i := range 100 {
			accounts = append(accounts, map[string]string{"Code__c": fmt.Sprint(i)})
		}
		for i := range 30_000 {
			contacts = append(contacts, map[string]string{"LastName": "x", "Account.Code__c": fmt.Sprint(i % 100)})
		}
		c.sim.Seed("Account", accounts...)
		for chunk := range slices.Chunk(contacts, 5_000) {
			c.sim.Seed("Contact", chunk...)
		}
		sizes := []int{}
		seen := map[string]int{}
		for p := c.answered(c.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account")); ; p = c.answered(c.get(p.Next)) {
			sizes = append(sizes, len(p.Records))
			for _, r := range p.Records {
				for inner := *r.Contacts; ; inner = c.answered(c.get(inner.Next)) {
					for _, child := range inner.Records {
						seen[child.ID]++
					}
					if inner.Done {
						break
					}
				}
			}
			if p.Done {
				break
			}
		}
		if len(sizes) != 2 || sizes[0]+sizes[1] != 100 || len(seen) != 30_000 {
			t.Errorf("pages of %v accounts, %d contacts", sizes, len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
	})
	t.Run("a page of long texts ends early", func(t *testing.T) {
		text := strings.Repeat("x", 32_000)
		for range 6 {
			c.sim.Seed("Story__c", slices.Repeat([]map[string]string{{"Text__c": text}}, 100)...)
		}
		sizes := []int{}
		for p := c.answered(c.query("SELECT Id, Text__c FROM Story__c")); ; p = c.answered(c.get(p.Next)) {
			if sizes = append(sizes, len(p.Records)); p.Done {
				break
			}
		}
		if len(sizes) != 2 || sizes[0] < 500 || sizes[0]+sizes[1] != 600 {
			t.Errorf("pages of %v", sizes)
		}
	})
}
