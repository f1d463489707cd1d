package org

import (
	"encoding/binary"
	"strings"
)

// slabBytes is how much text lies together. A table of few rows wastes at most this.
const slabBytes = 32 << 10

// slab holds the packed texts of a table one behind the other: what is stored is never freed, so a row needs no piece of
// memory of its own. Its zero value is empty.
type slab struct {
	text strings.Builder // never grown: a string of it stays where it is
	row  []byte          // used again
}

// pack is the function pack, with its result in the slab; nothing is added when the result is one that is there already.
func (s *slab) pack(values []string, there string) string {
	s.row = appendPacked(s.row[:0], values)
	if string(s.row) == there {
		return there
	}
	size := len(s.row)
	if size > slabBytes/8 {
		return string(s.row) // it has earned a piece of its own
	}
	if s.text.Cap()-s.text.Len() < size {
		s.text = strings.Builder{}
		s.text.Grow(slabBytes)
	}
	from := s.text.Len()
	s.text.Write(s.row)
	return s.text.String()[from:]
}

// pack writes the values that are set; unpack is its inverse.
func pack(values []string) string { return string(appendPacked(nil, values)) }

func appendPacked(b []byte, values []string) []byte {
	for i, v := range values {
		if v != "" {
			b = binary.AppendUvarint(b, uint64(i))
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	return b
}

// unpack fills values, whose length is the number of fields, with the packed ones and "" for the rest.
func unpack(data string, values []string) {
	clear(values)
	for len(data) > 0 {
		field, n := uvarint(data)
		length, m := uvarint(data[n:])
		end := n + m + int(length)
		values[field] = data[n+m : end]
		data = data[end:]
	}
}

// uvarint is binary.Uvarint for a string; the data is our own, so it is never malformed.
func uvarint(s string) (uint64, int) {
	if c := s[0]; c < 0x80 {
		return uint64(c), 1
	}
	return longUvarint(s)
}

func longUvarint(s string) (uint64, int) {
	var x uint64
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		c := s[i]
		x |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return x, i + 1
		}
	}
}
