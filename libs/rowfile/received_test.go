package rowfile_test

import (
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func TestReceived(t *testing.T) {
	t.Run("says of every row what was noted of it, and once what rows have in common", rapid.MakeCheck(func(t *rapid.T) {
		noted := rapid.SliceOf(rapid.Int64Range(0, 3)).Draw(t, "noted")
		m := &flowv1.Manifest{Runs: []string{""}}
		for _, at := range noted {
			rowfile.AddReceived(m, at)
			m.Rows = append(m.Rows, &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{Key: "k", KeyHash: make([]byte, 16)}}})
		}
		read, err := rowfile.ReadManifest(rowfile.EncodeManifest(m))
		if err != nil {
			t.Fatal(err)
		}
		row, last := 0, int64(-1)
		for _, r := range read.Received() {
			if r.GetAt() == last {
				t.Fatalf("%d is said twice in a row", last)
			}
			for range r.GetRows() {
				if noted[row] != r.GetAt() {
					t.Fatalf("row %d: %d, noted was %d", row, r.GetAt(), noted[row])
				}
				row++
			}
			last = r.GetAt()
		}
		if row != len(noted) {
			t.Fatalf("%d of %d rows", row, len(noted))
		}
	}))
}
