package realdata

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// row is one record of a file: its cells by column, and the line on which it begins.
type row struct {
	line  int
	cells map[string]string
}

// read reads a file whole.
func read(t *testing.T, name string) []row {
	t.Helper()
	f, err := os.Open(path(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r := csv.NewReader(z)
	header, err := r.Read()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out []row
	for {
		cells, err := r.Read()
		if err != nil {
			break
		}
		line, _ := r.FieldPos(0)
		one := row{line: line, cells: map[string]string{}}
		for i, c := range cells {
			one.cells[header[i]] = c
		}
		out = append(out, one)
	}
	if err := z.Close(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func path(name string) string { return filepath.Join(files(), name+".csv.gz") }

// folding says how an org compares its keys.
type folding func(string) string

func exactly(s string) string { return s }

// keys are the values of a column, as the org compares them.
func keys(rows []row, column string, fold folding) map[string]bool {
	out := make(map[string]bool, len(rows))
	for _, r := range rows {
		out[fold(r.cells[column])] = true
	}
	return out
}

// orphans are the lines of the rows that name a parent which is not there. A row that names none has no need of one.
func orphans(rows []row, column string, parents map[string]bool, fold folding) map[int]string {
	out := map[int]string{}
	for _, r := range rows {
		if name := r.cells[column]; name != "" && !parents[fold(name)] {
			out[r.line] = name
		}
	}
	return out
}

func TestTheFilesAreTheOnesThatWereCounted(t *testing.T) {
	for name, want := range map[string]int{
		"countries": 249, "regions": 3_987, "airports": 5_210, "runways": 48_184, "airport-frequencies": 30_340, "navaids": 11_008,
	} {
		if got := len(read(t, name)); got != want {
			t.Errorf("%s has %d records, want %d", name, got, want)
		}
	}
	airports := read(t, "airports")
	for _, tc := range []struct {
		file, column string
		fold         folding
		orphans      int
	}{
		{"runways", "airport_ident", exactly, 40_846},
		{"runways", "airport_ident", strings.ToLower, 40_845},
		{"airport-frequencies", "airport_ident", exactly, 30_340 - 15_403},
		{"navaids", "associated_airport", exactly, 1_256},
	} {
		if got := len(orphans(read(t, tc.file), tc.column, keys(airports, "ident", tc.fold), tc.fold)); got != tc.orphans {
			t.Errorf("%d %s name an airport that is not there, want %d", got, tc.file, tc.orphans)
		}
	}
}
