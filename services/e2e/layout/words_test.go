package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

const root = "../../.."

var code = regexp.MustCompile("`([^`]+)`")

// page returns docs/architecture.md.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tableAfter returns the rows of the first table after a text, as cells.
func tableAfter(t *testing.T, text, mark string) [][]string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("docs/architecture.md has no %q", mark)
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("docs/architecture.md has no table after %q", mark)
	}
	return rows[2:]
}

func firstWords(rows [][]string) []string {
	var out []string
	for _, r := range rows {
		for _, m := range code.FindAllStringSubmatch(r[0], -1) {
			out = append(out, m[1])
		}
	}
	return out
}

func wordsOf(cell string) []string {
	var out []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// lineAfter returns the words of the line that starts with a mark.
func lineAfter(t *testing.T, text, mark string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("docs/architecture.md has no %q", mark)
	}
	line, _, _ := strings.Cut(rest, "\n")
	return wordsOf(line)
}

func same(t *testing.T, what string, docs, inCode []string) {
	t.Helper()
	docs, inCode = slices.Clone(docs), slices.Clone(inCode)
	slices.Sort(docs)
	slices.Sort(inCode)
	if !slices.Equal(docs, inCode) {
		t.Errorf("%s differ:\n  docs/architecture.md: %v\n  code:                 %v", what, docs, inCode)
	}
}

func strs[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

// checkWords returns the words that a CHECK constraint of a migration allows for a column of a table.
func checkWords(t *testing.T, service, table, column string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "services", service, "internal/store/migrations/00001_init.sql"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "CREATE TABLE "+service+"."+table+" (")
	if !ok {
		t.Fatalf("the migration of %s makes no table %s", service, table)
	}
	rest, _, _ = strings.Cut(rest, "\n);")
	m := regexp.MustCompile(`CHECK \(` + column + ` IN \(([^)]*)\)\)`).FindStringSubmatch(rest)
	if m == nil {
		t.Fatalf("%s.%s has no CHECK on %s", service, table, column)
	}
	var out []string
	for _, w := range strings.Split(m[1], ",") {
		out = append(out, strings.Trim(strings.TrimSpace(w), "'"))
	}
	return out
}

func TestDocsAndCodeUseTheSameWords(t *testing.T) {
	text := page(t)
	t.Run("record states are those of the balance", func(t *testing.T) {
		same(t, "record states", firstWords(tableAfter(t, text, "**Record**")), strs(record.States()))
	})
	t.Run("row outcomes", func(t *testing.T) {
		same(t, "row outcomes", firstWords(tableAfter(t, text, "**Row outcome**")), strs(record.Outcomes()))
	})
	t.Run("classes", func(t *testing.T) {
		same(t, "classes", firstWords(tableAfter(t, text, "## Classes")), strs(record.Classes()))
	})
	t.Run("submission states", func(t *testing.T) {
		same(t, "submission states", firstWords(tableAfter(t, text, "**Submission**")), checkWords(t, "submitter", "submissions", "state"))
	})
	t.Run("states of a job in the submitter's book", func(t *testing.T) {
		same(t, "job states", lineAfter(t, text, "**Job in the submitter's book**"), checkWords(t, "submitter", "jobs", "state"))
	})
	t.Run("watch states", func(t *testing.T) {
		same(t, "watch states", lineAfter(t, text, "**Watch**"), checkWords(t, "poller", "watches", "state"))
	})
	t.Run("states of a chunk at the reconciler", func(t *testing.T) {
		same(t, "reconciler states", lineAfter(t, text, "**Chunk at the reconciler**"), checkWords(t, "reconciler", "work", "state"))
	})
	t.Run("services are the directories that have a schema", func(t *testing.T) {
		dirs, err := filepath.Glob(filepath.Join(root, "services/*/internal/store/migrations"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range dirs {
			rel, err := filepath.Rel(filepath.Join(root, "services"), d)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, strings.Split(filepath.ToSlash(rel), "/")[0])
		}
		same(t, "services", firstWords(tableAfter(t, text, "### Services")), names)
	})
	t.Run("facts are the members of the envelope", func(t *testing.T) {
		said := map[string]bool{}
		for _, row := range tableAfter(t, text, "### Services") {
			for _, w := range wordsOf(row[4]) {
				said[w] = true
			}
		}
		var docs, members []string
		for w := range said {
			docs = append(docs, w)
		}
		fields := (&flowv1.Envelope{}).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range fields.Len() {
			members = append(members, string(fields.Get(i).Name()))
		}
		same(t, "facts", docs, members)
	})
	t.Run("streams", func(t *testing.T) {
		same(t, "streams", firstWords(tableAfter(t, text, "### Streams")), []string{bus.RecordsStream("<pipeline>"), bus.StreamFlow, bus.StreamDLQ})
	})
}
