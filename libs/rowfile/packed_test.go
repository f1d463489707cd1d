package rowfile

import (
	"bytes"
	"fmt"
	"testing"
)

// contacts are rows as a piece holds them: names that come again, and values that do not.
func contacts() []byte {
	var rows []byte
	for i := 0; len(rows) < PieceBytes-200; i++ {
		n := i * 7919 % 1_000_000
		rows = AppendRow(rows, []string{
			fmt.Sprintf("C-%012d", n), []string{"Adelheid", "Bernadette", "Christopher", "Dominique"}[n%4], fmt.Sprintf("Alderwood %03d", n%1000),
			fmt.Sprintf("alderwood.%012d@people.example", n), fmt.Sprintf("+1 555 %012d", n), fmt.Sprintf("L-%012d", n), "Web",
		})
	}
	return rows
}

// BenchmarkPack compares what pieces are packed with and what releases before packed them with; "ratio" is of packed to raw bytes.
func BenchmarkPack(b *testing.B) {
	raw := contacts()
	for _, c := range []struct {
		name   string
		pack   func([]byte) []byte
		unpack func(room, data []byte, limit int) ([]byte, error)
	}{{"S2", pack, unpack}, {"zstd", compress, decompress}} {
		data := c.pack(raw)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				c.pack(raw)
			}
			b.ReportMetric(float64(len(data))/float64(len(raw)), "ratio")
		})
		b.Run(c.name+", back", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var room []byte
			for b.Loop() {
				got, err := c.unpack(room, data, maxPieceRaw)
				if err != nil || !bytes.Equal(got[:64], raw[:64]) {
					b.Fatal(err)
				}
				room = got
			}
		})
	}
}
