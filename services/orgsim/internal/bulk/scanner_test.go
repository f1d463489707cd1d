package bulk

import (
	"testing"
)

// stepper is what scanner promises to do, one byte after the other.
type stepper struct{ scanner }

func (s *stepper) next(data []byte) (int, bool) {
	for i, c := range data {
		switch {
		case s.mode == quoted && c == '"':
			s.mode = afterQuote
		case s.mode == quoted:
			if c == '\n' {
				s.embeddedCRLF = s.embeddedCRLF || s.cr
				s.embeddedLF = s.embeddedLF || !s.cr
			}
		case c == '\n':
			s.endCRLF = s.endCRLF || s.cr
			s.endLF = s.endLF || !s.cr
			s.mode, s.cr = fieldStart, false
			return i + 1, true
		case c == s.delimiter:
			s.mode = fieldStart
		case c == '"' && s.mode != bare:
			s.mode = quoted
		case c == '\r' && s.mode == afterQuote:
		default:
			s.mode = bare
		}
		s.cr = c == '\r'
	}
	return len(data), false
}

// FuzzScannerLeapsAsItSteps compares the scanner with one that looks at every byte, with the text cut into pieces.
func FuzzScannerLeapsAsItSteps(f *testing.F) {
	for _, seed := range []string{
		"", "a,b\n1,2\r\n", "\"a\nb\",\"c\r\nd\"\n", "\"a\"\r\"b\"\n", "a\"b\nc\n", ",\"\n\"\n", "\"a\"\"b\"\r\n\r\n", "\"\r", "x\r", "\"a\" \"b\n",
	} {
		for size := range uint8(4) {
			f.Add([]byte(seed), size)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		leaps, steps := scanner{delimiter: ','}, stepper{scanner{delimiter: ','}}
		for len(text) > 0 {
			piece := text[:min(len(text), int(size)+1)]
			took, ended := leaps.next(piece)
			wantTook, wantEnded := steps.next(piece)
			if took != wantTook || ended != wantEnded || leaps != steps.scanner {
				t.Fatalf("%q: took %d %v %+v, want %d %v %+v", piece, took, ended, leaps, wantTook, wantEnded, steps.scanner)
			}
			text = text[took:]
		}
	})
}
