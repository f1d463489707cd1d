package bulk

import (
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sample"
)

// contentMaker makes a CSV of a size while it is read: rows of a thousand bytes.
type contentMaker struct {
	size, sent int
	text, rest []byte
	random     *rand.Rand
	row        int
	look       func()
}

func (c *contentMaker) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		switch {
		case c.row == 0:
			c.rest = []byte("Key__c,Notes__c\n")
		case c.sent >= c.size:
			return 0, io.EOF
		default:
			c.text = append(strconv.AppendInt(append(c.text[:0], "key-"...), int64(c.row), 10), ',')
			for len(c.text) < 990 {
				c.text = append(append(c.text, sample.Word(c.random)...), ' ')
			}
			c.rest = append(c.text, '\n')
		}
		if c.row++; c.row%10_000 == 0 {
			c.look()
		}
	}
	n := copy(p, c.rest)
	c.rest, c.sent = c.rest[n:], c.sent+n
	return n, nil
}

// looker is a writer to nowhere that has a look now and then.
type looker struct {
	writes int
	look   func()
}

func (l *looker) Write(p []byte) (int, error) {
	if l.writes++; l.writes%50 == 0 {
		l.look()
	}
	return len(p), nil
}

// What an upload costs is its compressed text, and what a result file costs is one block; the rest is a few buffers.
func TestMemoryOfAHundredMegabytes(t *testing.T) {
	const size, spare = 100_000_000, 8 << 20
	const model = `{objects: [{name: Note, keyPrefix: "0N0", fields: [{name: Key__c, type: string, externalId: true}, {name: Notes__c, type: textarea}]}]}`
	m := newManager(t, model)
	var most uint64
	look := func() {
		runtime.GC() // what is held counts, not what waits to be collected
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		most = max(most, s.HeapAlloc)
	}
	begin := func() uint64 {
		most = 0
		look()
		return most
	}

	info, err := m.Create(Spec{Object: "Note", Operation: org.Insert, Version: 66})
	if err != nil {
		t.Fatal(err)
	}
	before := begin()
	rows, err := m.Upload(info.ID, &contentMaker{size: size, look: look, random: rand.New(rand.NewPCG(1, 2))})
	if err != nil || rows < size/1010 {
		t.Fatal(rows, err)
	}
	packed := uint64(0)
	kept, err := m.UploadOf(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range kept.blocks {
		packed += uint64(cap(b.packed))
	}
	grown := most - before
	t.Logf("%d KiB for the upload of %d rows, of which %d KiB are kept", grown>>10, rows, packed>>10)
	if packed > size/2 || grown > packed+spare {
		t.Errorf("the upload took %d bytes, %d of them kept", grown, packed)
	}

	finish(t, m, info.ID)
	for _, file := range []File{SuccessfulFile, FailedFile, UnprocessedFile} {
		before = begin()
		r, err := m.Results(info.ID, file, 66)
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.WriteTo(&looker{look: look})
		if err != nil || (file == SuccessfulFile && n < size) {
			t.Fatalf("%d bytes, %v", n, err)
		}
		t.Logf("%d KiB for a result file of %d bytes", (most-before)>>10, n)
		if most-before > spare {
			t.Errorf("a result file of %d bytes took %d", n, most-before)
		}
	}
}
