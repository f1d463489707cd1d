package extract

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkExtract reads, decides and commits records in frames, as a load publishes them.
func BenchmarkExtract(b *testing.B) {
	const perFrame = 500
	bench := newBench(b, definition(defaultMap, "chunk: {rows: 50000, bytes: 50MB, age: 2s}", "lanes: 2"))
	bench.lease = time.Minute
	for n := 0; n < b.N; n += perFrame {
		frame := make([]string, perFrame)
		for i := range frame {
			frame[i] = fmt.Sprintf(`{"id":"contact-%09d","last":"Lovelace-%d","email":"someone.%d@example.com"}`, n+i, n+i, n+i)
		}
		bench.frame("", frame...)
	}
	r := bench.reader("one")
	b.ResetTimer()
	bench.settle(r)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
