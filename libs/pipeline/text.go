package pipeline

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func (s *scanner) stringValue(wanted bool) (kind, value, error) {
	text, bad, err := s.string()
	if err != nil || !wanted {
		return kindString, value{kind: kindString}, err
	}
	return kindString, value{kind: kindString, text: s.room.text(text), bad: bad}, nil
}

// string reads a string, writes its canonical form, and returns its decoded bytes, which stay good until the next call. What is no Unicode text (bytes,
// lone surrogates) or holds U+0000 is noted in s and makes it bad; reading goes on, so that the key of the record can be told.
func (s *scanner) string() (text []byte, bad bool, err error) {
	s.at++
	start := s.at
	ascii := true
	for i := start + plainLen(s.data[start:]); i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			text = s.data[start:i]
			s.at = i + 1
			if !ascii && !utf8.Valid(text) {
				s.badUTF8, bad = true, true
			}
			s.out = append(s.out, '"')
			s.out = append(s.out, text...)
			s.out = append(s.out, '"')
			return text, bad, nil
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			return nil, false, s.control(i)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.at = len(s.data)
	return nil, false, s.fail("the document ends inside a string")
}

// plainLen is a number of bytes at the start of data that a string may hold as they are: none of them is a quote, a backslash, a control character or outside of
// ASCII. It looks at eight at a time: the sign bit of each byte of the sum below is set where one of them stands, and nowhere before the first.
func plainLen(data []byte) int {
	const (
		ones  = 0x0101010101010101
		signs = 0x8080808080808080
	)
	n := 0
	for ; len(data)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(data[n:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		special := (w - ones*' ') | (quote - ones) | (slash - ones) | w
		if special&signs != 0 {
			return n + bits.TrailingZeros64(special&signs)/8
		}
	}
	return n
}

func (s *scanner) control(i int) error {
	s.at = i
	return &syntaxError{
		at: i, nul: s.data[i] == 0,
		text: fmt.Sprintf("the character %U stands in a string without being escaped", s.data[i]),
	}
}

// escaped is [scanner.string] for strings with escapes, from the first backslash on.
func (s *scanner) escaped(start, i int) (text []byte, bad bool, err error) {
	var room [128]byte
	text = append(room[:0], s.data[start:i]...)
	for i < len(s.data) {
		c := s.data[i]
		switch {
		case c == '"':
			s.at = i + 1
			if !utf8.Valid(text) {
				s.badUTF8, bad = true, true
			}
			s.out = appendCanonical(s.out, text)
			return text, bad, nil
		case c < ' ':
			return nil, false, s.control(i)
		case c != '\\':
			text = append(text, c)
			i++
		default:
			n, r, err := s.escape(i)
			if err != nil {
				return nil, false, err
			}
			if r == 0 {
				s.nul, bad = true, true
			}
			if r < 0 { // half of a surrogate pair: kept as its three bytes, which are no UTF-8
				text = append(text, 0xed, byte(0x80|(-r>>6)&0x3f), byte(0x80|-r&0x3f))
			} else {
				text = utf8.AppendRune(text, r)
			}
			i += n
		}
	}
	s.at = len(s.data)
	return nil, false, s.fail("the document ends inside a string")
}

// escape reads the escape at i. r is negative for half of a surrogate pair.
func (s *scanner) escape(i int) (n int, r rune, err error) {
	s.at = i
	if i+1 == len(s.data) {
		return 0, 0, s.fail("the document ends inside a string")
	}
	switch c := s.data[i+1]; c {
	case '"', '\\', '/':
		return 2, rune(c), nil
	case 'b':
		return 2, '\b', nil
	case 'f':
		return 2, '\f', nil
	case 'n':
		return 2, '\n', nil
	case 'r':
		return 2, '\r', nil
	case 't':
		return 2, '\t', nil
	case 'u':
		r, ok := hex4(s.data[i+2:])
		if !ok {
			return 0, 0, s.fail("\\u without four hexadecimal digits")
		}
		if !utf16.IsSurrogate(r) {
			return 6, r, nil
		}
		if rest := s.data[i+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			if low, ok := hex4(rest[2:]); ok {
				if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
					return 12, full, nil
				}
			}
		}
		return 6, -r, nil
	}
	return 0, 0, s.fail("%s is no escape", show(s.data[i:]))
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendCanonical writes a decoded string: escaped are only quote, backslash and control characters, these by their short form where JSON has one.
func appendCanonical(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	const short = "\b\t\n\f\r"
	dst = append(dst, '"')
	for _, c := range text {
		switch i := strings.IndexByte(short, c); {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case i >= 0:
			dst = append(dst, '\\', "btnfr"[i])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
