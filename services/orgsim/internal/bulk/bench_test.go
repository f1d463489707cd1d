package bulk

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// The benchmarks work on rows of ten columns and 250 bytes, without any rule but that the key is unique:
//
//	go test ./orgsim/internal/bulk -run '^$' -bench . -count 3
const benchRows = 100_000

// benchModel is the object of the benchmarks.
const benchModel = `
objects:
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: Key__c, type: string, length: 60, externalId: true, unique: true}
      - {name: FirstName, type: string, length: 40}
      - {name: LastName, type: string, length: 80}
      - {name: Email, type: email, length: 80}
      - {name: Phone, type: phone, length: 40}
      - {name: Street, type: string, length: 255}
      - {name: City, type: string, length: 80}
      - {name: Country, type: string, length: 80}
      - {name: Title, type: string, length: 80}
      - {name: Notes__c, type: string, length: 255}
`

const benchHeader = "Key__c,FirstName,LastName,Email,Phone,Street,City,Country,Title,Notes__c\n"

var words = strings.Fields("account agreed annual asked before budget called closing contract customer decision delivery demo details " +
	"discount evaluation follow forecast interested invoice later manager meeting monday new offer open order partner pending price " +
	"project proposal quarter quote renewal request review sales sent sign soon spring support team terms trial until upgrade wants week")

// benchCSV is a header and rows of 250 bytes whose keys begin at first. They say something else each, as real ones do.
func benchCSV(first, rows int) []byte {
	b := make([]byte, 0, len(benchHeader)+rows*250)
	b = append(b, benchHeader...)
	for i := first; i < first+rows; i++ {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		word := func() string { return words[random.IntN(len(words))] }
		from := len(b)
		b = fmt.Appendf(b, "key-%09d,%s,%s,%s.%d@mail.example,+49 30 %07d,%d %s Street,%s,Germany,%s,",
			i, word(), word(), word(), random.IntN(1e6), random.IntN(1e7), random.IntN(300), word(), word(), word())
		for len(b)-from < 249 {
			b = append(append(b, word()...), ' ')
		}
		b = append(b[:from+249], '\n')
	}
	return b
}

// newManager is an org without any wait.
func newManager(t testing.TB, model string, change ...func(*settings.Settings)) *Manager {
	t.Helper()
	objects, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	initial := settings.Default()
	initial.QueueDelay, initial.RowsPerSecond = 0, 0
	for _, c := range change {
		c(&initial)
	}
	set, err := settings.NewStore(initial)
	if err != nil {
		t.Fatal(err)
	}
	points, clk := switches.NewStore(), clock.New(nil)
	store := org.NewStore(org.Config{Model: objects, Seed: 1, Username: "user@simulated.example", Now: clk.Now, Switches: points})
	m := NewManager(Config{
		Store: store, Clock: clk, Settings: set, Switches: points, Faults: &fault.Set{}, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(m.Stop)
	return m
}

// uploaded makes a job with its content.
func uploaded(t testing.TB, m *Manager, spec Spec, content []byte) string {
	t.Helper()
	info, err := m.Create(spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Upload(info.ID, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return info.ID
}

// finish closes a job and waits until all its rows are done.
func finish(t testing.TB, m *Manager, id string) {
	t.Helper()
	if _, err := m.Close(id); err != nil {
		t.Fatal(err)
	}
	m.running.Wait()
	if info, err := m.Info(id, 66); err != nil || info.State != JobComplete || *info.NumberRecordsFailed != 0 {
		t.Fatalf("%+v, %v", info, err)
	}
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

var (
	benchUpsert = Spec{Object: "Contact", Operation: org.Upsert, ExternalIDFieldName: "Key__c", Version: 66}
	benchInsert = Spec{Object: "Contact", Operation: org.Insert, Version: 66}
)

func BenchmarkUploadParsing(b *testing.B) {
	content := benchCSV(0, benchRows)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if u, err := readUpload(bytes.NewReader(content), ',', 1<<30); err != nil || u.Rows != benchRows {
			b.Fatal(err)
		}
	}
	perRow(b, benchRows)
}

func BenchmarkProcessing(b *testing.B) {
	for _, bench := range []struct {
		name   string
		spec   Spec
		before int // rows that exist
	}{
		{"insert into an empty org", benchInsert, 0},
		{"upsert, half of the rows exist", benchUpsert, benchRows / 2},
	} {
		b.Run(bench.name, func(b *testing.B) {
			content := benchCSV(0, benchRows)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				m := newManager(b, benchModel)
				if bench.before > 0 {
					finish(b, m, uploaded(b, m, benchInsert, benchCSV(0, bench.before)))
				}
				id := uploaded(b, m, bench.spec, content)
				runtime.GC()
				b.StartTimer()
				finish(b, m, id)
			}
			perRow(b, benchRows)
		})
	}
}

func BenchmarkResults(b *testing.B) {
	m := newManager(b, benchModel)
	id := uploaded(b, m, benchInsert, benchCSV(0, benchRows))
	finish(b, m, id)
	b.ReportAllocs()
	var size int64
	for b.Loop() {
		r, err := m.Results(id, SuccessfulFile, 66)
		if err != nil {
			b.Fatal(err)
		}
		if size, err = r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(size)
	perRow(b, benchRows)
}

// BenchmarkMemory tells what a row costs that lies in the org, and what one does that lies in the upload of its job.
func BenchmarkMemory(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return float64(s.HeapAlloc)
	}
	content := benchCSV(0, benchRows)
	for b.Loop() {
		m := newManager(b, benchModel)
		empty := heap()
		id := uploaded(b, m, benchInsert, content)
		kept := heap()
		finish(b, m, id)
		stored := heap()
		b.ReportMetric((kept-empty)/benchRows, "upload-B/row")
		b.ReportMetric((stored-kept)/benchRows, "stored-B/row")
		runtime.KeepAlive(m)
	}
	runtime.KeepAlive(content)
}

func TestTheBenchmarksUseRowsOfTheSizeTheyName(t *testing.T) {
	content := string(benchCSV(7, 1000))
	lines := strings.SplitAfter(strings.TrimPrefix(content, benchHeader), "\n")
	if len(lines) != 1001 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines[:1000] {
		if len(l) != 250 || strings.Count(l, ",") != 9 {
			t.Fatalf("%q", l)
		}
	}
}
