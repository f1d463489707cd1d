package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
)

// sim asks the simulator's control API.
func sim(path, body string) error {
	res, err := http.Post(os.Getenv("ORG_URL")+"/sim/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return nil
}

// faults meets what a client must bear.
func faults() error {
	sf, err := connect()
	if err != nil {
		return err
	}
	var found []contact
	if err := sim("tokens/expire", "{}"); err != nil {
		return err
	}
	say("session ended", map[string]any{"error": text(sf.Query("SELECT Id FROM Contact", &found))})
	if err := sim("tokens/expire", "{}"); err != nil {
		return err
	}
	jobs, err := sf.InsertBulk("Contact", []contact{{LastName: "Alder", External_Id__c: "GF-1"}}, 10000, false)
	told(sf, "session ended before a job", jobs, err)

	if err := sim("faults", `[{"match":{"endpoint":"upload"},"effect":{"kind":"status","status":503}}]`); err != nil {
		return err
	}
	_, err = sf.InsertBulk("Contact", []contact{{LastName: "Birch", External_Id__c: "GF-2"}}, 10000, false)
	say("upload refused", map[string]any{"refused": err != nil})
	if err := sim("faults", `[{"match":{"endpoint":"query"},"effect":{"kind":"drop_before"}}]`); err != nil {
		return err
	}
	found = nil
	say("connection lost", map[string]any{"refused": sf.Query("SELECT Id FROM Contact", &found) != nil})
	return nil
}
