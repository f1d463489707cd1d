package salesforce

import (
	"errors"
	"testing"
)

func TestIDsGetTheirChecksum(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"15 characters grow to 18", "001A0000006Vm9r", "001A0000006Vm9rIAC"},
		{"18 characters stay", "001A0000006Vm9rIAC", "001A0000006Vm9rIAC"},
		{"a suffix in lower case is mended", "001A0000006Vm9riac", "001A0000006Vm9rIAC"},
		{"an id without letters has the plain suffix", "000000000000000", "000000000000000AAA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := ID18(test.in); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
	for name, in := range map[string]string{
		"an empty text is no id": "", "16 characters are no id": "001A0000006Vm9rI", "a path is no id": "001A0000006Vm9/",
		"a wrong suffix betrays a damaged id": "001a0000006Vm9rIAC", "umlauts are no id": "001A0000006Vm9ü",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ID18(in); !errors.Is(err, ErrBadID) || got != "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
