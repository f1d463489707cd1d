package journeys

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// stack is a running `bulkhead dev` with the addresses that it printed.
type stack struct {
	proc      *process
	ops       string
	grpc      string
	natsURL   string
	dsn       string
	pipelines []any
	org       org
	stopWatch func()
}

// freePorts are the flags by which a stack never collides with another.
var freePorts = []string{"--nats-port", "0", "--ops-port", "0", "--grpc-port", "0", "--sim-port", "0"}

// dev starts a stack on free ports and waits until it is ready.
func dev(t *testing.T, args ...string) *stack {
	t.Helper()
	p := start(t, append(append([]string{"dev"}, freePorts...), args...)...)
	e := p.endpoints(t)
	text := func(endpoint, member string) string {
		s, _ := e[endpoint][member].(string)
		if s == "" {
			t.Fatalf("dev printed no %s of %s: %v", member, endpoint, e)
		}
		return s
	}
	s := &stack{
		proc: p, ops: text("ops_http", "url"), grpc: text("ops_grpc", "address"), natsURL: text("nats", "url"), dsn: text("postgres", "dsn"),
		org: org{url: text("simulator", "control_url")},
	}
	s.pipelines, _ = e["ready"]["pipelines"].([]any)
	s.stopWatch = watchBalance(t, s.ops)
	t.Cleanup(s.stopWatch)
	return s
}

// kill pulls the plug.
func (s *stack) kill() {
	s.proc.kill()
	s.stopWatch()
}

// killAlone kills the one process and leaves its children to notice.
func (s *stack) killAlone() {
	_ = s.proc.cmd.Process.Kill()
	<-s.proc.done
	s.stopWatch()
}

// simulator starts an org that outlives its stacks and returns its address.
func simulator(t *testing.T, args ...string) (string, org) {
	t.Helper()
	p := start(t, append([]string{"sim", "--listen", "127.0.0.1:0"}, args...)...)
	line := p.next(t)
	address, _ := line["url"].(string)
	control, _ := line["control_url"].(string)
	if address == "" || control == "" {
		t.Fatalf("sim printed %v", line)
	}
	return address, org{url: control}
}

// dataDir is a directory that PostgreSQL's own user may enter too, when the test runs as root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bulkhead-data")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shipped is where the definitions that the binary carries come from.
const shipped = "../../../deploy/config/pipelines"

// byJobs is the line of a definition whose chunks all go by jobs, however small: for journeys about jobs.
const byJobs = "bulk: {threshold: 0}\n"

// quickPipelines are the shipped definitions with chunks that are sealed sooner, so that a journey of many chunks takes seconds.
func quickPipelines(t *testing.T) string { return pipelinesWith(t, "age: 300ms", "") }

// quickJobs are the same, by jobs alone.
func quickJobs(t *testing.T) string { return pipelinesWith(t, "age: 300ms", byJobs) }

// shippedJobs are the shipped definitions, by jobs alone.
func shippedJobs(t *testing.T) string { return pipelinesWith(t, "age: 2s", byJobs) }

// pipelinesWith is a directory with the shipped definitions, changed.
func pipelinesWith(t *testing.T, age, more string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"accounts.yaml", "contacts.yaml"} {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "age: 2s") {
			t.Fatalf("%s names no age of 2s any more", name)
		}
		changed := strings.Replace(string(text), "age: 2s", age, 1) + more
		if err := os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// settle waits until n records of a pipeline ("" = of all) are accepted and nothing moves, and returns the balance.
func (s *stack) settle(t *testing.T, pipeline string, n int64) balanceReply {
	t.Helper()
	eventually(t, fmt.Sprintf("%d records of %q come to rest", n, pipeline), func(ctx context.Context) (bool, error) {
		return settled(ctx, s.ops, pipeline, n)
	})
	return s.balance(t, pipeline)
}

func (s *stack) balance(t *testing.T, pipeline string) balanceReply {
	t.Helper()
	r, err := readBalance(t.Context(), s.ops, pipeline)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type letter struct {
	ID         string `json:"id"`
	Pipeline   string `json:"pipeline"`
	Key        string `json:"key"`
	Generation int    `json:"generation"`
	Entity     string `json:"entity"`
	Class      string `json:"class"`
	Code       string `json:"code"`
	State      string `json:"state"`
	Stage      string `json:"stage"`
	Payload    string `json:"payload"`
	Attempts   []struct {
		N     int    `json:"n"`
		JobID string `json:"job_id"`
		Class string `json:"class"`
		Code  string `json:"code"`
	} `json:"attempts"`
}

// letters returns the open dead letters of a pipeline, all pages.
func (s *stack) letters(t *testing.T, pipeline string) []letter {
	t.Helper()
	var out []letter
	q := url.Values{"pipeline": {pipeline}, "page_size": {"500"}}
	for {
		var page struct {
			Letters []letter `json:"dead_letters"`
			Next    string   `json:"next_page_token"`
		}
		if err := ask(t.Context(), http.MethodGet, s.ops+"/v1/dead-letters?"+q.Encode(), nil, &page); err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Letters...)
		if page.Next == "" {
			return out
		}
		q.Set("page_token", page.Next)
	}
}

// lettersByEntity counts the open letters of a pipeline.
func (s *stack) lettersByEntity(t *testing.T, pipeline string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, l := range s.letters(t, pipeline) {
		out[l.Entity]++
	}
	return out
}

// replay orders the letter of a record's key to be sent again, over HTTP.
func (s *stack) replay(t *testing.T, keys ...string) {
	t.Helper()
	byKey := map[string]string{}
	for _, l := range s.letters(t, "") {
		byKey[l.Key] = l.ID
	}
	var ids []string
	for _, k := range keys {
		if byKey[k] == "" {
			t.Fatalf("%s has no open letter", k)
		}
		ids = append(ids, byKey[k])
	}
	var out struct {
		Replayed int `json:"replayed"`
	}
	body := map[string]any{"ids": ids, "reason": "the cause is gone", "idempotency_key": "replay-" + ids[0], "by": "journey"}
	if err := ask(t.Context(), http.MethodPost, s.ops+"/v1/dead-letters:replay", body, &out); err != nil {
		t.Fatal(err)
	}
	if out.Replayed != len(ids) {
		t.Fatalf("%d of %d letters are replayed", out.Replayed, len(ids))
	}
}

type history struct {
	Key        string `json:"key"`
	State      string `json:"state"`
	Generation int    `json:"generation"`
	ID         string `json:"salesforce_id"`
	Why        string `json:"why"`
	LetterID   string `json:"letter_id"`
	Events     []struct {
		Service string `json:"service"`
		What    string `json:"what"`
		JobID   string `json:"job_id"`
		Class   string `json:"class"`
		Code    string `json:"code"`
	} `json:"events"`
}

// tried are the events of the history that name a job's answer with this code.
func (h history) tried(code string) (jobs []string) {
	for _, e := range h.Events {
		if e.Code == code && e.JobID != "" {
			jobs = append(jobs, e.JobID)
		}
	}
	return jobs
}

// record asks what became of one key.
func (s *stack) record(t *testing.T, pipeline, key string) history {
	t.Helper()
	var out struct {
		Records []history `json:"records"`
	}
	q := url.Values{"pipeline": {pipeline}, "key": {key}}
	if err := ask(t.Context(), http.MethodGet, s.ops+"/v1/records?"+q.Encode(), nil, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Records) != 1 {
		t.Fatalf("record %s of %s: %d records, want one", key, pipeline, len(out.Records))
	}
	return out.Records[0]
}

func itoa[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }
