package load

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func TestLines(t *testing.T) {
	t.Run("every record's line is found again by its place", rapid.MakeCheck(func(t *rapid.T) {
		var l lines
		type at struct {
			sequence uint64
			index    int
		}
		want := map[at]int64{}
		line, sequence := int64(1), uint64(0)
		for range rapid.IntRange(0, 8).Draw(t, "frames") {
			sequence += rapid.Uint64Range(1, 3).Draw(t, "gap")
			n := rapid.IntRange(1, 30).Draw(t, "records")
			for i := range n {
				l.added(line)
				want[at{sequence, i}] = line
				line += rapid.SampledFrom([]int64{1, 1, 1, 2, 300}).Draw(t, "step")
			}
			l.stored(sequence, n)
			if got := l.at(sequence, n); got != 0 {
				t.Fatalf("behind the frame's end: line %d", got)
			}
		}
		for p, w := range want {
			if got := l.at(p.sequence, p.index); got != w {
				t.Fatalf("%+v is on line %d, want %d", p, got, w)
			}
		}
		if l.at(sequence+1, 0) != 0 || l.at(0, 0) != 0 {
			t.Fatal("a place that is none of ours has a line")
		}
	}))
	t.Run("a million rows of a line each take next to nothing", func(t *testing.T) {
		var l lines
		for i := range 1_000_000 {
			l.added(int64(i + 2))
			if i%1000 == 999 {
				l.stored(uint64(i/1000+1), 1000)
			}
		}
		if size := len(l.log) + 16*len(l.frames); size > 32<<10 {
			t.Errorf("%d bytes", size)
		}
	})
}

func TestLineOfAKey(t *testing.T) {
	prefix := strings.Repeat("0a", keyDigits/2)
	for k, want := range map[string]int64{
		key(prefix, 7): 7, key(prefix, 1<<40): 1 << 40, key(prefix, 7) + "#ab12": 7, "": 0, prefix: 0, prefix + ":": 0, prefix + ":x": 0,
		prefix + ":-7": 0, prefix + ";7": 0, strings.Repeat("0b", keyDigits/2) + ":7": 0, "@12.3": 0, prefix + ":99999999999999999999": 0,
	} {
		if got := lineOf(prefix, k); got != want {
			t.Errorf("%q is line %d, want %d", k, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "errors.csv")
	p, err := newProblems(3, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []int64{40, 7, 0, 9, 3} {
		if err := p.put(Problem{Line: line, State: "dead", Class: "data", Code: "X", Message: fmt.Sprintf("=cmd|%d\nnext", line), Key: "@1.2"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.refuse(5, "too large"); err != nil {
		t.Fatal(err)
	}
	t.Run("the first in the order of the file are shown", func(t *testing.T) {
		var got []int64
		for _, e := range p.examples {
			got = append(got, e.Line)
		}
		if fmt.Sprint(got) != "[3 5 7]" {
			t.Errorf("%v", got)
		}
	})
	t.Run("all are counted by reason", func(t *testing.T) {
		want := []Count{{State: "dead", Class: "data", Code: "X", Records: 5}, {State: StateRefused, Records: 1}}
		if got := p.list(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the file has all in order, what has no line last, and nothing that a spreadsheet runs", func(t *testing.T) {
		if err := p.file.finish(true); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := "line,state,class,code,message,key,letter_id,run\n"
		for _, line := range []string{"3", "5", "7", "9", "40", ""} {
			if line == "5" {
				want += "5,refused,,,too large,,,\n"
				continue
			}
			n := line
			if n == "" {
				n = "0"
			}
			want += line + ",dead,data,X,\"'=cmd|" + n + "\nnext\",'@1.2,,\n"
		}
		if string(got) != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
	t.Run("nothing stays of a file without a good end", func(t *testing.T) {
		dir := t.TempDir()
		p, err := newProblems(3, filepath.Join(dir, "errors.csv"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.refuse(1, "x"), p.file.finish(false)); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%v", left)
		}
	})
	t.Run("a directory that is not there is an error of usage", func(t *testing.T) {
		var use *UsageError
		if _, err := newProblems(3, filepath.Join(t.TempDir(), "absent", "e.csv")); !errors.As(err, &use) {
			t.Errorf("%v", err)
		}
	})
}

func TestDecided(t *testing.T) {
	marks := func(places ...int64) []*opsv1.Checkpoint {
		var out []*opsv1.Checkpoint
		for i := 0; i < len(places); i += 2 {
			out = append(out, &opsv1.Checkpoint{Lane: int32(i), Seq: places[i], Index: int32(places[i+1])})
		}
		return out
	}
	for name, c := range map[string]struct {
		marks []*opsv1.Checkpoint
		want  bool
	}{
		"no mark, nothing is read":             {nil, false},
		"every lane stands behind the message": {marks(8, 0, 7, frameEnd), true},
		"a lane stands inside the message":     {marks(8, 0, 7, 12), false},
		"a lane stands before the message":     {marks(8, 0, 6, frameEnd), false},
		"a mark that is none decides nothing":  {marks(-1, 0), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decided(c.marks, 7); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}
