package bulk

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// blockBytes is the aimed size of a block: large enough to compress well, small enough that a reader of results
	// holds little.
	blockBytes = 256 << 10
	// blockRows is what the number of rows in a block is a multiple of, so that transactions rarely cross blocks.
	blockRows = 200
	// batchAlign makes blocks end where internal batches end by default.
	batchAlign = 10_000
)

// errTooLarge says that an upload is above the limit.
var errTooLarge = errors.New("upload is too large")

// Both are safe for concurrent use of EncodeAll and DecodeAll.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // fixed options: only a programming error gets here
	}
	return v
}

// Upload is the CSV of a job, byte for byte: a header and blocks of whole records, compressed.
type Upload struct {
	Bytes int64
	Rows  int

	header    []byte // with its line break
	delimiter byte
	blocks    []block
	breaks    scanner // which line breaks were seen
}

type block struct {
	packed []byte
	size   int
	first  int // number of its first row, from 0
	rows   int
}

// readUpload takes a CSV to its end. Only the size can be wrong with it: everything else is found after the close.
func readUpload(r io.Reader, delimiter byte, limit int64) (*Upload, error) {
	u := &Upload{delimiter: delimiter}
	sc := scanner{delimiter: delimiter}
	var pending []byte // records not yet in a block, and the beginning of the next
	line := 0          // where in pending the present record begins
	rows := 0          // in pending
	inHeader := true
	endRecord := func() {
		switch {
		case inHeader:
			u.header, inHeader = append([]byte(nil), pending...), false
			pending = pending[:0]
		case !blank(pending[line:]):
			rows++
			u.Rows++
			if u.Rows%blockRows == 0 && (len(pending) >= blockBytes || u.Rows%batchAlign == 0) {
				u.seal(pending, rows)
				pending, rows = pending[:0], 0
			}
		}
		line = len(pending)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		u.Bytes += int64(n)
		if u.Bytes > limit {
			return nil, errTooLarge
		}
		for data := buf[:n]; len(data) > 0; {
			took, ended := sc.next(data)
			pending = append(pending, data[:took]...)
			data = data[took:]
			if ended {
				endRecord()
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(pending) > line { // the last record need not end in a line break
		endRecord()
	}
	if len(pending) > 0 {
		u.seal(pending, rows)
	}
	u.breaks = sc
	return u, nil
}

func (u *Upload) seal(data []byte, rows int) {
	u.blocks = append(u.blocks, block{
		packed: encoder.EncodeAll(data, nil), size: len(data), first: u.Rows - rows, rows: rows,
	})
}

func (b *block) open() ([]byte, error) {
	return decoder.DecodeAll(b.packed, make([]byte, 0, b.size))
}

// WriteTo writes the CSV as it was uploaded.
func (u *Upload) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(u.header)
	total := int64(n)
	for i := range u.blocks {
		if err != nil {
			return total, err
		}
		var data []byte
		if data, err = u.blocks[i].open(); err == nil {
			n, err = w.Write(data)
			total += int64(n)
		}
	}
	return total, err
}

// lines calls f with every row of a block: its number from 0 and its record with the line break. f returns false to
// stop. The record is valid only during the call.
func (u *Upload) lines(data []byte, first int, f func(row int, line []byte) bool) {
	sc := scanner{delimiter: u.delimiter}
	for row := first; len(data) > 0; {
		n, _ := sc.next(data)
		line := data[:n]
		data = data[n:]
		if blank(line) {
			continue
		}
		if !f(row, line) {
			return
		}
		row++
	}
}

// rows calls f with the rows from start up to, not including, end.
func (u *Upload) rows(start, end int, f func(row int, line []byte) bool) error {
	for i := range u.blocks {
		b := &u.blocks[i]
		if b.first+b.rows <= start {
			continue
		}
		if b.first >= end {
			return nil
		}
		data, err := b.open()
		if err != nil {
			return err
		}
		stopped := false
		u.lines(data, b.first, func(row int, line []byte) bool {
			if row >= start && row < end {
				stopped = !f(row, line)
			}
			return !stopped && row+1 < end
		})
		if stopped {
			return nil
		}
	}
	return nil
}
