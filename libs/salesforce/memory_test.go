package salesforce

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// streamer is content of a size, made while it is read.
type streamer struct {
	left int64
	row  []byte
	n    int
}

func (s *streamer) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.EOF
	}
	if len(s.row) == 0 {
		s.row = appendBenchRow(s.row[:0], s.n, false)
		s.n++
	}
	n := copy(p[:min(int64(len(p)), s.left)], s.row)
	s.row, s.left = s.row[n:], s.left-int64(n)
	return n, nil
}

func (s *streamer) Close() error { return nil }

// peakHeap is the most memory that was in use on the heap at any call of look, above what was at the start.
type peakHeap struct{ start, most uint64 }

func watchHeap() *peakHeap {
	p := &peakHeap{}
	p.look()
	p.start = p.most
	return p
}

func (p *peakHeap) look() {
	runtime.GC() // what is held counts, not what waits to be collected
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	p.most = max(p.most, s.HeapAlloc)
}

func (p *peakHeap) grown() int64 { return int64(p.most - p.start) }

// A hundred megabytes either way take a few.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const size, bound = MaxUploadBytes, 8 << 20
	t.Run("of results", func(t *testing.T) {
		sent := 0
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
			head, _, _ := strings.Cut(string(benchResults(0)), "\n")
			_, _ = io.WriteString(w, head+"\n")
			var row []byte
			for written := 0; written < size; written += len(row) {
				row = appendBenchRow(append(row[:0], `"003000000000001AAA","true",`...), sent, true)
				if _, err := w.Write(row); err != nil {
					return
				}
				sent++
			}
		})
		c := o.client()
		heap, n := watchHeap(), 0
		rows := drain(t, c, func() {
			if n++; n%20_000 == 0 {
				heap.look()
			}
		})
		if rows != int64(sent) || rows < size/400 || heap.grown() > bound {
			t.Errorf("%d rows of %d, %d bytes of memory", rows, sent, heap.grown())
		}
		t.Logf("%d KiB for %d rows", heap.grown()>>10, rows)
	})
	t.Run("of an upload", func(t *testing.T) {
		heap, received := watchHeap(), int64(0)
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 256<<10)
			for reads := 0; ; reads++ {
				n, err := r.Body.Read(buf)
				if received += int64(n); reads%200 == 0 {
					heap.look()
				}
				if err != nil {
					break
				}
			}
			w.WriteHeader(http.StatusCreated)
		})
		err := o.client().Upload(t.Context(), testJob, size, func() (io.ReadCloser, error) { return &streamer{left: size}, nil })
		if err != nil || received != size || heap.grown() > bound {
			t.Errorf("%v: %d bytes came, %d bytes of memory", err, received, heap.grown())
		}
		t.Logf("%d KiB for %d bytes", heap.grown()>>10, received)
	})
}
