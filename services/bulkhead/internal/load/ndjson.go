package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lineReader reads newline-delimited JSON: each line that is not blank is a record, published as it is. Whether it is JSON decides who reads
// records, so that what is wrong with one becomes a dead letter with its payload.
type lineReader struct {
	r    *bufio.Reader
	most int // bytes of a line
	line int64
	buf  []byte
}

func (l *lineReader) next() (row, error) {
	for {
		l.line++
		l.buf = l.buf[:0]
		long := false
		for {
			part, err := l.r.ReadSlice('\n')
			if len(l.buf)+len(part) > l.most+2 { // the line end is not counted
				long = true
			} else {
				l.buf = append(l.buf, part...)
			}
			if err == nil {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if errors.Is(err, io.EOF) && (len(l.buf) > 0 || long) {
				break
			}
			return row{}, err
		}
		body := bytes.TrimSuffix(bytes.TrimSuffix(l.buf, []byte("\n")), []byte("\r"))
		switch {
		case long:
			return row{line: l.line, refused: fmt.Sprintf("the record has more than %d bytes", l.most)}, nil
		case len(bytes.TrimSpace(body)) == 0:
			continue
		}
		return row{line: l.line, body: body}, nil
	}
}
