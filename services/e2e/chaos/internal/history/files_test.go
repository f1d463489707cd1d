package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestWriter(t *testing.T) {
	t.Run("many may write at once, and each value is a line", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "deep", "x.ndjson")
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for n := range 50 {
					if err := w.Put(Event{At: float64(n), Text: "<&>" + strings.Repeat("x", n)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := errors.Join(w.Close(), w.Close()); err != nil || w.Count() != 400 {
			t.Fatalf("%d, %v", w.Count(), err)
		}
		all, err := ReadAll[Event](path)
		if err != nil || len(all) != 400 {
			t.Fatalf("%d lines, %v", len(all), err)
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), "<&>") {
			t.Errorf("texts are not written as they are: %v", err)
		}
	})
	t.Run("the first error stays and Close tells it", func(t *testing.T) {
		w, err := Create(filepath.Join(t.TempDir(), "x.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		first := w.Put(func() {})
		if first == nil || w.Put(Event{}) == nil || w.Close() == nil {
			t.Error("an error was forgotten")
		}
		if !strings.Contains(first.Error(), "line 1") {
			t.Errorf("it does not say where: %v", first)
		}
	})
	t.Run("what is put after Close is refused", func(t *testing.T) {
		w, err := Create(filepath.Join(t.TempDir(), "x.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w.Put(Event{}) == nil {
			t.Error("it was taken")
		}
	})
}

func TestRead(t *testing.T) {
	write := func(t *testing.T, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "x.ndjson")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("a last line that its writer did not finish is left out", func(t *testing.T) {
		all, err := ReadAll[Event](write(t, "{\"what\":\"a\"}\n\n{\"what\":\"b\"}\n{\"what\":\"c"))
		if err != nil || len(all) != 2 {
			t.Fatalf("%v, %v", all, err)
		}
	})
	t.Run("a line that is something else is an error that says where", func(t *testing.T) {
		_, err := ReadAll[Event](write(t, "{\"what\":\"a\"}\nno json\n"))
		if err == nil || !strings.Contains(err.Error(), "x.ndjson, line 2") {
			t.Fatal(err)
		}
	})
	t.Run("members that are not known are passed over", func(t *testing.T) {
		all, err := ReadAll[Event](write(t, "{\"what\":\"a\",\"newer\":1}\n"))
		if err != nil || all[0].What != "a" {
			t.Fatalf("%v, %v", all, err)
		}
	})
	t.Run("a line longer than a buffer is whole, one without end is refused", func(t *testing.T) {
		long := strings.Repeat("x", 300_000)
		all, err := ReadAll[Event](write(t, `{"text":"`+long+"\"}\n"))
		if err != nil || all[0].Text != long {
			t.Fatalf("%d, %v", len(all), err)
		}
		if _, err := ReadAll[Event](write(t, strings.Repeat("x", maxLine+1))); err == nil {
			t.Fatal("it was read")
		}
	})
	t.Run("a file that is not there is told as such", func(t *testing.T) {
		if _, err := ReadAll[Event](filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	})
	t.Run("a reader may stop", func(t *testing.T) {
		n := 0
		for range Read[Event](write(t, "{}\n{}\n{}\n")) {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Error(n)
		}
	})
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "run.json")
	want := Run{Seed: 3, Waiting: "a & b"}
	if err := WriteJSON(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadJSON[Run](path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	t.Run("a file with something behind its value is refused", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("{} {}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadJSON[Run](path); err == nil {
			t.Error("it was read")
		}
	})
	t.Run("a file that is no JSON is refused", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadJSON[Run](path); err == nil {
			t.Error("it was read")
		}
	})
}

func TestARun(t *testing.T) {
	value := "v"
	run := &All{
		Plan: Plan{Seed: 9, Faults: []Fault{{ID: "f1", Kind: Kill, Script: []byte("[]")}}}, Run: Run{Rested: true}, Pipelines: []Pipeline{{Name: "p", Fields: []string{"F"}}},
		Published: []Publication{{Pipeline: "p", Says: map[string]*string{"F": &value, "G": nil}}}, Timeline: []Event{{What: "phase"}},
		Samples: []Sample{{Balance: map[string]Balance{"p": {Accepted: 1}}}}, Records: []OrgRecord{{ID: "1", Versions: []OrgVersion{{Fields: map[string]string{"F": "v"}}}}},
		Jobs: []OrgJob{{ID: "j"}}, Rows: []OrgRow{{Job: "j", Cells: map[string]string{"F": "v"}}}, Calls: []OrgCall{{N: 1}}, Letters: []Letter{{ID: "l"}},
		Final: Final{Balance: map[string]Balance{}, Attempts: map[string]int{"data": 1}}, Landed: []Landed{{Key: "k"}}, Points: Points{Reached: map[string]int{"a": 1}},
	}
	dir := t.TempDir()
	if err := Store(dir, run); err != nil {
		t.Fatal(err)
	}
	t.Run("is read as it was written", func(t *testing.T) {
		got, err := Load(dir)
		if err != nil || !reflect.DeepEqual(got, run) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("may lack its calls and points, and nothing else", func(t *testing.T) {
		for name, optional := range map[string]bool{
			CallsFile: true, PointsFile: true, PlanFile: false, RunFile: false, PipelinesFile: false, PublishedFile: false, TimelineFile: false,
			SamplesFile: false, RecordsFile: false, JobsFile: false, RowsFile: false, LettersFile: false, FinalFile: false, LandedFile: false,
		} {
			other := t.TempDir()
			if err := Store(other, run); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(other, filepath.FromSlash(name))); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(other); (err == nil) != optional {
				t.Errorf("without %s: %v", name, err)
			}
		}
	})
}

// FuzzLines: whatever stands in a file, reading ends, and what is read can be written and read again.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"", "{}\n", "{\"at_ms\":1}\n\n{\"what\":\"x\"", "[]\n", "\x00\n", "{\"at_ms\":1e999}\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var values []Event
		for v, err := range Lines[Event](strings.NewReader(string(text))) {
			if err != nil {
				return
			}
			values = append(values, v)
		}
		path := filepath.Join(t.TempDir(), "x.ndjson")
		if err := store(path, values); err != nil {
			t.Fatal(err)
		}
		again, err := ReadAll[Event](path)
		if err != nil || !reflect.DeepEqual(again, values) {
			t.Fatalf("%v became %v, %v", values, again, err)
		}
	})
}
