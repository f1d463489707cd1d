package bulk

import (
	"bytes"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sample"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// The benchmarks work on rows of package sample:
//
//	go test ./orgsim/internal/bulk -run '^$' -bench . -count 3
const benchRows = 100_000

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
	benchUpsert = Spec{Object: sample.Object, Operation: org.Upsert, ExternalIDFieldName: "Key__c", Version: 66}
	benchInsert = Spec{Object: sample.Object, Operation: org.Insert, Version: 66}
)

func BenchmarkUploadParsing(b *testing.B) {
	content := sample.CSV(0, benchRows)
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
			content := sample.CSV(0, benchRows)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				m := newManager(b, sample.Model)
				if bench.before > 0 {
					finish(b, m, uploaded(b, m, benchInsert, sample.CSV(0, bench.before)))
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
	m := newManager(b, sample.Model)
	id := uploaded(b, m, benchInsert, sample.CSV(0, benchRows))
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
	content := sample.CSV(0, benchRows)
	for b.Loop() {
		m := newManager(b, sample.Model)
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
	content := string(sample.CSV(7, 1000))
	lines := strings.SplitAfter(strings.TrimPrefix(content, sample.Header), "\n")
	if len(lines) != 1001 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines[:1000] {
		if len(l) != 250 || strings.Count(l, ",") != 9 {
			t.Fatalf("%q", l)
		}
	}
}
