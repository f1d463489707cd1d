//go:build bench

package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bulkhead/libs/local"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
)

// Rows of a file that do not land, by their number: some have too few cells and are refused by the load, some hold what no column can and are refused
// before the org, some lack what the org wants.
const (
	everyShort, atShort     = 2000, 7
	everyMarker, atMarker   = 1000, 250
	everyLacking, atLacking = 500, 499
)

// line is the physical line of row i, below the header.
func line(i int64) int64 { return i + 2 }

// writeFile writes so many rows, and says why some of them will not land, by their lines.
func writeFile(t *testing.T, path string, rows int64) map[int64]string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(f)
	fmt.Fprintln(out, "id,first_name,last_name,email,phone,loyalty_number,lead_source")
	bad := map[int64]string{}
	var row []byte
	for i := range rows {
		row = people.AppendCSV(row[:0], i)
		switch {
		case i%everyShort == atShort:
			bad[line(i)], row = "", append(people.AppendKey(row[:0], i), ",Ada\n"...)
		case i%everyMarker == atMarker:
			bad[line(i)], row = "UNREPRESENTABLE", append(people.AppendKey(row[:0], i), ",Ada,#N/A,,,,\n"...)
		case i%everyLacking == atLacking:
			bad[line(i)], row = "REQUIRED_FIELD_MISSING", append(people.AppendKey(row[:0], i), ",Ada,,,,,\n"...)
		}
		_, _ = out.Write(row) // Flush says what went wrong
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return bad
}

// A file is loaded by the command as it is shipped, to the end: its summary is exact, it shows how far it is, and a hundred times as many rows take
// no more memory.
func TestTheCommandLoadsAMillionRowsWithNoMoreMemoryThanFewer(t *testing.T) {
	const few, many, room = 10_000, 1_000_000, 16 << 20
	bin, done, err := (&loadFlags{}).binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	small, large := loadFile(t, bin, few), loadFile(t, bin, many)
	t.Logf("%d KiB for %d rows, %d KiB for %d", small>>10, few, large>>10, many)
	if small == 0 || large > small+room {
		t.Errorf("%d bytes for %d rows, %d for %d", small, few, large, many)
	}
}

// loadFile loads a file on a new stack and says what the command held at most, in bytes.
func loadFile(t *testing.T, bin string, rows int64) (peak int64) {
	t.Helper()
	dir := t.TempDir()
	file, errorsFile := filepath.Join(dir, "people.csv"), filepath.Join(dir, "errors.csv")
	bad := writeFile(t, file, rows)
	p, err := parts.Start(t.Context(), parts.Options{Bin: bin, Definition: people.Definition(people.Usual()), SharedBuffers: local.SharedBuffers()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	var said bytes.Buffer
	tool, err := p.Tool("load", filepath.Join(bin, "bulkhead"), func(line []byte) { said.Write(line); said.WriteByte('\n') },
		"load", file, "--pipeline", people.Pipeline, "--nats", p.NATSURL, "--ops", p.OpsURL, "--errors", errorsFile)
	if err != nil {
		t.Fatal(err)
	}
	use, err := tool.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, err := tool.Log()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows:\n%s%s", rows, said.String(), log)
	if code := tool.State().ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3: rows of the file did not land", code)
	}
	refused, dead := rows/everyShort, rows/everyMarker+rows/everyLacking
	landed := rows - refused - dead
	summary(t, said.String(), refused, dead, landed, rows)
	if err := p.Ended(); err != nil {
		t.Error(err)
	}
	if n, err := p.Org.Rows(t.Context(), people.Object); err != nil || n != landed {
		t.Errorf("the org holds %d rows, not %d: %v", n, landed, err)
	}
	failedRows(t, errorsFile, bad)
	progressLines(t, log, rows)
	return use.Peak
}

// summary holds what the command printed to the numbers that are known.
func summary(t *testing.T, said string, refused, dead, landed, rows int64) {
	t.Helper()
	got := map[string]string{}
	for line := range strings.Lines(said) {
		if name, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "  ") {
			got[name] = strings.ReplaceAll(strings.TrimSpace(n), ",", "")
		}
	}
	want := map[string]int64{"rows": rows, "refused": refused, "published": rows - refused, "landed": landed, "dead": dead}
	for name, n := range want {
		if got[name] != strconv.FormatInt(n, 10) {
			t.Errorf("%s: %q, want %d", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("numbers of the summary: %v", got)
	}
}

// failedRows holds the file of what did not land to the lines and reasons that are known.
func failedRows(t *testing.T, path string, bad map[int64]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const lineCell, codeCell = 0, 3
	last := int64(0)
	for _, cells := range table[1:] {
		n, err := strconv.ParseInt(cells[lineCell], 10, 64)
		if code, ok := bad[n]; err != nil || !ok || code != cells[codeCell] || n <= last {
			t.Fatalf("%q: want %q behind line %d, %v", cells, code, last, err)
		}
		last = n
	}
	if len(table)-1 != len(bad) {
		t.Errorf("%d rows of %d that did not land", len(table)-1, len(bad))
	}
}

var progressLine = regexp.MustCompile(`^([a-z ]+): (\d+) of (\d+) \(`)

// progressLines looks at what was told on the way: each phase begins with a line, and its numbers never go back.
func progressLines(t *testing.T, log string, rows int64) {
	t.Helper()
	var phases []string
	told, last := 0, int64(0)
	for line := range strings.Lines(log) {
		m := progressLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		told++
		if len(phases) == 0 || phases[len(phases)-1] != m[1] {
			phases, last = append(phases, m[1]), 0
		}
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || n < last {
			t.Errorf("%d behind %d: %s", n, last, line)
		}
		last = n
		if total, err := strconv.ParseInt(m[3], 10, 64); m[1] == "publish" && (err != nil || total != rows) {
			t.Errorf("not of %d rows: %s", rows, line)
		}
	}
	if want := []string{"read", "publish", "carry", "read what failed"}; !slices.Equal(phases, want) || told <= len(want) {
		t.Errorf("%d lines of phases %q, want some for each of %q, and more for those that take time", told, phases, want)
	}
}
