//go:build clients

package clients

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

var salesforceCLI = sync.OnceValues(func() (onNode, error) { return install("sf") })

// commandLine is Salesforce's command line, `sf`, in a directory and with a home of its own.
type commandLine struct {
	t    *testing.T
	org  *simtest.Sim
	with onNode
	dir  string
	env  []string
}

func newCommandLine(t *testing.T, s *simtest.Sim) *commandLine {
	t.Helper()
	with, err := salesforceCLI()
	if err != nil {
		t.Fatal(err)
	}
	return &commandLine{t: t, org: s, with: with, dir: t.TempDir(), env: bare(t,
		"SF_DISABLE_TELEMETRY=true", "SF_AUTOUPDATE_DISABLE=true", "SF_DISABLE_AUTOUPDATE=true", "SF_SKIP_NEW_VERSION_CHECK=true",
		"SF_USE_GENERIC_UNIX_KEYCHAIN=true", "SF_IMPROVE_HELP=false", "CI=true")}
}

// run runs a command, given as one text, and behind it arguments that have blanks. What follows as NAME=VALUE pairs comes into its environment.
func (c *commandLine) run(env []string, command string, more ...string) answer {
	c.t.Helper()
	args := append([]string{c.with.Package("@salesforce/cli") + "/bin/run.js"}, append(strings.Fields(command), more...)...)
	return run(c.t, c.dir, append(c.env[:len(c.env):len(c.env)], env...), c.with.node, args...)
}

// reply is what sf prints with --json.
type reply struct {
	code    int
	Status  int
	Result  json.RawMessage
	Name    string
	Message string
	Data    json.RawMessage
	all     string
}

// ask runs a command with --json.
func (c *commandLine) ask(command string, more ...string) reply {
	c.t.Helper()
	return c.read(c.run(nil, command, append(more, "--json")...))
}

func (c *commandLine) read(a answer) reply {
	c.t.Helper()
	r := reply{code: a.code, all: a.out + a.err}
	if err := json.Unmarshal([]byte(a.out), &r); err != nil {
		c.t.Fatalf("exit code %d, %v in\n%s%s", a.code, err, a.out, a.err)
	}
	return r
}

// want asks, and compares the result of a command that must end well with JSON: each member that is named must be there and be the same.
func (c *commandLine) want(want, command string, more ...string) reply {
	c.t.Helper()
	r := c.ask(command, more...)
	if r.code != 0 || r.Status != 0 {
		c.t.Errorf("sf %s: exit code %d\n%s", command, r.code, r.all)
	}
	contains(c.t, "sf "+command, r.Result, want)
	return r
}

// refused asks for what must fail with exit code 1.
func (c *commandLine) refused(name, command string, more ...string) reply {
	c.t.Helper()
	r := c.ask(command, more...)
	if r.code != 1 || r.Status != 1 || r.Name != name {
		c.t.Errorf("sf %s: exit code %d, %s; want 1, %s\n%s", command, r.code, r.Name, name, r.all)
	}
	return r
}

// contains compares the members of an object that are wanted.
func contains(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var said any
	var wanted any
	if err := json.Unmarshal(got, &said); err != nil {
		t.Errorf("%s: %v in %s", what, err, got)
		return
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatalf("%v in %s", err, want)
	}
	if !within(said, wanted) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// within says whether what is wanted is there: all members of an object, all items of a list in order.
func within(said, wanted any) bool {
	switch w := wanted.(type) {
	case map[string]any:
		s, ok := said.(map[string]any)
		for name, value := range w {
			ok = ok && within(s[name], value)
		}
		return ok
	case []any:
		s, ok := said.([]any)
		if !ok || len(s) != len(w) {
			return false
		}
		for i := range w {
			ok = ok && within(s[i], w[i])
		}
		return ok
	default:
		return said == wanted
	}
}

// member is a text of a result.
func member(t *testing.T, from json.RawMessage, name string) string {
	t.Helper()
	var members map[string]any
	_ = json.Unmarshal(from, &members) // then it has no such member
	text, ok := members[name].(string)
	if !ok {
		t.Fatalf("there is no %s in %s", name, from)
	}
	return text
}

// token is a session of the org, as somebody gets it who signs in elsewhere.
func token(t *testing.T, s *simtest.Sim) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {s.Secret}}
	res, err := http.PostForm(s.URL+"/services/oauth2/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var said struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || said.Token == "" {
		t.Fatalf("%s: no token, %v", res.Status, err)
	}
	return said.Token
}

// login lets sf into the org by a token; the org becomes its default.
func (c *commandLine) login() reply {
	c.t.Helper()
	r := c.read(c.run([]string{"SF_ACCESS_TOKEN=" + token(c.t, c.org)}, "org login access-token --no-prompt --set-default --alias me --json --instance-url", c.org.URL))
	if r.code != 0 {
		c.t.Fatal(r.all)
	}
	c.env = append(c.env, "SF_TARGET_ORG=me")
	return r
}

// write writes a file of CSV and returns its name.
func (c *commandLine) write(name string, lines ...string) string {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return name
}

// newest is the job that was made last.
func newest(s *simtest.Sim) simtest.Job {
	jobs := s.Jobs()
	return jobs[len(jobs)-1]
}

// last is the number of the last call that the org was sent, 0 before the first.
func last(s *simtest.Sim) (n int64) {
	for _, c := range s.Calls(0, "") {
		n = c.N
	}
	return n
}

// called compares the endpoints of the calls since one with those that are wanted, in order. However often a client looks at a job that is at work, it is one call here.
func called(t *testing.T, s *simtest.Sim, since int64, want string) {
	t.Helper()
	var got []string
	for _, c := range s.Calls(since, "") {
		if n := len(got); n == 0 || c.Endpoint != string(simtest.Info) || got[n-1] != c.Endpoint {
			got = append(got, c.Endpoint)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

// file is the content of a file that a command wrote.
func (c *commandLine) file(name string) string {
	c.t.Helper()
	return content(c.t, filepath.Join(c.dir, name))
}
