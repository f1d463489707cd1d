package badrecords

import (
	"bytes"
	"encoding/csv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/orgsim/simtest"
)

// wantRow asks the org for the one row with an external id, and returns its id.
func (s *stack) wantRow(t *testing.T, object, entity string, want f) string {
	t.Helper()
	rows := s.Sim.Holding(object, "Ext__c", entity, false)
	if len(rows) != 1 {
		t.Fatalf("the org holds %d rows %q", len(rows), entity)
	}
	for field, value := range want {
		if got := rows[0].Fields[field]; got != value {
			t.Errorf("%s is %q, want %q", field, got, value)
		}
	}
	return rows[0].ID
}

type letter struct {
	ID            string `json:"id"`
	Key           string `json:"key"`
	Class         string `json:"class"`
	Code          string `json:"code"`
	Message       string `json:"message"`
	Stage         string `json:"stage"`
	Payload       string `json:"payload"`
	PayloadBytes  []byte `json:"payload_bytes"`
	PayloadSHA256 string `json:"payload_sha256"`
	Attempts      []struct {
		Code string `json:"code"`
	} `json:"attempts"`
}

func (s *stack) letters(pipeline, run string) []letter {
	s.T.Helper()
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	s.Ask(http.MethodGet, "/v1/dead-letters?page_size=1000&"+url.Values{"pipeline": {pipeline}, "run": {run}}.Encode(), nil, &page)
	return page.Letters
}

func (s *stack) letter(id string) letter {
	s.T.Helper()
	var out struct {
		Letter letter `json:"dead_letter"`
	}
	s.Ask(http.MethodGet, "/v1/dead-letters/"+id, nil, &out)
	return out.Letter
}

// sendings counts the jobs, and the calls of collections, that were made.
func (s *stack) sendings() int { return len(s.Sim.Jobs()) + len(s.Sim.Calls(0, simtest.Collections)) }

// uploads are the cells that were sent last, by object, external id and column.
func (s *stack) uploads() map[string]map[string]map[string]string {
	s.T.Helper()
	out := map[string]map[string]map[string]string{}
	for _, c := range s.Sim.Collections() {
		if out[c.Object] == nil {
			out[c.Object] = map[string]map[string]string{}
		}
		for _, r := range c.Rows {
			out[c.Object][r.Cells["Ext__c"]] = r.Cells
		}
	}
	for _, j := range s.Sim.Jobs() {
		if !j.Closed {
			continue
		}
		table, err := csv.NewReader(bytes.NewReader(s.Sim.UploadOf(j.ID))).ReadAll()
		s.Must(err)
		if out[j.Object] == nil {
			out[j.Object] = map[string]map[string]string{}
		}
		for _, line := range table[1:] {
			row := map[string]string{}
			for i, name := range table[0] {
				row[name] = line[i]
			}
			out[j.Object][row["Ext__c"]] = row
		}
	}
	return out
}

// kept are the letters in the DLQ stream, by their ids.
func (s *stack) kept() map[string]jetstream.RawStreamMsg {
	s.T.Helper()
	out := map[string]jetstream.RawStreamMsg{}
	stream, err := s.Conn.JS.Stream(s.T.Context(), bus.StreamDLQ)
	s.Must(err)
	info, err := stream.Info(s.T.Context())
	s.Must(err)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(s.T.Context(), seq)
		s.Must(err)
		if id := m.Header.Get(bus.HeaderDeadLetter); id != "" {
			out[id] = *m
		}
	}
	return out
}

// subjects are all on which anything is stored.
func (s *stack) subjects(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range []string{bus.StreamFlow, bus.StreamDLQ, bus.RecordsStream("named")} {
		stream, err := s.Conn.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Collect(maps.Keys(info.State.Subjects))...)
	}
	return out
}
