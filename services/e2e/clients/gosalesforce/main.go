// Command gosalesforce does one scenario on an org by the library go-salesforce and says a line of JSON for each of its steps:
//
//	gosalesforce auth|records|collections|bulk|query|faults
//
// Where the org is and how to get in stands in its environment (ORG_URL, ORG_CLIENT_ID, ORG_CLIENT_SECRET, ORG_USERNAME, ORG_PASSWORD, ORG_KEY). It
// exits with 1 when a step cannot be done at all; what the library refuses is part of what a step says. It is a module of its own, so that nothing of the product
// depends on it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/k-capehart/go-salesforce/v3"
)

var scenarios = map[string]func() error{
	"auth": auth, "records": records, "collections": collections, "bulk": bulk, "query": query, "faults": faults,
}

func main() {
	if len(os.Args) != 2 || scenarios[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: gosalesforce auth|records|collections|bulk|query|faults")
		os.Exit(2)
	}
	if err := scenarios[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, "gosalesforce:", err)
		os.Exit(1)
	}
}

// say says what came of a step.
func say(step string, values map[string]any) {
	line := map[string]any{"step": step}
	for name, value := range values {
		line[name] = value
	}
	text, _ := json.Marshal(line) // texts, numbers and lists of them always have a JSON form
	fmt.Println(string(text))
}

// text is what an error says, "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// app is how the application gets in without a user.
func app() salesforce.Creds {
	return salesforce.Creds{Domain: os.Getenv("ORG_URL"), ConsumerKey: os.Getenv("ORG_CLIENT_ID"), ConsumerSecret: os.Getenv("ORG_CLIENT_SECRET")}
}

func connect(more ...salesforce.Option) (*salesforce.Salesforce, error) {
	return salesforce.Init(app(), more...)
}

// contact is a record as the library's users declare it.
type contact struct {
	Id             string `json:",omitempty"`
	LastName       string
	FirstName      string
	External_Id__c string
}

// auth gets in by each flow that the library has.
func auth() error {
	works := func(creds salesforce.Creds) map[string]any {
		sf, err := salesforce.Init(creds)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		var found []contact
		return map[string]any{"error": text(sf.Query("SELECT Id FROM Contact", &found)), "instance": sf.GetInstanceUrl() == creds.Domain}
	}
	password := app()
	// The org's password has no security token behind it, and the library wants one: the two are sent as one text.
	word := os.Getenv("ORG_PASSWORD")
	password.Username, password.Password, password.SecurityToken = os.Getenv("ORG_USERNAME"), word[:len(word)-1], word[len(word)-1:]
	signed := salesforce.Creds{Domain: os.Getenv("ORG_URL"), Username: os.Getenv("ORG_USERNAME"), ConsumerKey: os.Getenv("ORG_CLIENT_ID"), ConsumerRSAPem: os.Getenv("ORG_KEY")}
	say("client credentials", works(app()))
	say("password", works(password))
	say("assertion", works(signed))
	sf, err := connect()
	if err != nil {
		return err
	}
	say("access token", works(salesforce.Creds{Domain: os.Getenv("ORG_URL"), AccessToken: sf.GetAccessToken()}))
	say("another token", works(salesforce.Creds{Domain: os.Getenv("ORG_URL"), AccessToken: "00D000000000000!AQ"}))
	wrong := app()
	wrong.ConsumerSecret = "wrong"
	say("wrong secret", works(wrong))
	return nil
}
