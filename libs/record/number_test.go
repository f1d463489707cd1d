package record_test

import (
	"testing"

	"bulkhead/libs/record"
)

func TestExactNumber(t *testing.T) {
	for _, equal := range [][]string{{"7", "7.0", " 7.00 ", "+7", "0.7e1", "70E-1"}, {"-0.5", "-5e-1"}, {"0", "-0", "0.0"}} {
		want, ok := record.ExactNumber(equal[0])
		for _, s := range equal {
			if got, is := record.ExactNumber(s); got != want || !is || !ok {
				t.Errorf("%q is written %q (%t), want %q as %q", s, got, is, want, equal[0])
			}
		}
	}
	for _, s := range []string{"", "L-7", "7,0", "1e999", "0x7", ".5", "7.", "1_000", "NaN"} {
		if got, ok := record.ExactNumber(s); ok {
			t.Errorf("%q is taken for the number %s", s, got)
		}
	}
}
