package sfid_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/sfid"
)

func TestCheckSuffix(t *testing.T) {
	for short, long := range map[string]string{
		"001A0000006Vm9u": "001A0000006Vm9uIAC", // the sample of Salesforce's own documentation
		"000000000000000": "000000000000000AAA",
		"AAAAAAAAAAAAAAA": "AAAAAAAAAAAAAAA555",
	} {
		if got := sfid.To18(short); got != long {
			t.Errorf("To18(%s) = %s, want %s", short, got, long)
		}
	}
	t.Run("leaves other lengths alone", func(t *testing.T) {
		if got := sfid.To18("750"); got != "750" {
			t.Errorf("got %s", got)
		}
	})
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		does, in, want string
		ok             bool
	}{
		{"accepts the short form", "001A0000006Vm9u", "001A0000006Vm9u", true},
		{"accepts the long form", "001A0000006Vm9uIAC", "001A0000006Vm9u", true},
		{"refuses a wrong check suffix", "001A0000006Vm9uAAA", "", false},
		{"refuses other lengths", "001A0000006Vm9", "", false},
		{"refuses other characters", "001A000000-Vm9u", "", false},
		{"refuses an empty text", "", "", false},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got, ok := sfid.Parse(tc.in); got != tc.want || ok != tc.ok {
				t.Errorf("Parse(%q) = %q, %v", tc.in, got, ok)
			}
		})
	}
}

func TestEveryNumberComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 1<<50).Draw(t, "n")
		instance := sfid.InstanceFor(rapid.Uint64().Draw(t, "seed"))
		id := sfid.Make("003", instance, n)
		long := sfid.To18(id)
		short, ok := sfid.Parse(long)
		if !ok || short != id || len(long) != sfid.Len18 {
			t.Fatalf("%s does not come back from %s", id, long)
		}
		if got, ok := sfid.Number(id); !ok || got != n {
			t.Fatalf("number %d came back as %d", n, got)
		}
		if sfid.Prefix(id) != "003" || sfid.Instance(id) != instance {
			t.Fatalf("prefix %s, instance %s of %s", sfid.Prefix(id), sfid.Instance(id), id)
		}
		// The suffix makes ids distinct for systems that ignore case.
		swapped := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z':
				return r - 32
			case r >= 'A' && r <= 'Z':
				return r + 32
			}
			return r
		}, id)
		if swapped != id && strings.EqualFold(sfid.To18(swapped), long) {
			t.Fatalf("%s and %s have the same long form", id, swapped)
		}
	})
}
