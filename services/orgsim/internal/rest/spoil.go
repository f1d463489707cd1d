package rest

import (
	"bytes"
	"net/http"

	"github.com/klauspost/compress/gzip"

	"bulkhead/services/orgsim/internal/fault"
)

const (
	// bombSize is how many blanks a gzip bomb holds unless its fault says otherwise, in bytes.
	bombSize = 1 << 30
	// garbageSize is how much of what is no gzip stream goes out, in bytes.
	garbageSize = 512
)

// spoilt is a fault of the answer as a whole: its type, or its compression.
type spoilt struct {
	kind        fault.Kind // "" = none
	contentType string
	bytes       int64
}

// spoil prepares such a fault.
func (p *reply) spoil(e fault.Effect) {
	p.spoilt = spoilt{kind: e.Kind, contentType: e.ContentType, bytes: e.Bytes}
	switch e.Kind {
	case fault.WrongType:
		if p.spoilt.contentType == "" {
			p.spoilt.contentType = "text/html; charset=UTF-8"
		}
	case fault.GzipGarbage:
		p.room = e.Bytes // after these the stream breaks
	case fault.GzipBomb:
		p.room = 0 // nothing of the true answer
		if p.spoilt.bytes == 0 {
			p.spoilt.bytes = bombSize
		}
	default:
		p.spoilt = spoilt{} // not a fault of the answer
	}
}

// spoilHeader says what the answer is not.
func (p *reply) spoilHeader(h http.Header) {
	if p.spoilt.kind == fault.WrongType {
		h.Set("Content-Type", p.spoilt.contentType)
		return
	}
	h.Set("Content-Encoding", "gzip")
	h.Del("Content-Length")
	if p.spoilt.kind == fault.GzipGarbage && p.room > 0 {
		p.zipped, _ = gzip.NewWriterLevel(p.to, gzip.BestSpeed)
	}
}

// spoilEnd writes what follows the true answer.
func (p *reply) spoilEnd() {
	switch p.spoilt.kind {
	case fault.GzipGarbage:
		if p.zipped != nil {
			_ = p.zipped.Flush()
		}
		// 0xFF is neither the beginning of a gzip stream nor of a block inside one.
		_, _ = p.to.Write(bytes.Repeat([]byte{0xFF}, garbageSize))
	case fault.GzipBomb:
		zipped, _ := gzip.NewWriterLevel(p.to, gzip.BestCompression)
		blanks := bytes.Repeat([]byte{' '}, 64<<10)
		for left := p.spoilt.bytes; left > 0 && p.ctx.Err() == nil; {
			n := min(left, int64(len(blanks)))
			if _, err := zipped.Write(blanks[:n]); err != nil {
				return // the caller has had enough
			}
			left -= n
		}
		_ = zipped.Close()
	}
}
