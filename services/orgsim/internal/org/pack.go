package org

import "encoding/binary"

// pack writes the values that are set; unpack is its inverse.
func pack(values []string) string {
	size := 0
	for _, v := range values {
		if v != "" {
			size += len(v) + 4
		}
	}
	b := make([]byte, 0, size)
	for i, v := range values {
		if v != "" {
			b = binary.AppendUvarint(b, uint64(i))
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	return string(b)
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
	var x uint64
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		c := s[i]
		x |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return x, i + 1
		}
	}
}
