package control_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func ask(t *testing.T, s *simtest.Sim, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	s := simtest.Start(t)
	for _, tc := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "nothing", "", 404, "GET /sim/ lists"},
		{"PUT", "faults", "", 404, "PUT /sim/faults"},
		{"GET", "records/Nope", "", 404, "no object"},
		{"GET", "records/Contact/x", "", 404, "never had a Contact"},
		{"GET", "records/Contact?after=x", "", 400, "no Id of a Contact"},
		{"GET", "records/Contact?limit=x", "", 400, "limit"},
		{"GET", "records/Contact?field=Nope", "", 400, "no such field"},
		{"GET", "groups/Nope", "", 404, "no object"},
		{"GET", "groups/Contact?fields=Email,Nope", "", 400, "has no field"},
		{"GET", "calls?since=-1", "", 400, "since"},
		{"GET", "calls?wait=soon", "", 400, "duration"},
		{"GET", "jobs/750000000000001AAA", "", 404, "never was a job"},
		{"GET", "jobs/x?wait=tomorrow", "", 400, "wait"},
		{"GET", "jobs/x/upload", "", 404, "no data"},
		{"GET", "jobs/x/rows", "", 404, "never was"},
		{"POST", "seed", `{"object":"Nope","records":[]}`, 400, "Nope"},
		{"POST", "seed", `{"object":"Account","records":[{"Name":{}}]}`, 400, "record 0, Name"},
		{"POST", "seed", `{"object":"Account","records":[{"Name":"A"},{"Phone":"1"}]}`, 422, `"created":1`},
		{"POST", "seed", `{"thing":1}`, 400, "thing"},
		{"POST", "faults", `{"effect":{"kind":"explode"}}`, 400, "explode"},
		{"POST", "faults", `[{"efect":{}}]`, 400, "efect"},
		{"POST", "settings", `{"parallel_batches":0}`, 400, "parallel_batches"},
		{"POST", "settings", `{"queue_delay":5}`, 400, "duration"},
		{"POST", "settings", `{"nope":5}`, 400, "nope"},
		{"POST", "clock", `{"advance":"x"}`, 400, "duration"},
	} {
		t.Run(tc.method+" "+tc.path+" "+tc.body, func(t *testing.T) {
			if status, body := ask(t, s, tc.method, tc.path, tc.body); status != tc.status || !strings.Contains(body, tc.part) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	if status, body := ask(t, s, "GET", "settings", ""); status != 200 || !strings.Contains(body, `"parallel_batches":5`) {
		t.Errorf("a refused change left %s", body)
	}
}

func TestRecordsComeInPages(t *testing.T) {
	s := simtest.Start(t)
	var seed []map[string]string
	for i := range 1_200 {
		seed = append(seed, map[string]string{"Name": fmt.Sprint(i), "External_Id__c": fmt.Sprint("a", i)})
	}
	s.Seed("Account", seed...)
	if got := len(s.Records("Account", false)); got != 1_200 {
		t.Errorf("%d rows", got)
	}
	rec, ok := s.Record("Account", "A700")
	if !ok || !rec.Seeded || len(rec.Versions) != 1 || rec.Versions[0].Job != "" {
		t.Fatalf("got %+v", rec)
	}
	_, body := ask(t, s, "GET", "records/Account?limit=2&after="+rec.ID, "")
	if n := strings.Count(body, "\n"); n != 2 || !strings.Contains(body, `"Name":"701"`) || !strings.Contains(body, `"Name":"702"`) {
		t.Errorf("got %s", body)
	}
	if c := s.Counts()["Account"]; c.Rows != 1_200 || c.Seeded != 1_200 || len(c.Digest) != 32 {
		t.Errorf("got %+v", c)
	}
}

func TestASeedTakesSimpleValuesOfAnyType(t *testing.T) {
	s := simtest.Start(t, simtest.Model(`
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Size__c, type: int}
      - {name: Good__c, type: boolean}
      - {name: Key__c, type: string, externalId: true, unique: true}
`))
	if status, body := ask(t, s, "POST", "seed", `{"object":"Thing__c","records":[{"Size__c":7,"Good__c":true,"Key__c":"k/1","Id":null}]}`); status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	if rec, ok := s.Record("Thing__c", "k/1"); !ok || rec.Fields["Size__c"] != "7" || rec.Fields["Good__c"] != "true" {
		t.Errorf("got %+v", rec)
	}
}

func TestTheIndexSaysWhatThereIs(t *testing.T) {
	s := simtest.Start(t)
	_, body := ask(t, s, "GET", "", "")
	for _, part := range []string{`"GET /sim/calls"`, `"org_id":"00D`, `"integration@bulkhead.example"`, `"Contact"`, `"max_version":"68.0"`} {
		if !strings.Contains(body, part) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
}
