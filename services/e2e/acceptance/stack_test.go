package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// shipped is where the definitions that come with Bulkhead are.
const shipped = "../../../deploy/config/pipelines"

// stack is everything, in this process.
type stack struct {
	*inprocess.Stack

	admin *pgxpool.Pool
}

// newStack starts all services with the shipped definitions, whose chunks are sealed sooner.
func newStack(t *testing.T, options ...func(*inprocess.Options)) *stack {
	t.Helper()
	var o inprocess.Options
	for _, name := range []string{"accounts.yaml", "contacts.yaml"} {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		o.Definitions = append(o.Definitions, bytes.Replace(text, []byte("age: 2s"), []byte("age: 300ms"), 1))
	}
	for _, option := range options {
		option(&o)
	}
	s := &stack{Stack: inprocess.Start(t, o)}
	s.admin = s.DB.AdminPool(t)
	s.TakesRecords("accounts", "contacts")
	return s
}

// byJobs has every chunk go by a job, however small.
func byJobs(o *inprocess.Options) { o.ByJobs = true }

// sendings counts the jobs, and the calls of collections, that were made.
func (s *stack) sendings() int { return len(s.Sim.Jobs()) + len(s.Sim.Calls(0, simtest.Collections)) }

// balance is that of a pipeline with all its runs.
func (s *stack) balance(pipeline string) inprocess.Balance {
	s.T.Helper()
	return s.Balance(pipeline, "")
}

// settle waits until n records of a pipeline are accepted and nothing moves.
func (s *stack) settle(pipeline string, n int64) inprocess.Balance {
	s.T.Helper()
	return s.Rest(pipeline, fmt.Sprintf("the load of %d records of %s", n, pipeline), func(b inprocess.Balance) bool { return b.Accepted == n })
}

// publish sends one message; id is its Nats-Msg-Id, "" = none. It is false for a message that the broker itself took for a repeat, within its
// shortest window: that one reaches nobody.
func (s *stack) publish(pipeline, id string, body []byte, frame bool) bool {
	s.T.Helper()
	m := nats.NewMsg(bus.RecordsSubject(pipeline))
	m.Data = body
	if frame {
		m.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
	}
	var options []jetstream.PublishOpt
	if id != "" {
		options = append(options, jetstream.WithMsgID(id))
	}
	ack, err := s.Publish(m, options...)
	s.Must(err)
	return !ack.Duplicate
}

// frame is a file of contacts, one a line.
func frame(prefix string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		b.Write(contact(fmt.Sprintf("%s-%04d", prefix, i)))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// contact is a record that lands by itself. Its values would be hurt by any change of quoting, line ends or encoding.
func contact(id string) []byte {
	text, err := json.Marshal(map[string]string{
		"id": id, "first_name": "Ann \"" + id + "\"", "last_name": "Öst, of " + id, "email": strings.ToLower(id) + "@people.example", "phone": "+1 555 0100",
	})
	if err != nil {
		panic(err)
	}
	return text
}

func keysOf(prefix string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return out
}

// failing makes rows with these keys fail; perKey bounds how often each (0 = for ever).
func (s *stack) failing(text string, perKey int, keys ...string) string {
	s.T.Helper()
	return s.Sim.AddFault(simtest.Fault{
		Where: &simtest.Where{Keys: keys}, TimesPerKey: perKey, Effect: simtest.Effect{Kind: simtest.RowError, Error: text},
	})
}

// closed are the jobs that may have touched the org, oldest first.
func (s *stack) closed() []simtest.Job {
	s.T.Helper()
	var out []simtest.Job
	for _, j := range s.Sim.Jobs() {
		if j.Closed {
			out = append(out, j)
		}
	}
	return out
}

func (s *stack) number(query string, args ...any) int64 {
	s.T.Helper()
	var n int64
	s.Must(s.admin.QueryRow(s.T.Context(), query, args...).Scan(&n))
	return n
}

type letter struct {
	ID         string `json:"id"`
	Key        string `json:"key"`
	Generation int    `json:"generation"`
	Class      string `json:"class"`
	Code       string `json:"code"`
	Message    string `json:"message"`
}

func (s *stack) letters(pipeline string) []letter {
	s.T.Helper()
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	s.Ask(http.MethodGet, "/v1/dead-letters?page_size=1000&pipeline="+pipeline, nil, &page)
	return page.Letters
}

type history struct {
	State      string `json:"state"`
	Generation int    `json:"generation"`
	ID         string `json:"salesforce_id"`
	Successor  string `json:"successor"`
	Events     []struct {
		At      time.Time `json:"at"`
		Service string    `json:"service"`
		What    string    `json:"what"`
		JobID   string    `json:"job_id"`
		Code    string    `json:"code"`
	} `json:"events"`
}

func (s *stack) record(pipeline, key string) history {
	s.T.Helper()
	var r struct {
		Records []history `json:"records"`
	}
	s.Ask(http.MethodGet, "/v1/records?pipeline="+pipeline+"&key="+key, nil, &r)
	if len(r.Records) != 1 {
		s.T.Fatalf("%d records have the key %s", len(r.Records), key)
	}
	return r.Records[0]
}
