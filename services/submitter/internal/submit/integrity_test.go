package submit

import (
	"fmt"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// A chunk of which the ledger does not hold what was sealed is sent to nobody, and the ledger says why.
func TestAChunkThatIsNotAsItWasSealedIsNeverBound(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b *bench, c sealed)
	}{
		{"a piece with another byte in it", func(b *bench, c sealed) {
			b.exec(`UPDATE extractor.pieces SET data = set_byte(data, length(data) - 6, get_byte(data, length(data) - 6) # 1) WHERE chunk = $1 AND n = 1`, c.id)
		}},
		{"a piece that is cut off", func(b *bench, c sealed) {
			b.exec(`UPDATE extractor.pieces SET data = substr(data, 1, length(data) - 20) WHERE chunk = $1 AND n = 1`, c.id)
		}},
		{"a piece that is not there", func(b *bench, c sealed) {
			b.exec(`DELETE FROM extractor.pieces WHERE chunk = $1 AND n = 1`, c.id)
		}},
		{"a good piece with as many other rows", func(b *bench, c sealed) {
			w := rowfile.NewWriter(testHeader)
			for i := range 100 {
				if _, err := w.Add([]string{fmt.Sprintf("x-%d", i), "a longer name than any that was sealed here", ""}); err != nil {
					b.t.Fatal(err)
				}
			}
			b.exec(`UPDATE extractor.pieces SET data = $2 WHERE chunk = $1 AND n = 1`, c.id, w.Close().Data)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			chunk := b.seal(record.ChunkFresh, 0, accountRows("a", 250)...)
			c.damage(b, chunk)
			b.note(chunk)
			b.turns(NewRunner(b.config), 8)
			if got, words := b.stage(chunk), b.text(chunk, "last_error"); got != StageClaimed && got != StageCreated || words == "" {
				t.Errorf("the chunk is %s, and its error %q", got, words)
			}
			if jobs := b.closedJobs(); len(jobs) != 0 {
				t.Errorf("%d jobs were closed", len(jobs))
			}
			if rows := b.sim.Counts()["Account"].Rows; rows != 0 {
				t.Errorf("the org got %d rows", rows)
			}
		})
	}
}
