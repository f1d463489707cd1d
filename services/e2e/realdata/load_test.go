package realdata

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/inprocess"
)

// exitPart is the exit code of a command that ended with something dead.
const exitPart = 3

func model(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/model.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAnOrgInWhichCaseCounts(t *testing.T) {
	s := start(t, model(t))
	for _, l := range loads {
		t.Run(l.pipeline+" land as far as their parents are there", func(t *testing.T) { s.check(t, l, exactly) })
	}
	t.Run("the numbers are the ones that everybody knows", func(t *testing.T) {
		for pipeline, want := range map[string][2]int{
			"countries": {249, 0}, "regions": {3_987, 0}, "airports": {5_210, 0}, "runways": {7_338, 40_846},
			"frequencies": {15_403, 14_937}, "navaids": {9_752, 1_256},
		} {
			if b, _ := s.balance(t, pipeline); b["landed"] != want[0] || b["dead"] != want[1] {
				t.Errorf("%s: %d landed and %d dead, want %v", pipeline, b["landed"], b["dead"], want)
			}
		}
	})
	t.Run("the same file again lands nothing twice", func(t *testing.T) {
		before, _ := s.balance(t, "airports")
		res := s.load(t, loads[2], "--force")
		if res.code != 0 {
			t.Errorf("exit code %d\n%s", res.code, res.stderr)
		}
		after, repeats := s.balance(t, "airports")
		if !maps.Equal(before, after) || repeats != before["accepted"] {
			t.Errorf("the balance went from %v to %v with %d repeats", before, after, repeats)
		}
		for ident, row := range s.rows(t, "Account", "Ident__c") {
			if row.Versions != 1 {
				t.Fatalf("%s was written %d times", ident, row.Versions)
			}
		}
	})
}

func TestAnOrgInWhichCaseDoesNotCount(t *testing.T) {
	loose := strings.ReplaceAll(model(t), "caseSensitive: true", "caseSensitive: false")
	if loose == model(t) {
		t.Fatal("the model names no caseSensitive any more")
	}
	s := start(t, loose)
	for _, l := range only("countries", "airports", "runways") {
		t.Run(l.pipeline+" land as far as their parents are there", func(t *testing.T) { s.check(t, l, strings.ToLower) })
	}
	t.Run("one runway more finds its airport", func(t *testing.T) {
		if b, _ := s.balance(t, "runways"); b["landed"] != 7_339 || b["dead"] != 40_845 {
			t.Errorf("got %v", b)
		}
	})
}

// load runs the command on the file of a load.
func (s stack) load(t *testing.T, l load, more ...string) result {
	t.Helper()
	return command(t, append([]string{"load", path(l.file), "--pipeline", l.pipeline, "--nats", s.nats, "--ops", s.ops, "--json"}, more...)...)
}

// check loads a file and compares what became of every row of it with what should have.
func (s stack) check(t *testing.T, l load, fold folding) {
	t.Helper()
	rows := read(t, l.file)
	lost := map[int]string{} // the parent that is not there, by line
	for _, p := range l.parents {
		maps.Copy(lost, orphans(rows, p.from, keys(read(t, p.file), fileKey(t, p.file), fold), fold))
	}
	wantCode := 0
	if len(lost) > 0 {
		wantCode = exitPart
	}
	errorsFile := t.TempDir() + "/errors.csv"
	begun := time.Now()
	res := s.load(t, l, "--errors", errorsFile)
	loaded := time.Now()
	defer func() { t.Logf("loaded in %s, checked in %s", loaded.Sub(begun), time.Since(loaded)) }()
	if res.code != wantCode {
		t.Fatalf("exit code %d, want %d\n%s\n%s", res.code, wantCode, res.stdout, res.stderr)
	}
	checkSummary(t, res.stdout, len(rows), len(lost))
	checkErrors(t, errorsFile, lost)

	want := map[string]int{"accepted": len(rows), "landed": len(rows) - len(lost)}
	if len(lost) > 0 {
		want["dead"] = len(lost)
	}
	if got, _ := s.balance(t, l.pipeline); !maps.Equal(got, want) {
		t.Errorf("the balance is %v, want %v", got, want)
	}
	s.checkLetters(t, l, lost)
	s.checkOrg(t, l, rows, lost, fold)
}

// checkSummary: the command says what became of the rows.
func checkSummary(t *testing.T, stdout string, rows, lost int) {
	t.Helper()
	var said struct {
		Rows, Published, Refused int
		Balance                  struct{ Accepted, Landed, Dead int }
		AddsUp                   bool `json:"adds_up"`
		Complete                 bool
		Problems                 []struct {
			Class, Code string
			Records     int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &said); err != nil {
		t.Fatalf("the summary is no JSON object: %v\n%s", err, stdout)
	}
	if said.Rows != rows || said.Published != rows || said.Refused != 0 || !said.AddsUp || !said.Complete ||
		said.Balance.Accepted != rows || said.Balance.Landed != rows-lost || said.Balance.Dead != lost {
		t.Errorf("the summary is %+v, want %d rows and %d of them dead", said, rows, lost)
	}
	if lost > 0 && (len(said.Problems) != 1 || said.Problems[0].Class != "reference" || said.Problems[0].Records != lost) {
		t.Errorf("the problems are %+v", said.Problems)
	}
}

// checkErrors: the errors file holds one line for each row without its parent, in the order of the file, with the parent's name.
func checkErrors(t *testing.T, path string, lost map[int]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		if len(lost) > 0 {
			t.Errorf("no errors file: %v", err)
		}
		return
	}
	defer func() { _ = f.Close() }()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) == 0 {
		t.Errorf("the errors file cannot be read: %v", err)
		return
	}
	if len(all)-1 != len(lost) {
		t.Errorf("the errors file has %d rows, want %d", len(all)-1, len(lost))
	}
	before := 0
	for _, cells := range all[1:] {
		line, err := strconv.Atoi(cells[0])
		if err != nil || line <= before || lost[line] == "" || !strings.Contains(strings.Join(cells, " "), ": "+lost[line]+" not found") {
			t.Errorf("behind line %d the errors file says %q", before, cells)
			return
		}
		before = line
	}
}

func fileKey(t *testing.T, file string) string {
	t.Helper()
	for _, l := range loads {
		if l.file == file {
			return l.column
		}
	}
	t.Fatalf("no load of %s", file)
	return ""
}

// checkLetters: every row without its parent has one letter, which names its line and the parent; nothing else has one.
func (s stack) checkLetters(t *testing.T, l load, lost map[int]string) {
	t.Helper()
	seen := map[int]bool{}
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	// Ops hears of letters by the stream, after the balance knows of them: pages would pass by those that come in between.
	var known int
	if !inprocess.Within(patience, func() bool { known = s.letterCount(t, l.pipeline); return known == len(lost) }) {
		t.Errorf("ops knows %d letters, want %d", known, len(lost))
	}
	s.letters(t, l.pipeline, func(d letter) {
		_, place, _ := strings.Cut(d.Key, ":")
		line, err := strconv.Atoi(place)
		switch {
		case err != nil:
			complain("the key %q of a letter names no line", d.Key)
		case seen[line]:
			complain("line %d has two letters", line)
		case lost[line] == "":
			complain("line %d is dead: %s %s", line, d.Code, d.Message)
		case d.Class != "reference" || d.Code != "INVALID_FIELD" || !strings.Contains(d.Message, "Foreign key external ID: "+lost[line]+" not found"):
			complain("line %d lacks %s, and its letter says %s %s: %s", line, lost[line], d.Class, d.Code, d.Message)
		}
		seen[line] = true
	})
	if len(seen) != len(lost) {
		t.Errorf("%d letters, want %d", len(seen), len(lost))
	}
}

// checkOrg: the org holds every other row, written once, with every value.
func (s stack) checkOrg(t *testing.T, l load, rows []row, lost map[int]string, fold folding) {
	t.Helper()
	parents := make([]map[string]string, len(l.parents)) // Ids by folded key
	for i, p := range l.parents {
		parents[i] = map[string]string{}
		for key, h := range s.rows(t, p.object, p.key) {
			parents[i][fold(key)] = h.ID
		}
	}
	got := s.rows(t, l.object, l.key)
	wrong := []string{}
	for _, r := range rows {
		key := r.cells[l.column]
		h, there := got[key]
		delete(got, key)
		if _, dead := lost[r.line]; dead || !there {
			if dead == there {
				wrong = append(wrong, key+" is there or missing")
			}
			continue
		}
		if h.Versions != 1 {
			wrong = append(wrong, key+" was written "+strconv.Itoa(h.Versions)+" times")
		}
		for _, c := range l.columns {
			if !c.same(r.cells[c.from], h.Fields[c.field]) {
				wrong = append(wrong, key+" has "+c.field+" "+strconv.Quote(h.Fields[c.field])+" for "+strconv.Quote(r.cells[c.from]))
			}
		}
		for i, p := range l.parents {
			if h.Fields[p.field] != parents[i][fold(r.cells[p.from])] {
				wrong = append(wrong, key+" has another "+p.field)
			}
		}
	}
	for key := range got {
		wrong = append(wrong, key+" came from nowhere")
	}
	slices.Sort(wrong)
	for _, w := range wrong[:min(len(wrong), 10)] {
		t.Error(w)
	}
	if len(wrong) > 10 {
		t.Errorf("and %d more", len(wrong)-10)
	}
}
