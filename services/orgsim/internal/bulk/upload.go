package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
)

const (
	// blockBytes is the aimed size of a block: large enough to compress well, small enough that a reader of results
	// holds little.
	blockBytes = 256 << 10
	// blockRows is what the number of rows in a block is a multiple of, so that transactions rarely cross blocks.
	blockRows = 200
	// batchAlign makes blocks end where internal batches end by default.
	batchAlign = 10_000
	// readBytes is how much of an upload is asked for at a time.
	readBytes = 64 << 10
)

// errTooLarge says that an upload is above the limit.
var errTooLarge = errors.New("upload is too large")

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

// buffers are for the text of one block; they are returned empty, with the room of the largest that they held.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, blockBytes+readBytes); return &b }}

// maxKept is the room of the largest buffer that is kept for its next use.
const maxKept = 4 * blockBytes

func giveBack(b *[]byte) {
	if cap(*b) <= maxKept {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// receiver takes an upload in.
type receiver struct {
	u        *Upload
	text     []byte // records that are in no block yet, and the beginning of the next
	line     int    // where in text the present record begins
	rows     int    // whole rows in text
	inHeader bool
	packed   *[]byte
}

// readUpload takes a CSV to its end. Only the size can be wrong with it: everything else is found after the close.
func readUpload(r io.Reader, delimiter byte, limit int64) (*Upload, error) {
	text, packed := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	in := receiver{u: &Upload{delimiter: delimiter}, text: *text, packed: packed, inHeader: true}
	defer func() {
		*text = in.text
		giveBack(text)
		giveBack(packed)
	}()
	sc := scanner{delimiter: delimiter}
	for {
		in.makeRoom()
		at := len(in.text)
		n, err := r.Read(in.text[at:cap(in.text)])
		in.text = in.text[:at+n]
		in.u.Bytes += int64(n)
		if in.u.Bytes > limit {
			return nil, errTooLarge
		}
		for at < len(in.text) {
			took, ended := sc.next(in.text[at:])
			if at += took; ended {
				at -= in.endRecord(at)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(in.text) > in.line { // the last record need not end in a line break
		in.endRecord(len(in.text))
	}
	if len(in.text) > 0 {
		in.seal(len(in.text))
	}
	in.u.breaks = sc
	return in.u, nil
}

// makeRoom sees to it that there is space to read into.
func (in *receiver) makeRoom() {
	if cap(in.text)-len(in.text) >= readBytes {
		return
	}
	grown := make([]byte, len(in.text), 2*cap(in.text)+readBytes)
	copy(grown, in.text)
	in.text = grown
}

// endRecord notes that a record ends at a place in the text, and returns how many bytes before it went away.
func (in *receiver) endRecord(end int) int {
	u := in.u
	begin := in.line
	in.line = end
	if in.inHeader {
		u.header, in.inHeader = bytes.Clone(in.text[:end]), false
		return in.shift(end)
	}
	if !blank(in.text[begin:end]) {
		in.rows++
		u.Rows++
	}
	if u.Rows%blockRows == 0 && (end >= blockBytes || (u.Rows%batchAlign == 0 && in.rows > 0)) {
		in.seal(end)
		return in.shift(end)
	}
	return 0
}

// shift drops the beginning of the text.
func (in *receiver) shift(n int) int {
	in.text = in.text[:copy(in.text, in.text[n:])]
	in.line = 0
	return n
}

// seal makes a block of the first n bytes of the text.
func (in *receiver) seal(n int) {
	u := in.u
	// Encode uses the buffer when it is large enough, and returns what it used.
	packed := s2.Encode((*in.packed)[:cap(*in.packed)], in.text[:n])
	if cap(packed) > cap(*in.packed) {
		*in.packed = packed
	}
	u.blocks = append(u.blocks, block{packed: bytes.Clone(packed), size: n, first: u.Rows - in.rows, rows: in.rows})
	in.rows = 0
}

// open unpacks a block into a buffer, which is to be given back.
func (b *block) open() (*[]byte, error) {
	buffer := buffers.Get().(*[]byte)
	if cap(*buffer) < b.size {
		*buffer = make([]byte, 0, b.size)
	}
	text, err := s2.Decode((*buffer)[:b.size], b.packed)
	if err != nil {
		return nil, fmt.Errorf("block of rows from %d: %w", b.first, err)
	}
	*buffer = text
	return buffer, nil
}

// WriteTo writes the CSV as it was uploaded.
func (u *Upload) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(u.header)
	total := int64(n)
	for i := range u.blocks {
		if err != nil {
			return total, err
		}
		var text *[]byte
		if text, err = u.blocks[i].open(); err == nil {
			n, err = w.Write(*text)
			total += int64(n)
			giveBack(text)
		}
	}
	return total, err
}

// lines calls f with every row of a block: its number from 0 and where in the text its record with the line break
// stands. f returns false to stop.
func (u *Upload) lines(text []byte, first int, f func(row, from, to int) bool) {
	sc := scanner{delimiter: u.delimiter}
	for row, from := first, 0; from < len(text); {
		n, _ := sc.next(text[from:])
		to := from + n
		if !blank(text[from:to]) {
			if !f(row, from, to) {
				return
			}
			row++
		}
		from = to
	}
}

// rows calls f with the rows from start up to, not including, end: the number from 0 and the record with its line break.
// Records share the memory of their block.
func (u *Upload) rows(start, end int, f func(row int, line string) bool) error {
	for i := range u.blocks {
		b := &u.blocks[i]
		if b.first+b.rows <= start {
			continue
		}
		if b.first >= end {
			return nil
		}
		buffer, err := b.open()
		if err != nil {
			return err
		}
		text := string(*buffer)
		stopped := false
		u.lines(*buffer, b.first, func(row, from, to int) bool {
			if row >= start && row < end {
				stopped = !f(row, text[from:to])
			}
			return !stopped && row+1 < end
		})
		giveBack(buffer)
		if stopped {
			return nil
		}
	}
	return nil
}
