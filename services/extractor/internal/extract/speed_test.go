package extract

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkExtract reads, decides and commits records in frames, as a load publishes them.
func BenchmarkExtract(b *testing.B) {
	const (
		perFrame = 500
		chunk    = "chunk: {rows: 50000, bytes: 50MB, age: 2s}"
	)
	for _, c := range []struct{ name, yaml string }{
		{"plain", definition(defaultMap, chunk, "lanes: 2")},
		{"keyed", definition(defaultMap, chunk, "lanes: 2", "key: [event]", "unknownMembers: ignore")},
		{"versioned", definition(defaultMap, chunk, "lanes: 2", "version: v", "unknownMembers: ignore")},
	} {
		b.Run(c.name, func(b *testing.B) {
			bench := newBench(b, c.yaml)
			bench.lease = time.Minute
			for n := 0; n < b.N; n += perFrame {
				frame := make([]string, perFrame)
				for i := range frame {
					frame[i] = fmt.Sprintf(`{"id":"contact-%09d","last":"Lovelace-%d","email":"someone.%d@example.com"}`, n+i, n+i, n+i)
					if c.name != "plain" {
						frame[i] = fmt.Sprintf(`{"event":"e-%d","v":%d,%s`, n+i, n+i, frame[i][1:])
					}
				}
				bench.frame("", frame...)
			}
			r := bench.reader("one")
			b.ResetTimer()
			bench.settle(r)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
