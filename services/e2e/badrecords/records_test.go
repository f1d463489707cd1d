package badrecords

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// maxMemory is what taking one message apart may allocate in all, freed or not.
const maxMemory = 16 * mebi

// TestNoRecordCostsMuchMemory looks at everything that is allocated on the way from a message to its cells.
func TestNoRecordCostsMuchMemory(t *testing.T) {
	defs := map[string]*pipeline.Definition{}
	for name, text := range pipelines {
		d, _, err := pipeline.ParseDefinition([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		defs[name] = d
	}
	for _, m := range messages(t) {
		if m.verdict == refusedByThePublisher {
			continue
		}
		body := []byte(m.body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		raw, _ := bus.DecodeFrame(m.header, body)
		for _, r := range raw {
			_, _ = defs[m.target()].Map(r.Body)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > maxMemory {
			t.Errorf("case %d (%s) takes %d bytes of memory", m.n, m.name, used)
		}
	}
}

func (m message) target() string {
	if m.pipeline == "" {
		return "widgets"
	}
	return m.pipeline
}

func objectOf(name string) string {
	d, _, err := pipeline.ParseDefinition([]byte(pipelines[name]))
	if err != nil {
		panic(err)
	}
	return d.Object
}

// sent is a message on its way.
type sent struct {
	message

	run  string
	body []byte
	// err is what the publisher was told.
	err error
}

// TestBadRecords sends them by jobs, as CSV, and by calls of collections, as JSON: the same becomes of each.
func TestBadRecords(t *testing.T) {
	for name, byJobs := range map[string]bool{"by jobs": true, "by calls": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			badRecords(t, byJobs)
		})
	}
}

func badRecords(t *testing.T, byJobs bool) {
	t.Helper()
	lines := catalogue(t)
	s := newStack(t, byJobs)
	t.Run("definitions", func(t *testing.T) {
		for _, d := range documents {
			t.Run(fmt.Sprintf("%d: %s", d.n, d.name), func(t *testing.T) { s.refuses(t, d) })
		}
	})
	s.Sim.Seed("Keep__c", f{"Ext__c": "alien", "Name": "x"})
	alien, _ := s.Sim.Record("Keep__c", "alien")
	var all []sent
	for i, m := range messages(t) {
		all = append(all, s.shoot(i, m, alien.ID))
	}
	checks := map[int]func(*testing.T, *stack){}
	for i, p := range plays {
		checks[i] = p.publish(s)
	}
	s.settle()
	uploads := s.uploads()
	kept := s.kept()
	t.Run("messages", func(t *testing.T) {
		for _, m := range all {
			t.Run(fmt.Sprintf("%d: %s: %s is %s", m.n, lines[m.n].what, m.name, m.verdict), func(t *testing.T) { s.check(t, m, uploads, kept) })
		}
	})
	t.Run("plays", func(t *testing.T) {
		for i, p := range plays {
			t.Run(fmt.Sprintf("%d: %s: %s", p.n, lines[p.n].what, p.name), func(t *testing.T) { checks[i](t, s) })
		}
	})
	t.Run("what is refused before the org stands in groups of its own and never reaches the org", func(t *testing.T) {
		s.groups(t, all, uploads)
	})
	t.Run("repeats are counted by pipeline, for whoever asks and for whoever watches", func(t *testing.T) {
		metrics := s.Get("/metrics")
		for name, want := range map[string]int64{"keyed": 1, "named": 2, "inserts": 1, "widgets": 0} {
			line := fmt.Sprintf("bulkhead_repeats{pipeline=%q} %d\n", name, want)
			if got := s.Balance(name, "").Repeats; got != want || !bytes.Contains(metrics, []byte(line)) {
				t.Errorf("%s has %d repeats, want %d and the line %s", name, got, want, line)
			}
		}
	})
	t.Run("an export gives a spreadsheet no formula", func(t *testing.T) {
		raw := s.Get("/v1/exports/failed?pipeline=widgets&format=csv")
		table, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if err != nil || len(table) < 2 {
			t.Fatalf("%v: %s", err, raw)
		}
		for _, cell := range slices.Concat(table...) {
			if strings.HasPrefix(cell, "=") {
				t.Errorf("a cell is %q", cell)
			}
		}
		if !bytes.Contains(raw, []byte("'=2+5")) {
			t.Errorf("the record of the formula is not there as text")
		}
	})
}

// refuses asks ops to apply a definition that cannot work.
func (s *stack) refuses(t *testing.T, d document) {
	t.Helper()
	status, raw, err := s.Call(http.MethodPut, "/v1/pipelines/bad", map[string]string{"yaml": d.text, "by": "a test"})
	s.Must(err)
	var said struct{ Message string }
	if err := json.Unmarshal(raw, &said); err != nil || status != http.StatusBadRequest || !strings.Contains(said.Message, d.says) {
		t.Errorf("%d: %s, want a refusal with %q", status, raw, d.says)
	}
	if status, _, err := s.Call(http.MethodGet, "/v1/pipelines/bad", nil); err != nil || status != http.StatusNotFound {
		t.Errorf("the pipeline is there: %d, %v", status, err)
	}
}

// shoot publishes a message as a run of its own.
func (s *stack) shoot(i int, m message, alien string) sent {
	s.T.Helper()
	out := sent{message: m, run: fmt.Sprintf("case-%d-%d", m.n, i)}
	if out.entity == "" {
		out.entity = fmt.Sprintf("r%d-%d", m.n, i)
	}
	id := ""
	if m.seed != nil {
		row := maps.Clone(m.seed)
		row["Ext__c"] = out.entity
		s.Sim.Seed(objectOf(m.target()), row)
		r, ok := s.Sim.Record(objectOf(m.target()), out.entity)
		if !ok {
			s.T.Fatalf("case %d: no row was seeded", m.n)
		}
		id = r.ID
	}
	entity, err := json.Marshal(out.entity)
	s.Must(err)
	short := id[:min(len(id), 15)]
	fill := strings.NewReplacer("$SF15", short, "$SF", id, "$ALIEN", alien, `"$ID"`, string(entity))
	out.body = []byte(fill.Replace(m.body))
	if want := m.want; want != nil {
		out.want = f{}
		for field, value := range want {
			out.want[field] = fill.Replace(value)
		}
	}
	msg := nats.NewMsg(bus.RecordsSubject(m.target()))
	if m.subject != "" {
		msg.Subject = m.subject
	}
	msg.Data = out.body
	for name, values := range m.header {
		msg.Header[name] = values
	}
	msg.Header.Set(bus.HeaderRun, out.run)
	_, out.err = s.publish(msg)
	if (out.err != nil) != (m.verdict == refusedByThePublisher) {
		s.T.Fatalf("case %d (%s): the publisher is told %v", m.n, m.name, out.err)
	}
	return out
}

// check asks what became of a message.
func (s *stack) check(t *testing.T, m sent, uploads map[string]map[string]map[string]string, kept map[string]jetstream.RawStreamMsg) {
	t.Helper()
	if m.verdict == refusedByThePublisher {
		if b := s.Balance("", m.run); b.Accepted+b.Repeats != 0 {
			t.Errorf("told %v, and %+v", m.err, b)
		}
		return
	}
	if got := s.ended(t, m.target(), m.run); got != m.verdict {
		t.Fatalf("it is %s", got)
	}
	if code, dead := strings.CutPrefix(m.verdict, "dead "); dead {
		s.checkLetter(t, m, code, kept)
	}
	object := objectOf(m.target())
	switch {
	case maps.Equal(m.want, deleted):
		if rows := s.Sim.Holding(object, "Ext__c", m.entity, true); len(rows) != 1 || !rows[0].Deleted {
			t.Errorf("the org holds %+v", rows)
		}
	case m.want != nil:
		s.wantRow(t, object, m.entity, m.want)
	}
	for field, want := range m.sent {
		if got := uploads[object][m.entity][field]; got != want {
			t.Errorf("%s was sent as %q, want %q", field, got, want)
		}
	}
}

// checkLetter: the record is kept as it was, in the ledger and in the stream.
func (s *stack) checkLetter(t *testing.T, m sent, code string, kept map[string]jetstream.RawStreamMsg) {
	t.Helper()
	found := s.letters(m.target(), m.run)[0]
	l := s.letter(found.ID)
	payload := m.body
	if m.header[bus.HeaderContentType] != nil && m.header[bus.HeaderContentType][0] == bus.TypeProtobuf && code != record.CodeFrameUnreadable {
		payload = []byte(batched) // the record of the batch, as its publisher wrote it
	}
	sum := sha256.Sum256(payload)
	if got := append([]byte(l.Payload), l.PayloadBytes...); !bytes.Equal(got, payload) || l.PayloadSHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the ledger keeps %d bytes, %d were published", len(got), len(payload))
	}
	stage, class := "extract", "data"
	if !slices.Contains(record.RefusalCodes(), code) {
		stage = l.Stage // the org decided
	}
	if l.Stage != stage || l.Class != class || l.Code != code || l.Message == "" || len(l.Message) > 4096 || !strings.Contains(l.Message, m.says) {
		t.Errorf("the letter says %+v", l)
	}
	if m.n == 19 && !strings.HasPrefix(l.Key, "@") {
		t.Errorf("the key is %q", l.Key)
	}
	msg, ok := kept[found.ID]
	if !ok {
		t.Fatal("the letter is not in the stream")
	}
	if want := bus.DLQSubject(m.target(), class); msg.Subject != want {
		t.Errorf("the letter is on %s, want %s", msg.Subject, want)
	}
	var letter bus.DeadLetter
	if err := json.Unmarshal(msg.Data, &letter); err != nil {
		t.Fatal(err)
	}
	switch {
	case letter.Truncated:
		if letter.PayloadSize != len(payload) || letter.PayloadSHA256 != hex.EncodeToString(sum[:]) || !bytes.HasPrefix(payload, letter.Payload) {
			t.Errorf("the letter keeps %d of %d bytes", len(letter.Payload), letter.PayloadSize)
		}
	case !bytes.Equal(letter.Payload, payload):
		t.Errorf("the letter keeps %q", letter.Payload)
	}
	if letter.Code != code || letter.Key != l.Key || letter.Run != m.run {
		t.Errorf("the letter says %s of %s in %s", letter.Code, letter.Key, letter.Run)
	}
}

// groups: operators see the refused records by what is wrong with them.
func (s *stack) groups(t *testing.T, all []sent, uploads map[string]map[string]map[string]string) {
	t.Helper()
	want := map[string]int{}
	for _, m := range all {
		code, dead := strings.CutPrefix(m.verdict, "dead ")
		if !dead || m.target() != "widgets" || !slices.Contains(record.RefusalCodes(), code) {
			continue
		}
		want[code]++
		if row, ok := uploads[objectOf(m.target())][m.entity]; ok {
			t.Errorf("case %d (%s) was sent: %q", m.n, m.name, row)
		}
		if _, ok := s.Sim.Record(objectOf(m.target()), m.entity); ok {
			t.Errorf("case %d (%s) is in the org", m.n, m.name)
		}
	}
	var answer struct {
		Groups []struct {
			Class string `json:"class"`
			Code  string `json:"code"`
			Count int    `json:"count"`
		} `json:"groups"`
	}
	s.Ask(http.MethodGet, "/v1/dead-letter-groups?pipeline=widgets", nil, &answer)
	got := map[string]int{}
	for _, g := range answer.Groups {
		if slices.Contains(record.RefusalCodes(), g.Code) && g.Class == "data" {
			got[g.Code] += g.Count
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
}
