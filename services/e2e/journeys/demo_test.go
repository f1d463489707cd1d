package journeys

import (
	"strings"
	"testing"
)

// demoResult is the object that `bulkhead demo --json` prints, read without any of the product's types.
type demoResult struct {
	OK        bool    `json:"ok"`
	Records   int64   `json:"records"`
	Balance   balance `json:"balance"`
	Repeats   int64   `json:"repeats"`
	Unread    int64   `json:"unread"`
	Pipelines map[string]struct {
		Balance balance `json:"balance"`
	} `json:"pipelines"`
	Dead           map[string]int64 `json:"dead"`
	FailedAttempts map[string]int64 `json:"failed_attempts"`
	Replayed       struct {
		Class   string `json:"class"`
		Records int64  `json:"records"`
		Landed  int64  `json:"landed"`
	} `json:"replayed"`
	Org              map[string]orgCount `json:"org"`
	Jobs             int64               `json:"jobs"`
	APICalls         int64               `json:"api_calls"`
	Seconds          float64             `json:"seconds"`
	RecordsPerSecond float64             `json:"records_per_second"`
}

func TestTheDemosJSONAddsUp(t *testing.T) {
	inTurn(t)
	const records = 2000
	r := command(t, "demo", "--records", itoa(records), "--json")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	r.object(t) // one object and nothing else
	d := decode[demoResult](t, r.stdout)
	equal := func(what string, got, want int64) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %d, want %d", what, got, want)
		}
	}
	if !d.OK {
		t.Error("ok is false")
	}
	equal("records", d.Records, records)
	equal("accepted", d.Balance.Accepted, records)
	equal("the sum of the other nine terms", d.Balance.sum(), d.Balance.Accepted)
	equal("in_flight + retrying + waiting_for_parent", d.Balance.moving(), 0)
	equal("unresolved", d.Balance.Unresolved, 0)
	equal("unread", d.Unread, 0)
	equal("repeats", d.Repeats, 0)
	var rows, byPipeline, dead int64
	for _, c := range d.Org {
		rows += c.Rows - c.Seeded
	}
	for name, p := range d.Pipelines {
		equal("the sum of the terms of "+name, p.Balance.sum(), p.Balance.Accepted)
		byPipeline += p.Balance.Accepted
	}
	for _, n := range d.Dead {
		dead += n
	}
	equal("the sum of rows - seeded", rows, d.Balance.Landed)
	equal("accepted over the pipelines", byPipeline, d.Balance.Accepted)
	equal("dead over the classes", dead, d.Balance.Dead)
	equal("landed of what was replayed", d.Replayed.Landed, d.Replayed.Records)
	if d.Replayed.Class != "reference" || d.Replayed.Records == 0 {
		t.Errorf("replayed %+v, want the group reference", d.Replayed)
	}
	for _, class := range []string{"data", "duplicate", "reference", "contention"} {
		if d.FailedAttempts[class] == 0 {
			t.Errorf("no attempt failed as %s: the demo showed nothing of it (%v)", class, d.FailedAttempts)
		}
	}
	if d.Dead["data"] == 0 || d.Dead["duplicate"] == 0 || d.Dead["reference"] != 0 || d.Dead["contention"] != 0 {
		t.Errorf("dead by class %v: want data and duplicate only", d.Dead)
	}
	// Create, upload, close, two looks and three result files are what a job may cost, and small chunks a call for 200 rows; logins and describes come on top.
	if most := 10*d.Jobs + d.Balance.Accepted/50 + 20; d.APICalls == 0 || d.APICalls > most {
		t.Errorf("%d API calls for %d jobs, want at most %d", d.APICalls, d.Jobs, most)
	}
	if d.Seconds <= 0 || d.RecordsPerSecond <= 0 {
		t.Errorf("%.1f seconds, %.1f records a second", d.Seconds, d.RecordsPerSecond)
	}
}

func TestTheDemoTellsItsStory(t *testing.T) {
	inTurn(t)
	r := command(t, "demo")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	for _, want := range []string{
		"accepted 20000 = ", "REQUIRED_FIELD_MISSING", "INVALID_EMAIL_ADDRESS", "DUPLICATE_VALUE", "reference", "After the replay", "agrees with the 20000 records",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the story says nothing of %q:\n%s", want, r.stdout)
		}
	}
}
