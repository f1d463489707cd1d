package cli

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/<name>; go test -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./services/bulkhead/internal/cli -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("differs from %s:\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

// invoke runs one command line as a person would.
func invoke(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(t.Context(), args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

var commands = []string{
	"", "dev", "demo", "sim", "status", "dlq", "dlq ls", "dlq show", "dlq replay", "dlq discard",
	"record", "export", "export landed", "export failed", "pipelines", "pipelines ls", "pipelines show", "pipelines apply", "pipelines resume",
	"pipelines revisions", "pipelines diff", "pipelines rollback", "dlq resolve", "replay", "mapping", "mapping test", "classes",
	"doctor",
}

func TestHelp(t *testing.T) {
	t.Setenv("BULKHEAD_OPS", "")
	for _, c := range commands {
		name := strings.ReplaceAll(strings.TrimSpace("bulkhead "+c), " ", "-")
		t.Run(name+" explains itself", func(t *testing.T) {
			code, out, errOut := invoke(t, "", append(strings.Fields(c), "--help")...)
			if code != ExitDone || errOut != "" {
				t.Errorf("exit %d, stderr %q", code, errOut)
			}
			golden(t, "help/"+name+".txt", out)
		})
	}
}

// fakeOps answers with what a real ops answered once (testdata/ops): the commands are tested for what they make of it, the
// journeys test them against the real one.
func fakeOps(t *testing.T, routes map[string]reply) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		re, ok := routes[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("unexpected request %s %s", r.Method, r.URL)
			re = reply{404, `{"code":5,"message":"no such route"}`}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(re.status)
		_, _ = w.Write([]byte(re.body))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

type reply struct {
	status int
	body   string
}

func ok(body string) reply { return reply{200, body} }

const (
	balanced   = `{"accepted":10,"landed":10,"in_flight":0,"retrying":0,"waiting_for_parent":0,"unresolved":0,"dead":0,"superseded":0,"discarded":0,"rolled_back":0}`
	withDead   = `{"accepted":10,"landed":8,"in_flight":0,"retrying":0,"waiting_for_parent":0,"unresolved":0,"dead":2,"superseded":0,"discarded":0,"rolled_back":0}`
	unbalanced = `{"accepted":10,"landed":8,"in_flight":0,"retrying":0,"waiting_for_parent":0,"unresolved":0,"dead":1,"superseded":0,"discarded":0,"rolled_back":0}`
	letterID   = "0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11"
	letter     = `{"id":"` + letterID + `","pipeline":"contacts","revision":1,"key":"evt-1","generation":0,"entity":"C-1","class":"data","code":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"],"stage":"reconcile","run":"","state":"open","dead_at":"2026-11-22T03:00:00Z","accepted_at":"2026-11-22T02:59:00Z"`
	status     = `{"balance":` + withDead + `,"adds_up":true,"repeats":3,"unread":{"messages":0,"bytes":0,"oldest_seconds":0},
"pipelines":[{"name":"contacts","revision":1,"balance":` + withDead + `,"repeats":3,"unread":{"messages":0,"bytes":0,"oldest_seconds":0},"open_chunks":1,"reconciled_chunks":1234,"reconciled_at":"2026-11-22T03:00:05Z","checkpoints":[{"lane":-1,"seq":7,"index":0},{"lane":0,"seq":7,"index":12}],
"pauses":[{"id":"p","service":"reconciler","class":"quota","code":"STORAGE_LIMIT_EXCEEDED","message":"storage limit exceeded","since":"2026-11-22T03:00:00Z"}],
"owner":"Sales Systems","contact":"sales@people.example","jobs":[{"job_id":"750000000000002AAA","chunk":"c","state":"InProgress","rows":40000,"processed":30000,"failed":12,"submitted_at":"2026-11-22T03:00:00Z","seen_at":"2026-11-22T03:00:10Z"}]}],
"orgs":[{"name":"main","org_id":"00D000000000001AAA","api_used":12,"api_max":15000,"error":"","circuit":{"open":false,"class":"transient","cause":"busy","failures":2,"opened_at":"2026-11-22T01:00:00Z","failed_at":"2026-11-22T01:20:00Z","next_call_at":null,"next_call_seconds":0,"closed_at":"2026-11-22T01:30:00Z"}}],
"open_items":[{"owner":"reconciler","kind":"chunk","id":"c","pipeline":"contacts","state":"quarantined","since":"2026-11-22T03:00:00Z","note":"rows that were never sent"}],"version":"v0"}`
)

const contacts = `{"name":"contacts","revision":1,"yaml":"kind: Pipeline\n","applied_by":"someone","applied_at":"2026-11-22T03:00:00Z","pauses":[],"owner":"Sales Systems","contact":"sales@people.example","depends_on":["accounts"],"org":"main","object":"Contact","operation":"upsert","key_field":"External_Id__c"}`

func TestCommands(t *testing.T) {
	groups := `{"groups":[{"group":"g1","pipeline":"contacts","org":"main","object":"Contact","class":"data","code":"REQUIRED_FIELD_MISSING","fields":["LastName"],"message_template":"Required fields are missing: […]","count":2,"first_dead_at":"2026-11-22T03:00:00Z","last_dead_at":"2026-11-22T03:00:01Z","sample_keys":["evt-1","evt-\u001b[31m2"],"sample_ids":["` + letterID + `"],"runs":[""],"stage":"reconcile"}]}`
	page := `{"dead_letters":[` + letter + `}],"next_page_token":"","total":2}`
	routes := map[string]reply{
		"GET /v1/status":                       ok(status),
		"GET /v1/balance":                      ok(`{"balance":` + balanced + `,"adds_up":true,"repeats":0,"unread":{"messages":0,"bytes":0,"oldest_seconds":0}}`),
		"GET /v1/dead-letters":                 ok(page),
		"GET /v1/dead-letter-groups":           ok(groups),
		"GET /v1/dead-letters/" + letterID:     ok(`{"dead_letter":` + letter + `,"payload":"{\"id\":\"C-1\"}","row":{"External_Id__c":"C-1","FirstName":"\u001b]0;x\u0007"},"attempts":[{"n":1,"chunk":"c","job_id":"750000000000001AAA","at":"2026-11-22T03:00:00Z","outcome":"failed","class":"data","code":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]"}],"origin":{"stream":"RECORDS_contacts","sequence":7,"index":3}}}`),
		"POST /v1/dead-letters:replay":         ok(`{"action_id":"a","replayed":2,"skipped":0,"repeated_request":false}`),
		"POST /v1/dead-letters:discard":        ok(`{"action_id":"a","discarded":2,"skipped":1,"repeated_request":false}`),
		"GET /v1/records":                      ok(`{"records":[{"pipeline":"contacts","key":"evt-1","state":"dead","generation":0,"salesforce_id":"","events":[{"at":"2026-11-22T03:00:00Z","service":"extractor","what":"accepted","chunk":"c","job_id":"","class":"","code":"","message":""}],"origin":{"stream":"RECORDS_contacts","sequence":7,"index":3},"accepted_at":"2026-11-22T02:59:00Z","letter_id":"` + letterID + `","why":"Dead after 1 try: REQUIRED_FIELD_MISSING."}]}`),
		"GET /v1/pipelines":                    ok(`{"pipelines":[` + contacts + `,{"name":"visits","revision":4,"yaml":"x","applied_by":"someone","applied_at":"2026-11-22T03:00:00Z","pauses":[{"service":"ops"}],"operation":"insert","org":"main","object":"Visit__c"}]}`),
		"GET /v1/pipelines/contacts":           ok(`{"pipeline":` + contacts + `}`),
		"GET /v1/pipelines/contacts/revisions": ok(`{"revisions":[{"revision":2,"applied_by":"robin","applied_at":"2026-11-22T04:00:00Z","sha256":"d24443a06327d188a01c5441e007a031aaeb5e7a30fd5302faa6e273702dbbe7","current":true,"yaml":"kind: Pipeline\nlanes: 4\n"},{"revision":1,"applied_by":"someone","applied_at":"2026-11-22T03:00:00Z","sha256":"fc86caec6cff9661210197351f675f1bdf86692dddc740c417f2edbd0d3a6e1e","current":false,"yaml":"kind: Pipeline\nlanes: 2\n"}]}`),
		"GET /v1/pipelines/contacts:diff":      ok(`{"from":1,"to":2,"diff":"--- contacts revision 1\n+++ contacts revision 2\n@@ -1,2 +1,2 @@\n kind: Pipeline\n-lanes: 2\n+lanes: 4\n","changes":["lanes changes from 2 to 4: entities move to other lanes."]}`),
		"POST /v1/pipelines/contacts:rollback": ok(`{"pipeline":{"name":"contacts","revision":3,"yaml":"x","applied_by":"someone","applied_at":"2026-11-22T05:00:00Z","pauses":[]},"changed":true,"warnings":["column X: a warning"]}`),
		"POST /v1/pipelines/busy:rollback":     {409, `{"code":9,"message":"lanes can change from 4 to 2 only when nothing of main/Contact/External_Id__c is on its way"}`},
		"GET /v1/pipelines/nope/revisions":     {404, `{"code":5,"message":"there is no pipeline \"nope\""}`},
		"POST /v1/dead-letters:resolve":        ok(`{"action_id":"a","resolved":1,"skipped":0,"repeated_request":false}`),
		"POST /v1/pipelines/contacts:reread":   ok(`{"reread":{"id":"r","pipeline":"contacts","from_seq":10,"to_seq":19,"read_seq":9,"known":0,"accepted":0,"done":false,"error":"","ordered_at":"2026-11-22T03:00:00Z"},"repeated_request":false}`),
		"GET /v1/rereads/r":                    ok(`{"reread":{"id":"r","pipeline":"contacts","from_seq":10,"to_seq":19,"read_seq":19,"known":7,"accepted":3,"done":true,"error":"","ordered_at":"2026-11-22T03:00:00Z"}}`),
		"GET /v1/rereads/partly":               ok(`{"reread":{"id":"partly","pipeline":"contacts","from_seq":10,"to_seq":19,"read_seq":19,"known":7,"accepted":0,"done":true,"error":"sequence 12 is gone","ordered_at":"2026-11-22T03:00:00Z"}}`),
		"POST /v1/pipelines/contacts:resume":   ok(`{"lifted":1}`),
		"PUT /v1/pipelines/contacts":           ok(`{"pipeline":{"name":"contacts","revision":2,"yaml":"x","applied_by":"someone","applied_at":"2026-11-22T03:00:00Z","pauses":[]},"changed":true,"warnings":[]}`),
		"GET /v1/pipelines/nope":               {404, `{"code":5,"message":"pipeline \"nope\" is not defined"}`},
		"GET /v1/dead-letters/not-there":       {404, `{"code":5,"message":"no letter not-there"}`},
		"POST /v1/pipelines/accounts:resume":   ok(`{"lifted":0}`),
		"POST /v1/pipelines/forbidden:resume":  {403, `{"code":7,"message":"the role viewer may not resume"}`},
	}
	ops := fakeOps(t, routes)
	def, err := os.ReadFile("../../../../deploy/config/pipelines/contacts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  []string
		stdin string
		want  int
	}{
		"status":                        {[]string{"status"}, "", ExitPartly},
		"status-pipeline":               {[]string{"status", "--pipeline", "contacts"}, "", ExitPartly},
		"dlq-ls":                        {[]string{"dlq", "ls"}, "", ExitDone},
		"dlq-show":                      {[]string{"dlq", "show", letterID}, "", ExitDone},
		"dlq-show-nothing":              {[]string{"dlq", "show", "not-there"}, "", ExitNothing},
		"dlq-replay-id":                 {[]string{"dlq", "replay", letterID}, "", ExitDone},
		"dlq-replay-filter":             {[]string{"dlq", "replay", "--class", "data", "--yes"}, "", ExitDone},
		"dlq-replay-nobody-to-ask":      {[]string{"dlq", "replay", "--class", "data"}, "", ExitUsage},
		"dlq-replay-everything":         {[]string{"dlq", "replay"}, "", ExitUsage},
		"dlq-replay-both":               {[]string{"dlq", "replay", letterID, "--class", "data"}, "", ExitUsage},
		"dlq-discard":                   {[]string{"dlq", "discard", letterID, "--reason", "a test"}, "", ExitDone},
		"dlq-discard-no-reason":         {[]string{"dlq", "discard", letterID}, "", ExitUsage},
		"record":                        {[]string{"record", "evt-1"}, "", ExitDone},
		"record-nothing-named":          {[]string{"record"}, "", ExitUsage},
		"pipelines-ls":                  {[]string{"pipelines", "ls"}, "", ExitDone},
		"pipelines-show":                {[]string{"pipelines", "show", "contacts"}, "", ExitDone},
		"pipelines-show-nothing":        {[]string{"pipelines", "show", "nope"}, "", ExitNothing},
		"pipelines-apply":               {[]string{"pipelines", "apply", "-"}, string(def), ExitDone},
		"pipelines-apply-invalid":       {[]string{"pipelines", "apply", "-"}, "kind: Pipeline\n", ExitUsage},
		"pipelines-resume":              {[]string{"pipelines", "resume", "contacts", "--reason", "mended"}, "", ExitDone},
		"pipelines-resume-nothing":      {[]string{"pipelines", "resume", "accounts", "--reason", "mended"}, "", ExitNothing},
		"pipelines-resume-refused":      {[]string{"pipelines", "resume", "forbidden", "--reason", "mended"}, "", ExitRefused},
		"pipelines-revisions":           {[]string{"pipelines", "revisions", "contacts"}, "", ExitDone},
		"pipelines-revisions-nothing":   {[]string{"pipelines", "revisions", "nope"}, "", ExitNothing},
		"pipelines-show-revision":       {[]string{"pipelines", "show", "contacts", "--revision", "1"}, "", ExitDone},
		"pipelines-show-no-revision":    {[]string{"pipelines", "show", "contacts", "--revision", "9"}, "", ExitNothing},
		"pipelines-diff":                {[]string{"pipelines", "diff", "contacts"}, "", ExitDone},
		"pipelines-diff-no-number":      {[]string{"pipelines", "diff", "contacts", "first"}, "", ExitUsage},
		"pipelines-rollback":            {[]string{"pipelines", "rollback", "contacts", "--to", "1", "--reason", "it was better"}, "", ExitDone},
		"pipelines-rollback-no-reason":  {[]string{"pipelines", "rollback", "contacts", "--to", "1"}, "", ExitUsage},
		"pipelines-rollback-to-nothing": {[]string{"pipelines", "rollback", "contacts", "--reason", "it was better"}, "", ExitUsage},
		"pipelines-rollback-refused":    {[]string{"pipelines", "rollback", "busy", "--to", "1", "--reason", "it was better"}, "", ExitRefused},
		"dlq-resolve-landed":            {[]string{"dlq", "resolve", letterID, "--landed", "003000000000001AAA", "--reason", "found by name"}, "", ExitDone},
		"dlq-resolve-not-landed":        {[]string{"dlq", "resolve", letterID, "--not-landed", "--reason", "not in the report"}, "", ExitDone},
		"dlq-resolve-neither":           {[]string{"dlq", "resolve", letterID, "--reason", "x"}, "", ExitUsage},
		"dlq-resolve-both":              {[]string{"dlq", "resolve", letterID, "--landed", "003000000000001AAA", "--not-landed", "--reason", "x"}, "", ExitUsage},
		"dlq-resolve-two-landed":        {[]string{"dlq", "resolve", letterID, letterID, "--landed", "003000000000001AAA", "--reason", "x"}, "", ExitUsage},
		"dlq-resolve-no-reason":         {[]string{"dlq", "resolve", letterID, "--not-landed"}, "", ExitUsage},
		"replay":                        {[]string{"replay", "--pipeline", "contacts", "--from-seq", "10", "--reason", "restored"}, "", ExitDone},
		"replay-since":                  {[]string{"replay", "--pipeline", "contacts", "--since", "7d", "--reason", "restored"}, "", ExitDone},
		"replay-no-wait":                {[]string{"replay", "--pipeline", "contacts", "--from-seq", "10", "--reason", "restored", "--no-wait"}, "", ExitDone},
		"replay-follow-partly":          {[]string{"replay", "--follow", "partly"}, "", ExitPartly},
		"replay-nothing":                {[]string{"replay"}, "", ExitUsage},
		"replay-from-nowhere":           {[]string{"replay", "--pipeline", "contacts", "--reason", "x"}, "", ExitUsage},
		"replay-since-yesterday":        {[]string{"replay", "--pipeline", "contacts", "--since", "yesterday", "--reason", "x"}, "", ExitUsage},
		"replay-since-tomorrow":         {[]string{"replay", "--pipeline", "contacts", "--since", "2926-11-22T03:00:00Z", "--reason", "x"}, "", ExitUsage},
		"replay-backwards":              {[]string{"replay", "--pipeline", "contacts", "--from-seq", "10", "--to-seq", "9", "--reason", "x"}, "", ExitUsage},
		"replay-no-reason":              {[]string{"replay", "--pipeline", "contacts", "--from-seq", "10"}, "", ExitUsage},
		"dev-model-elsewhere":           {[]string{"dev", "--sim", "http://127.0.0.1:8082", "--model", "m.yaml"}, "", ExitUsage},
		"demo-too-few":                  {[]string{"demo", "--records", "5"}, "", ExitUsage},
		"dev-data-without-sim":          {[]string{"dev", "--data", "state"}, "", ExitUsage},
		"dev-no-port":                   {[]string{"dev", "--ops-port", "70000"}, "", ExitUsage},
		"dev-org-id-of-its-own-sim":     {[]string{"dev", "--sim-org-id", "00D000000000001EAA"}, "", ExitUsage},
		"dev-org-id-that-is-none":       {[]string{"dev", "--sim", "http://127.0.0.1:8082", "--sim-org-id", "003000000000001"}, "", ExitUsage},
		"dev-horizon-before":            {[]string{"dev", "--horizon", "-1h"}, "", ExitUsage},
		"dev-nats-no-url":               {[]string{"dev", "--nats", "nats://127.0.0.1:4222,http://127.0.0.1:4223"}, "", ExitUsage},
		"dev-replicas":                  {[]string{"dev", "--replicas", "2"}, "", ExitUsage},
		"dev-sim-no-url":                {[]string{"dev", "--sim", "127.0.0.1:8082"}, "", ExitUsage},
		"dev-half-credentials":          {[]string{"dev", "--sim-client-id", "x"}, "", ExitUsage},
		"sim-no-address":                {[]string{"sim", "--listen", "8082"}, "", ExitUsage},
		"sim-half-tls":                  {[]string{"sim", "--tls-cert", "cert.pem"}, "", ExitUsage},
		"sim-half-credentials":          {[]string{"sim", "--client-id", "x"}, "", ExitUsage},
		"unknown-command":               {[]string{"frobnicate"}, "", ExitUsage},
		"unknown-flag":                  {[]string{"status", "--frobnicate"}, "", ExitUsage},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(name+" as "+format+" prints and exits as written", func(t *testing.T) {
				args := append([]string{"--ops", ops}, c.args...)
				if format == "json" {
					args = append(args, "--json")
				}
				code, out, errOut := invoke(t, c.stdin, args...)
				if code != c.want {
					t.Errorf("exit %d, want %d", code, c.want)
				}
				if strings.ContainsAny(out+errOut, "\x1b\x07") && format == "text" {
					t.Errorf("a control character reaches the terminal:\n%q", out+errOut)
				}
				golden(t, "commands/"+name+"."+format+".txt", "exit "+itoa(code)+"\n--- stdout\n"+out+"--- stderr\n"+strings.ReplaceAll(errOut, ops, "http://ops"))
			})
		}
	}
	t.Run("a key that several pipelines know exits 2 and names them", func(t *testing.T) {
		two := fakeOps(t, map[string]reply{"GET /v1/records": ok(`{"records":[{"pipeline":"accounts","key":"k"},{"pipeline":"contacts","key":"k"}]}`)})
		code, _, errOut := invoke(t, "", "--ops", two, "record", "k")
		if code != ExitUsage || !strings.Contains(errOut, "accounts contacts") {
			t.Errorf("exit %d, stderr %q", code, errOut)
		}
	})
	t.Run("an entity with more records than are listed ends with how many are older", func(t *testing.T) {
		for older, want := range map[string]bool{"1234": true, "0": false} {
			many := fakeOps(t, map[string]reply{"GET /v1/records": ok(`{"records":[{"pipeline":"contacts","key":"k"},{"pipeline":"contacts","key":"l"}],"older":` + older + `}`)})
			code, out, _ := invoke(t, "", "--ops", many, "record", "--entity", "C-1")
			if code != ExitDone || strings.HasSuffix(out, "\n\nand 1,234 older records of this entity are not listed\n") != want || !want && strings.Contains(out, "older") {
				t.Errorf("%s older: exit %d, stdout %q", older, code, out)
			}
		}
	})
	t.Run("a balance that does not add up exits 1 and says so", func(t *testing.T) {
		bad := fakeOps(t, map[string]reply{"GET /v1/balance": ok(`{"balance":` + unbalanced + `,"adds_up":false}`), "GET /v1/status": ok(`{}`)})
		code, out, _ := invoke(t, "", "--ops", bad, "status", "--run", "r")
		if code != ExitFailed || !strings.Contains(out, "DOES NOT ADD UP") {
			t.Errorf("exit %d, stdout %q", code, out)
		}
	})
	t.Run("a pipeline at rest that is paused, or has stopped reading, needs a person: exit 3", func(t *testing.T) {
		for _, why := range []string{`"pauses":[{"service":"ops"}]`, `"stopped":"STREAM_RECREATED"`} {
			at := fakeOps(t, map[string]reply{"GET /v1/status": ok(`{"balance":` + balanced + `,"adds_up":true,"pipelines":[{"name":"contacts",` + why + `}]}`)})
			if code, _, _ := invoke(t, "", "--ops", at, "status"); code != ExitPartly {
				t.Errorf("%s: exit %d", why, code)
			}
		}
	})
	t.Run("what NATS did not say is not shown as a number, and exits 3", func(t *testing.T) {
		at := fakeOps(t, map[string]reply{"GET /v1/status": ok(`{"balance":` + balanced + `,"adds_up":true,"unread":{"messages":-1}}`)})
		code, out, _ := invoke(t, "", "--ops", at, "status")
		if code != ExitPartly || strings.Contains(out, "-1") {
			t.Errorf("exit %d\n%s", code, out)
		}
	})
	t.Run("a list of dead letters says what there is none of", func(t *testing.T) {
		const nothing = `{"dead_letters":[],"next_page_token":"","total":0}`
		for words, args := range map[string][]string{
			"No dead letters wait.\n":                      nil,
			"No open dead letter matches.\n":               {"--group", "0123456789abcdef"},
			"No dead letter in state landed matches.\n":    {"--state", "landed"},
			"No dead letter matches, in whatever state.\n": {"--state", "any", "--run", "r"},
		} {
			routes := map[string]reply{"GET /v1/dead-letters": ok(nothing)}
			if !slices.Contains(args, "--state") { // groups are of open letters: of others they are not asked for
				routes["GET /v1/dead-letter-groups"] = ok(`{"groups":[],"more_groups":0,"more_letters":0}`)
			}
			code, out, _ := invoke(t, "", append([]string{"--ops", fakeOps(t, routes), "dlq", "ls"}, args...)...)
			if code != ExitNothing || out != words {
				t.Errorf("%v: exit %d, %q", args, code, out)
			}
		}
	})
	t.Run("letters of another state stand alone", func(t *testing.T) {
		at := fakeOps(t, map[string]reply{"GET /v1/dead-letters": ok(page)})
		code, out, _ := invoke(t, "", "--ops", at, "dlq", "ls", "--state", "any")
		if code != ExitDone || !strings.HasPrefix(out, "LETTER ") || strings.Contains(out, "GROUP") {
			t.Errorf("exit %d, %q", code, out)
		}
		code, out, _ = invoke(t, "", "--ops", at, "dlq", "ls", "--state", "any", "--json")
		if code != ExitDone || !strings.HasPrefix(out, `{"groups":[],"more_groups":0,"more_letters":0,"dead_letters":[{`) {
			t.Errorf("exit %d, %q", code, out)
		}
	})
	t.Run("groups that are left out are counted, with the way to see them", func(t *testing.T) {
		many := strings.TrimSuffix(groups, "}") + `,"more_groups":4800,"more_letters":12345}`
		at := fakeOps(t, map[string]reply{"GET /v1/dead-letters": ok(page), "GET /v1/dead-letter-groups": ok(many)})
		_, out, _ := invoke(t, "", "--ops", at, "dlq", "ls")
		if !strings.Contains(out, "\nand 4,800 more groups with 12,345 letters: narrow it down with --pipeline, --class or --code\n") {
			t.Errorf("%q", out)
		}
		_, out, _ = invoke(t, "", "--ops", at, "dlq", "ls", "--json")
		if !strings.Contains(out, `"more_groups":4800,"more_letters":12345,`) {
			t.Errorf("%q", out)
		}
	})
	t.Run("a pipeline that is not there is no empty list", func(t *testing.T) {
		missing := reply{404, `{"code":5,"message":"there is no pipeline \"contcts\": GET /v1/pipelines lists them"}`}
		at := fakeOps(t, map[string]reply{"GET /v1/dead-letters": missing, "GET /v1/dead-letter-groups": missing})
		for _, state := range []string{"open", "landed"} {
			code, out, errOut := invoke(t, "", "--ops", at, "dlq", "ls", "--pipeline", "contcts", "--state", state)
			if code != ExitNothing || out != "" || !strings.Contains(errOut, "no pipeline") {
				t.Errorf("exit %d, %q, %q", code, out, errOut)
			}
		}
	})
	t.Run("nothing matches exits 4", func(t *testing.T) {
		none := fakeOps(t, map[string]reply{
			"GET /v1/dead-letters":       ok(`{"dead_letters":[],"next_page_token":"","total":0}`),
			"GET /v1/dead-letter-groups": ok(`{"groups":[]}`),
			"GET /v1/records":            ok(`{"records":[]}`),
			"GET /v1/pipelines":          ok(`{"pipelines":[]}`),
		})
		for _, args := range [][]string{{"dlq", "ls"}, {"record", "k"}, {"pipelines", "ls"}, {"dlq", "replay", "--class", "data", "--yes"}} {
			if code, _, _ := invoke(t, "", append([]string{"--ops", none}, args...)...); code != ExitNothing {
				t.Errorf("%v: exit %d, want 4", args, code)
			}
		}
	})
	t.Run("a refusal by policy exits 5 with ops' words", func(t *testing.T) {
		refuses := fakeOps(t, map[string]reply{"POST /v1/dead-letters:replay": {400, `{"code":9,"message":"the filter matches 3 letters now, not 2"}`}})
		code, _, errOut := invoke(t, "", "--ops", refuses, "dlq", "replay", "--class", "data", "--expect", "2")
		if code != ExitRefused || !strings.Contains(errOut, "matches 3 letters now") {
			t.Errorf("exit %d, stderr %q", code, errOut)
		}
	})
	t.Run("an address where nothing listens exits 6 and prints it", func(t *testing.T) {
		for _, args := range [][]string{{"status"}, {"dlq", "ls"}, {"record", "k"}, {"pipelines", "ls"}} {
			code, _, errOut := invoke(t, "", append([]string{"--ops", "http://127.0.0.1:1"}, args...)...)
			if code != ExitUnreachable || !strings.Contains(errOut, "http://127.0.0.1:1") {
				t.Errorf("%v: exit %d, stderr %q", args, code, errOut)
			}
		}
	})
	t.Run("an address that is no URL exits 2", func(t *testing.T) {
		if code, _, _ := invoke(t, "", "--ops", "127.0.0.1:8080", "status"); code != ExitUsage {
			t.Errorf("exit %d", code)
		}
	})
}

func itoa(n int) string { return string(rune('0' + n)) }
