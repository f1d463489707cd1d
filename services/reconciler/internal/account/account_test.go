package account

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

const (
	goodID  = "0015g00000AbCdEAAV"
	otherID = "003000000000001AAA"
)

// id18 is a well-formed id, told apart by n.
func id18(n int) string {
	full, err := salesforce.ID18(fmt.Sprintf("001%012d", n))
	if err != nil {
		panic(err)
	}
	return full
}

// upserts is a chunk of so many rows, matched by an external id.
func upserts(rows int, superseded []int) Chunk {
	return Chunk{
		Rows: rows, Operation: pipeline.OperationUpsert, Object: "Account", Space: "main/Account/External_Id__c", KeyField: "External_Id__c",
		Header: []string{"External_Id__c", "Name"}, Superseded: superseded,
	}
}

// Landed, Failed and Unprocessed take in a row of the key field alone.
func (r *Reading) Landed(value, id string, created bool) {
	r.say(salesforce.Successful, salesforce.Row{ID: id, Created: created, Cells: []string{value}})
}

func (r *Reading) Failed(value, id, text string) {
	r.say(salesforce.Failed, salesforce.Row{ID: id, Error: text, Cells: []string{value}})
}

func (r *Reading) Unprocessed(value string) {
	r.say(salesforce.Unprocessed, salesforce.Row{Cells: []string{value}})
}

func (r *Reading) say(kind salesforce.ResultKind, row salesforce.Row) {
	if err := r.Open(kind, []string{r.index.chunk.column()}).Take(rawRow(row)); err != nil {
		panic(err)
	}
}

// rawRow is a row as the result reader gives it.
func rawRow(row salesforce.Row) salesforce.RawRow {
	raw := salesforce.RawRow{ID: []byte(row.ID), Created: row.Created, Error: []byte(row.Error)}
	for _, cell := range row.Cells {
		raw.Cells = append(raw.Cells, []byte(cell))
	}
	return raw
}

// manifestOf is a manifest that is whole in memory, well formed or not.
type manifestOf struct{ *flowv1.Manifest }

func (m manifestOf) Len() int                                 { return len(m.GetRows()) }
func (m manifestOf) Row(row int) (*flowv1.ManifestRow, error) { return m.GetRows()[row], nil }
func (m manifestOf) Runs() []string                           { return m.GetRuns() }
func (m manifestOf) EachRun(row int, tell func(run int)) {
	for _, e := range m.GetRows()[row].GetRecords() {
		tell(int(e.GetRun()))
	}
}

func index(t interface{ Fatal(...any) }, superseded []int, keys ...string) *Index {
	x, err := NewIndex(upserts(len(keys), superseded))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if err := x.Add(i, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Whole(); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIndex(t *testing.T) {
	t.Run("two rows with the same folded key cannot be matched", func(t *testing.T) {
		x, _ := NewIndex(upserts(2, nil))
		_ = x.Add(0, []byte("Key-1"))
		if err := x.Add(1, []byte("KEY-1")); !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("a row without a key cannot be matched", func(t *testing.T) {
		x, _ := NewIndex(upserts(1, nil))
		if err := x.Add(0, []byte(" ")); !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("pieces with too few or too many rows are no chunk", func(t *testing.T) {
		x, _ := NewIndex(upserts(2, nil))
		_ = x.Add(0, []byte("a"))
		if err := x.Whole(); !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
		if err := x.Add(2, []byte("c")); !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("superseded rows were not sent, even when another row has their key", func(t *testing.T) {
		x := index(t, []int{0}, "a", "A", "b")
		if x.Sent() != 2 || x.Rows() != 3 {
			t.Fatalf("%d of %d sent", x.Sent(), x.Rows())
		}
	})
	t.Run("a superseded row outside the chunk is no chunk", func(t *testing.T) {
		if _, err := NewIndex(upserts(2, []int{2})); !errors.Is(err, ErrChunk) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("columns are found in whatever case and behind a byte order mark", func(t *testing.T) {
		if at := ColumnOf([]string{"\ufeffname", "external_id__C"}, "External_Id__c"); at != 1 {
			t.Fatalf("column %d", at)
		}
		if at := ColumnOf([]string{"\ufeffExternal_Id__c"}, "External_Id__c"); at != 0 {
			t.Fatalf("column %d", at)
		}
		if at := ColumnOf([]string{"a"}, "b"); at != -1 {
			t.Fatalf("column %d", at)
		}
	})
}

func TestReading(t *testing.T) {
	t.Run("rows come back altered in case and blanks and are still matched", func(t *testing.T) {
		r := NewReading(index(t, nil, "Key-1 ", "key-2"), nil)
		r.Landed("KEY-1", goodID, true)
		r.Failed(" key-2", "", "UNABLE_TO_LOCK_ROW:locked:--")
		o := r.Finish(Job{State: salesforce.StateJobComplete})
		if o.Landed != 1 || o.Failed != 1 || o.Created != 1 || string(o.States) != "lf" || string(o.IDs[:IDSize]) != goodID {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("a refused row has the class and the tries of its org's table", func(t *testing.T) {
		table, err := salesforce.NewClassTable([]record.ClassRule{{Code: "HOUSE_IS_FULL", Class: record.ClassTransient, Tries: 4}})
		if err != nil {
			t.Fatal(err)
		}
		r := NewReading(index(t, nil, "a", "b", "c"), table)
		r.Failed("a", "", "HOUSE_IS_FULL:come again:--")
		r.Failed("b", "", "STRING_TOO_LONG:x:--")
		r.Failed("c", "", "UNKNOWN_EXCEPTION:x:--")
		o := r.Finish(Job{State: salesforce.StateJobComplete})
		for row, want := range []Fate{
			{Disposition: DispositionRetry, Class: record.ClassTransient, Tries: 4},
			{Disposition: DispositionDead, Class: record.ClassData},
			{Disposition: DispositionRetry, Class: record.ClassTransient, Tries: 3},
		} {
			if got := Dispose(o, row, Job{}); got.Disposition != want.Disposition || got.Class != want.Class || got.Tries != want.Tries {
				t.Errorf("row %d: %+v", row, got)
			}
		}
	})
	t.Run("a short id is stored in its long form", func(t *testing.T) {
		r := NewReading(index(t, nil, "a"), nil)
		r.Landed("a", goodID[:15], false)
		if o := r.Finish(Job{}); string(o.IDs) != goodID {
			t.Fatalf("%q", o.IDs)
		}
	})
	for _, id := range []string{"", "0015g", "0015g00000AbCdEAAA", "not an id at all!!"} {
		t.Run("a landed row with the id "+id+" has not landed", func(t *testing.T) {
			r := NewReading(index(t, nil, "a"), nil)
			r.Landed("a", id, true)
			if landed := r.Summary().Landed; landed != 0 || r.BadIDs() != 1 {
				t.Fatalf("%d landed", landed)
			}
			if o := r.Finish(Job{State: salesforce.StateJobComplete}); o.Missing != 1 || o.Created != 0 {
				t.Fatalf("%+v", o)
			}
		})
	}
	for name, fill := range map[string]func(*Reading){
		"a row that was never sent":     func(r *Reading) { r.Landed("stranger", goodID, true) },
		"a row with an empty key":       func(r *Reading) { r.Landed("", goodID, true) },
		"a row that was superseded":     func(r *Reading) { r.Failed("b", "", "X:y:--") },
		"more rows than were sent":      func(r *Reading) { r.Landed("a", goodID, true); r.Landed("a", goodID, true) },
		"an id of another object":       func(r *Reading) { r.Landed("a", otherID, true) },
		"more failures than were sent":  func(r *Reading) { r.Failed("a", "", "X:y:--"); r.Failed("a", "", "X:y:--") },
		"more leftovers than were sent": func(r *Reading) { r.Unprocessed("a"); r.Unprocessed("a") },
	} {
		t.Run(name+" cannot be", func(t *testing.T) {
			r := NewReading(index(t, []int{1}, "a", "b"), nil)
			fill(r)
			if r.Summary().Contradiction == "" {
				t.Fatalf("%+v", r.Summary())
			}
		})
	}
	for name, fill := range map[string]func(*Reading){
		"twice in one file":         func(r *Reading) { r.Landed("a", goodID, true); r.Landed("A", id18(7), true) },
		"landed and failed":         func(r *Reading) { r.Landed("a", goodID, true); r.Failed("a", "", "X:y:--") },
		"failed and unprocessed":    func(r *Reading) { r.Failed("a", "", "X:y:--"); r.Unprocessed("a") },
		"three times":               func(r *Reading) { r.Unprocessed("a"); r.Failed("a", "", "X:y:--"); r.Landed("a", goodID, true) },
		"landed and then unlabeled": func(r *Reading) { r.Unprocessed("a"); r.Landed("a", "", true) },
	} {
		t.Run("a row that is told of "+name+" has no outcome in the files", func(t *testing.T) {
			r := NewReading(index(t, nil, "a", "b"), nil)
			fill(r)
			s := r.Summary()
			if s.Contradiction != "" || s.Unclear != 1 || s.Landed+s.Failed+s.Unprocessed != 0 {
				t.Fatalf("%+v", s)
			}
			if o := r.Finish(Job{State: salesforce.StateJobComplete}); string(o.States) != "mm" || len(o.Failures) != 0 || o.ID(0) != "" || o.Created != 0 {
				t.Fatalf("%+v", o)
			}
		})
	}
	t.Run("an error of a megabyte is kept short with its length and hash", func(t *testing.T) {
		r := NewReading(index(t, nil, "a"), nil)
		r.Failed("a", "", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:"+strings.Repeat("ä", 500_000)+":--")
		m := r.Finish(Job{}).Failures[0].Message
		if len(m) > maxMessage+200 || !strings.Contains(m, "sha256") || !strings.Contains(m, "1000000 bytes") {
			t.Fatalf("%d bytes: %s", len(m), m[len(m)-120:])
		}
	})
	t.Run("a failure without a word still says what it is", func(t *testing.T) {
		r := NewReading(index(t, nil, "a"), nil)
		r.Failed("a", "", "")
		f := r.Finish(Job{}).Failures[0]
		if f.Code == "" || f.Message == "" || f.Class != record.ClassUnclassified {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("zero bytes and broken text in an error can be stored", func(t *testing.T) {
		r := NewReading(index(t, nil, "a"), nil)
		r.Failed("a", "", "STRING_TOO_LONG:a\x00b\xff:Name --")
		f := r.Finish(Job{}).Failures[0]
		if strings.ContainsRune(f.Message, 0) || strings.ToValidUTF8(f.Message, "") != f.Message || f.Class != record.ClassData || len(f.Fields) != 1 {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("the rest is unprocessed only when the job surely processed nothing", func(t *testing.T) {
		for _, c := range []struct {
			job  Job
			want record.Outcome
		}{
			{Job{State: salesforce.StateJobComplete}, record.OutcomeMissing},
			{Job{State: salesforce.StateAborted}, record.OutcomeMissing},
			{Job{State: JobGone}, record.OutcomeMissing},
			{Job{State: salesforce.StateFailed, ErrorMessage: "InternalServerError : x"}, record.OutcomeMissing},
			{Job{State: salesforce.StateFailed, ErrorMessage: "ClientInputError : LineEnding is invalid on user data"}, record.OutcomeUnprocessed},
			{Job{State: salesforce.StateAborted, CloseRefused: true}, record.OutcomeUnprocessed},
			{Job{State: salesforce.StateAborted, CloseRefused: true, Processed: -1, Failed: -1}, record.OutcomeMissing},
			{Job{State: salesforce.StateAborted, CloseRefused: true, Processed: 1}, record.OutcomeMissing},
			{Job{State: JobNothingSent}, record.OutcomeUnprocessed},
		} {
			if o := NewReading(index(t, nil, "a"), nil).Finish(c.job); o.Of(0) != c.want {
				t.Errorf("%+v: %s, want %s", c.job, o.Of(0), c.want)
			}
		}
	})
}

func TestReadingProperties(t *testing.T) {
	t.Run("any order of the same files gives the same digest and the same outcome, and the five counts add up", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(1, 60).Draw(t, "rows")
			keys := make([]string, n)
			fates := make([]int, n) // landed, failed, unprocessed, in no file, superseded
			var superseded []int
			for i := range n {
				keys[i] = fmt.Sprintf("Key-%d", i)
				if fates[i] = rapid.IntRange(0, 4).Draw(t, "fate"); fates[i] == 4 {
					superseded = append(superseded, i)
				}
			}
			x := index(t, superseded, keys...)
			read := func(order []int) *Reading {
				r := NewReading(x, nil)
				for _, i := range order {
					switch fates[i] {
					case 0:
						r.Landed(strings.ToUpper(keys[i]), id18(i), i%2 == 0)
					case 1:
						r.Failed(keys[i], "", "UNABLE_TO_LOCK_ROW:x:--")
					case 2:
						r.Unprocessed(keys[i])
					}
				}
				return r
			}
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			a := read(order)
			rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
			b := read(order)
			if a.Summary() != b.Summary() {
				t.Fatalf("%+v\n%+v", a.Summary(), b.Summary())
			}
			back, ok := DigestOf(a.Summary().Digest.Bytes())
			if !ok || back != a.Summary().Digest {
				t.Fatal("the stored digest is another one")
			}
			oa, ob := a.Finish(Job{State: salesforce.StateJobComplete}), b.Finish(Job{State: salesforce.StateJobComplete})
			if string(oa.States) != string(ob.States) || string(oa.IDs) != string(ob.IDs) {
				t.Fatal("the outcome depends on the order")
			}
			if oa.Landed+oa.Failed+oa.Unprocessed+oa.Missing+oa.Superseded != n {
				t.Fatalf("%+v does not add up to %d", oa, n)
			}
			for i, f := range fates {
				if oa.States[i] != "lfums"[f] {
					t.Fatalf("row %d: %c, want %c", i, oa.States[i], "lfums"[f])
				}
			}
		})
	})
	t.Run("a change of any row, or a row more or less, is another digest", func(t *testing.T) {
		base := func() Digest { d := digestOf("a"); d.Add('f', []byte("b"), []byte(""), []byte("x")); return d }
		for name, change := range map[string]func(*Digest){
			"a row more":   func(d *Digest) { d.Add('u', []byte("c"), []byte(""), []byte("")) },
			"the same row": func(d *Digest) { d.Add('f', []byte("b"), []byte(""), []byte("x")) },
			"twice the same": func(d *Digest) {
				d.Add('f', []byte("b"), []byte(""), []byte("x"))
				d.Add('f', []byte("b"), []byte(""), []byte("x"))
			},
			"text moved by ''": func(d *Digest) { *d = digestOf("a"); d.Add('f', []byte(""), []byte("b"), []byte("x")) },
		} {
			d := base()
			if change(&d); d == base() {
				t.Errorf("%s: the digest is the same", name)
			}
		}
	})
	t.Run("what is no digest is not read as one", func(t *testing.T) {
		for _, b := range [][]byte{nil, {}, make([]byte, 23), make([]byte, 25)} {
			if _, ok := DigestOf(b); ok {
				t.Errorf("%d bytes were taken", len(b))
			}
		}
	})
}

// failing is an outcome of rows that failed with these classes, after landed rows that landed.
func failing(landed int, classes ...record.Class) *Outcome {
	o := &Outcome{States: []byte(strings.Repeat("l", landed) + strings.Repeat("f", len(classes))), Failures: map[int]Failure{}, Landed: landed, Failed: len(classes)}
	for i, c := range classes {
		o.Failures[landed+i] = Failure{Class: c, Code: strings.ToUpper(string(c)), Message: "m"}
	}
	return o
}

func TestDispose(t *testing.T) {
	dead := []record.Class{record.ClassData, record.ClassDuplicate, record.ClassPermission, record.ClassCode}
	for _, class := range record.Classes() {
		t.Run("a row that failed as "+string(class)+" goes where its class says", func(t *testing.T) {
			fate := Dispose(failing(0, class), 0, Job{})
			want := DispositionRetry
			if slices.Contains(dead, class) {
				want = DispositionDead
			}
			counts := class != record.ClassQuota && class != record.ClassAuth
			if fate.Disposition != want || fate.Counts != counts || !fate.Tried || fate.Class != class {
				t.Fatalf("%+v", fate)
			}
		})
	}
	t.Run("a missing row is tried again as transient and counts", func(t *testing.T) {
		fate := Dispose(&Outcome{States: []byte("m")}, 0, Job{State: JobGone})
		if fate.Disposition != DispositionRetry || fate.Class != record.ClassTransient || fate.Code != CodeMissing || !fate.Counts || !fate.Tried {
			t.Fatalf("%+v", fate)
		}
	})
	t.Run("an unprocessed row is sent again, has no class and counts nothing", func(t *testing.T) {
		fate := Dispose(&Outcome{States: []byte("u")}, 0, Job{ErrorMessage: "InvalidBatch : x"})
		if fate.Disposition != DispositionRetry || fate.Class != "" || fate.Counts || fate.Tried || fate.Message != "InvalidBatch : x" {
			t.Fatalf("%+v", fate)
		}
	})
}

func TestTally(t *testing.T) {
	t.Run("every record counts once, in its run, with its row's outcome", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			runs := rapid.IntRange(1, 4).Draw(t, "runs")
			m := &flowv1.Manifest{}
			for i := range runs {
				m.Runs = append(m.Runs, fmt.Sprintf("run-%d", i))
			}
			o := &Outcome{Failures: map[int]Failure{}}
			want := map[string]int{}
			for row := range rapid.IntRange(1, 40).Draw(t, "rows") {
				mr := &flowv1.ManifestRow{}
				for range rapid.IntRange(1, 3).Draw(t, "merged") {
					run := rapid.IntRange(0, runs-1).Draw(t, "run")
					want[m.Runs[run]]++
					mr.Records = append(mr.Records, &flowv1.ManifestEntry{Run: uint32(run)})
				}
				m.Rows = append(m.Rows, mr)
				o.States = append(o.States, rapid.SampledFrom([]byte("lfums")).Draw(t, "state"))
				if o.States[row] == 'm' && row%2 == 0 {
					o.DoubtOf = map[int]string{row: "which"}
				}
				if o.States[row] == 'f' {
					o.Failures[row] = Failure{Class: rapid.SampledFrom(record.Classes()).Draw(t, "class")}
				}
			}
			transfers, err := Tally(manifestOf{m}, o, Job{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, n := range transfers {
				got[n.Run] = n.Landed + n.Dead + n.Retrying + n.WaitingForParent + n.Unresolved + n.Superseded
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v, want %v", got, want)
			}
		})
	})
	t.Run("reference failures wait for their parent, unprocessed and missing rows are retried", func(t *testing.T) {
		o := failing(1, record.ClassReference, record.ClassData, record.ClassContention)
		o.States = append(o.States, 'u', 'm', 's')
		m := &flowv1.Manifest{Runs: []string{""}}
		for range o.States {
			m.Rows = append(m.Rows, &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{}}})
		}
		got, err := Tally(manifestOf{m}, o, Job{})
		if err != nil || len(got) != 1 || got[0] != (Transfer{Landed: 1, Dead: 1, Retrying: 3, WaitingForParent: 1, Superseded: 1}) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
	for name, m := range map[string]*flowv1.Manifest{
		"with another number of rows":   {Runs: []string{""}},
		"with a row without records":    {Runs: []string{""}, Rows: []*flowv1.ManifestRow{{}}},
		"that names a run it lacks":     {Rows: []*flowv1.ManifestRow{{Records: []*flowv1.ManifestEntry{{}}}}},
		"that names a run far outside ": {Runs: []string{""}, Rows: []*flowv1.ManifestRow{{Records: []*flowv1.ManifestEntry{{Run: 1 << 31}}}}},
	} {
		t.Run("a manifest "+name+" is no chunk", func(t *testing.T) {
			if _, err := Tally(manifestOf{m}, &Outcome{States: []byte("l")}, Job{}); !errors.Is(err, ErrChunk) {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestStanding(t *testing.T) {
	failedJob := Job{State: salesforce.StateFailed, ErrorMessage: "InvalidBatch : Field name not found : X"}
	for _, c := range []struct {
		name  string
		o     *Outcome
		job   Job
		want  Standing
		class record.Class
	}{
		{"a row that landed proves that the org takes rows", failing(1, record.ClassPermission), Job{}, StandingWorks, ""},
		{"so does one refused for its data", failing(0, record.ClassPermission, record.ClassData), Job{}, StandingWorks, ""},
		{"so does a duplicate", failing(0, record.ClassPermission, record.ClassDuplicate), Job{}, StandingWorks, ""},
		{"so does a reference", failing(0, record.ClassCode, record.ClassReference), Job{}, StandingWorks, ""},
		{"all refused for permission blocks", failing(0, record.ClassPermission, record.ClassPermission), Job{}, StandingBlocked, record.ClassPermission},
		{"the class found most often is to blame", failing(0, record.ClassPermission, record.ClassCode, record.ClassCode), Job{}, StandingBlocked, record.ClassCode},
		{"all refused by locks says nothing", failing(0, record.ClassContention, record.ClassTransient, record.ClassUnclassified), Job{}, StandingOpen, ""},
		{"all missing says nothing", &Outcome{States: []byte("mm"), Missing: 2}, Job{State: JobGone}, StandingOpen, ""},
		{"a file that was refused whole blocks", &Outcome{States: []byte("uu"), Unprocessed: 2}, failedJob, StandingBlocked, record.ClassPermission},
		{"a job without quota blocks as quota", &Outcome{States: []byte("uu"), Unprocessed: 2}, Job{State: salesforce.StateFailed, ErrorMessage: "ExceededQuota : x"}, StandingBlocked, record.ClassQuota},
		{"an aborted job without a row blocks", &Outcome{States: []byte("uu"), Unprocessed: 2}, Job{State: salesforce.StateAborted}, StandingBlocked, record.ClassPermission},
		{"a chunk of which nothing was sent says nothing", &Outcome{States: []byte("ss"), Superseded: 2}, Job{State: JobNothingSent}, StandingOpen, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, blame := StandingOf(c.o, c.job)
			if got != c.want || blame.Class != c.class {
				t.Fatalf("%s, %+v", got, blame)
			}
			if got == StandingBlocked && (blame.Code == "" || blame.Message == "" || !blame.Class.MayPause()) {
				t.Fatalf("blame %+v", blame)
			}
		})
	}
	t.Run("quota and auth pause at once, even beside rows that landed", func(t *testing.T) {
		for _, class := range record.Classes() {
			_, at := PauseAtOnce(failing(3, class))
			if at != (class == record.ClassQuota || class == record.ClassAuth) {
				t.Errorf("%s: %v", class, at)
			}
		}
	})
}
