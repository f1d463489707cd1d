package stages

import (
	"strings"
	"testing"
	"time"
)

const traces = `File: bulkhead
Type: cpu
Duration: 18s, Total samples = 100ms (1%)
-----------+-------------------------------------------------------
      10ms   runtime.asyncPreempt
             bulkhead/libs/pipeline.(*scanner).object
             bulkhead/services/extractor/internal/extract.(*mapper).mapOne
             bulkhead/services/extractor/internal/extract.(*Reader).pass
-----------+-------------------------------------------------------
      20ms   bulkhead/libs/rowfile.(*Writer).Row
             bulkhead/services/extractor/internal/decide.(*lane).add
             bulkhead/services/extractor/internal/extract.(*Reader).pass
-----------+-------------------------------------------------------
      30.50ms   bulkhead/libs/bus.readBatch
             bulkhead/services/extractor/internal/extract.(*Reader).fetch
-----------+-------------------------------------------------------
       5ms   syscall.Syscall
             github.com/nats-io/nats%2ego.(*Conn).readLoop
-----------+-------------------------------------------------------
       4ms   runtime.gcDrain
             runtime.gcBgMarkWorker
-----------+-------------------------------------------------------
       1ms   runtime.findRunnable
             runtime.mcall
-----------+-------------------------------------------------------
      40ms   crypto/sha256.block
             bulkhead/services/reconciler/internal/account.digest
             bulkhead/services/reconciler/internal/reconcile.(*work).read
-----------+-------------------------------------------------------
       2ms   bulkhead/libs/rowfile.(*Reader).Next
             bulkhead/services/submitter/internal/submit.(*body).Read
`

func TestRead(t *testing.T) {
	t.Run("gives each sample to the innermost service on its stack, else to who works for all", func(t *testing.T) {
		shares, err := Read(strings.NewReader(traces))
		if err != nil {
			t.Fatal(err)
		}
		want := []Share{
			{"results: read, match", 40 * time.Millisecond, 0},
			{"extract: fetch frames, the rest", 30500 * time.Microsecond, 0},
			{"extract: route, pack, seal", 20 * time.Millisecond, 0},
			{"extract: decode, validate, map, hash", 10 * time.Millisecond, 0},
			{"client of the broker", 5 * time.Millisecond, 0},
			{"garbage collection", 4 * time.Millisecond, 0},
			{"submit", 2 * time.Millisecond, 0},
			{rest, time.Millisecond, 0},
		}
		var parts float64
		for i, s := range shares {
			if i >= len(want) || s.Stage != want[i].Stage || s.CPU != want[i].CPU {
				t.Errorf("%d: %+v", i, s)
			}
			parts += s.Part
		}
		if len(shares) != len(want) || parts < 0.999 || parts > 1.001 {
			t.Errorf("%d stages, %v in all", len(shares), parts)
		}
	})
	t.Run("of a profile without samples is empty", func(t *testing.T) {
		if shares, err := Read(strings.NewReader("File: bulkhead\n-----------+-----\n")); err != nil || len(shares) != 0 {
			t.Errorf("%v, %v", shares, err)
		}
	})
	t.Run("refuses what is no list of stacks", func(t *testing.T) {
		for _, bad := range []string{"-----------+--\n 1s  main.main\n", "-----------+--\n main.main\n", "-----------+--\n -1ms main.main\n"} {
			if shares, err := Read(strings.NewReader(bad)); err == nil {
				t.Errorf("%q: %v", bad, shares)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(traces)
	f.Fuzz(func(t *testing.T, text string) {
		shares, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range shares {
			if s.CPU < 0 || s.Stage == "" {
				t.Errorf("%+v", s)
			}
		}
	})
}
