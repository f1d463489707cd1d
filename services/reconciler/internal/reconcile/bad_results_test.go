package reconcile_test

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/services/reconciler/internal/reconcile"
)

// badCase plays one case of testdata/results.txt and says what became of it.
type badCase func(t *testing.T, b *bundle) string

// badCases are the tests of testdata/results.txt by number.
func badCases() map[int]badCase {
	all := map[int]badCase{}
	for _, part := range []map[int]badCase{fileCases(), rowCases(), contentCases(), transportCases(), answerCases()} {
		for n, test := range part {
			if _, twice := all[n]; twice {
				panic(fmt.Sprintf("case %d has two tests", n))
			}
			all[n] = test
		}
	}
	return all
}

// listed is a line of the list.
type listed struct {
	n             int
	name, verdict string
}

func list(t *testing.T) []listed {
	t.Helper()
	f, err := os.Open("testdata/results.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []listed
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.Split(lines.Text(), " | ")
		n, err := strconv.Atoi(cells[0])
		if len(cells) != 3 || err != nil {
			t.Fatalf("testdata/results.txt: %q is not: number | case | verdict", lines.Text())
		}
		out = append(out, listed{n, cells[1], cells[2]})
	}
	return out
}

func TestBadResultsAndAnswers(t *testing.T) {
	t.Parallel()
	tests := badCases()
	cases := list(t)
	for i, c := range cases {
		if c.n != i+1 {
			t.Fatalf("case %d stands in the place of case %d", c.n, i+1)
		}
		if tests[c.n] == nil {
			t.Errorf("case %d (%s) has no test", c.n, c.name)
		}
	}
	for n := range tests {
		if n < 1 || n > len(cases) {
			t.Errorf("the test of case %d has no line in the list", n)
		}
	}
	if len(cases) != 85 {
		t.Fatalf("%d cases are listed, there are 85", len(cases))
	}
	shared := setup(t)
	for _, c := range cases {
		test := tests[c.n]
		if test == nil {
			continue
		}
		t.Run(fmt.Sprintf("%d %s: %s", c.n, c.name, c.verdict), func(t *testing.T) {
			b := *shared
			b.t = t
			b.form = upserts
			defer func() { shared.jobs, shared.now = b.jobs, b.now }()
			// Whatever an earlier case left is nobody's work.
			b.exec(`UPDATE poller.watches SET reconciled_at = now()`)
			b.exec(`DELETE FROM reconciler.work`)
			b.exec(`DELETE FROM reconciler.pauses`)
			b.exec(`DELETE FROM reconciler.outbox`)
			if got := test(t, &b); got != c.verdict {
				t.Errorf("got %q", got)
			}
		})
	}
}

// whole are the success file of a chunk of three rows that landed, and its counters.
var whole = landed("a-0", "a-1", "a-2")

// answers are what the scripted org gives out, by file.
type answers map[string]http.HandlerFunc

// play runs a chunk of three upserted rows against an org that answers so, for a day, and says what became of it.
func play(b *bundle, processed, failed int64, files answers) string {
	b.t.Helper()
	_, said := playChunk(b, processed, failed, files)
	return said
}

func playChunk(b *bundle, processed, failed int64, files answers) (*sealed, string) {
	b.t.Helper()
	s := b.script()
	for name, h := range files {
		s.set(name, h)
	}
	c := b.scripted(3, "JobComplete", processed, failed)
	b.run(b.reconciler(), 24*time.Hour)
	return c, c.became()
}

// became says what the ledger holds of a chunk.
func (c *sealed) became() string {
	c.b.t.Helper()
	w := c.work()
	if w["state"] == "quarantined" {
		pauses := c.b.pauses()
		if c.hasOutcome() || len(pauses) != 1 {
			c.b.t.Errorf("quarantined with an outcome or %v", pauses)
		}
		return "quarantined " + strings.TrimPrefix(pauses[0], "unclassified ")
	}
	if !c.hasOutcome() {
		return fmt.Sprint(w["state"])
	}
	o := c.outcome()
	var said []string
	for _, f := range c.failures() {
		text := f.Outcome + ": " + f.Disposition
		if f.Outcome == "failed" {
			text = fmt.Sprintf("failed %s %s: %s", f.Class, f.Code, f.Disposition)
		}
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	if len(said) == 0 && o.Landed == o.Rows {
		return "landed"
	}
	return strings.Join(said, ", ")
}

// playAgain answers so until it was read once, which must count as no read, and whole from then on.
func playAgain(b *bundle, bad answers) string {
	b.t.Helper()
	s := b.script()
	s.set(success, text(whole))
	for name, h := range bad {
		s.set(name, h)
	}
	c := b.scripted(3, "JobComplete", 3, 0)
	r := b.reconciler()
	b.note(r)
	b.pass(r)
	if w := c.work(); w["state"] != "reading" || w["reads"] != 0.0 || w["errors"] != 1.0 || w["last_error"] == "" || c.hasOutcome() {
		b.t.Errorf("after the bad read: %v", w)
	}
	s.set(success, text(whole))
	s.set(failedFile, text(failedHeader))
	b.run(r, 24*time.Hour)
	if said := c.became(); said != "landed" {
		return said
	}
	return "read again"
}

// stays answers so for ever, and counts the reads.
func stays(b *bundle, bad answers) string {
	b.t.Helper()
	s := b.script()
	s.set(success, text(whole))
	for name, h := range bad {
		s.set(name, h)
	}
	c := b.scripted(3, "JobComplete", 3, 0)
	b.run(b.reconciler(), 24*time.Hour)
	return fmt.Sprintf("read again %d times, %s", s.reads, c.became())
}

// logged runs f with a reconciler that logs to the text returned.
func logged(b *bundle) (*reconcile.Reconciler, *bytes.Buffer) {
	var out bytes.Buffer
	return b.reconciler(func(c *reconcile.Config) { c.Logger = slog.New(slog.NewJSONHandler(&out, nil)) }), &out
}

func fileCases() map[int]badCase {
	with := func(name string, h http.HandlerFunc) badCase {
		return func(_ *testing.T, b *bundle) string {
			files := answers{success: text(whole)}
			files[name] = h
			return play(b, 3, 0, files)
		}
	}
	again := func(h http.HandlerFunc) badCase {
		return func(_ *testing.T, b *bundle) string { return playAgain(b, answers{success: h}) }
	}
	// andThen is read again like the others, and what becomes of the chunk if it stays so.
	andThen := func(h http.HandlerFunc, begin string) badCase {
		return func(_ *testing.T, b *bundle) string {
			if begin == "read again" {
				begin = playAgain(b, answers{success: h})
				b.exec(`DELETE FROM reconciler.work`)
				b.exec(`UPDATE poller.watches SET reconciled_at = now()`)
			}
			from := b.now
			said := stays(b, answers{success: h})
			if took := b.now.Sub(from); took < b.waits.Missing {
				b.t.Errorf("given up after %v", took)
			}
			return begin + ", then " + strings.TrimPrefix(said, "read again 5 times, ")
		}
	}
	return map[int]badCase{
		1: with(failedFile, status(204, "text/csv", "")),
		2: with(failedFile, text("")),
		3: with(failedFile, text(failedHeader)),
		4: with(success, text("\ufeff"+whole)),
		5: with(success, text(strings.ReplaceAll(whole, "\n", "\r\n"))),
		6: with(success, text(strings.Replace(whole, "External_Id__c,Name,Phone", `"External_Id__c","Name","Phone"`, 1))),
		7: with(success, text("Name,sf__Created,External_Id__c,sf__Id\nx,true,a-2,0015g00000AbCdEAAV\nx,true,a-0,0015g00000AbCdFAAV\nx,true,a-1,0015g00000AbCdGAAV\n")),
		8: with(success, text(strings.NewReplacer("sf__Id", "SF__ID", "External_Id__c", "external_id__C").Replace(whole))),
		10: func(t *testing.T, b *bundle) string {
			s := b.script()
			s.set(success, text(strings.ReplaceAll(strings.ReplaceAll(whole, ",\"\"\n", ",\"\",\"e\"\n"), "Phone\n", "Phone,Extra\n")))
			c := b.scripted(3, "JobComplete", 3, 0)
			r, log := logged(b)
			b.run(r, 0)
			if !strings.Contains(log.String(), `"column":"Extra"`) {
				t.Error(log.String())
			}
			return c.became() + ", noted"
		},
		11: func(_ *testing.T, b *bundle) string {
			return stays(b, answers{success: text(strings.Replace(whole, "sf__Id", "sf__No", 1))})
		},
		12: func(_ *testing.T, b *bundle) string {
			return stays(b, answers{failedFile: text(strings.Replace(failedHeader, "sf__Error", "sf__No", 1))})
		},
		13: func(_ *testing.T, b *bundle) string {
			return stays(b, answers{success: text(strings.Replace(whole, "Phone", "Name", 1))})
		},
		27: andThen(text(whole+"\"a\",\"b\"\n"), "read again"),
		28: again(text(whole[:len(whole)-2])),
		29: func(_ *testing.T, b *bundle) string {
			// The file ends where a row ends and says nothing of more: only the counters tell.
			s := b.script()
			s.set(success, text(landed("a-0", "a-1")))
			c := b.scripted(3, "JobComplete", 3, 0)
			r := b.reconciler()
			b.run(r, time.Minute)
			if c.hasOutcome() {
				return "settled"
			}
			s.set(success, text(whole))
			b.run(r, time.Hour)
			if said := c.became(); said != "landed" {
				return said
			}
			return "read again"
		},
		30: again(text(strings.TrimSuffix(whole, "\"\"\n") + "\"\xe2\x82")),
		31: andThen(text(strings.Replace(whole, `"x"`, "\"\xff\"", 1)), "read again"),
		32: again(text(strings.Replace(whole, `"x"`, "\"\x00\"", 1))),
		33: andThen(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			_, _ = w.Write([]byte(strings.TrimSuffix(whole, "\"\"\n") + `"`))
			part := bytes.Repeat([]byte("x"), 1<<20)
			for range 20 {
				if _, err := w.Write(part); err != nil {
					return // the reader has had enough, which is what is wanted
				}
			}
			_, _ = w.Write([]byte("\"\n"))
		}, "bounded"),
		34: func(t *testing.T, b *bundle) string {
			var most atomic.Int64
			said := play(b, 3, 0, answers{success: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/csv")
				sent, _ := w.Write([]byte(whole))
				row := []byte(strings.Repeat(strings.SplitAfter(whole, "\n")[1], 1000))
				for sent < 10<<30 {
					n, err := w.Write(row)
					sent += n
					if err != nil {
						break
					}
				}
				most.Store(max(most.Load(), int64(sent)))
			}})
			if n := most.Load(); n > 64<<20 {
				t.Errorf("%d bytes were taken", n)
			}
			return "bounded, " + said
		},
		35: with(success, text(landed("a-0", "a-1", "a-2", "a-2"))),
		36: with(success, text(landed("a-0", "a-1", "stranger"))),
	}
}
