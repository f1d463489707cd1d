package record_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func version(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, text string,
) record.Version {
	t.Helper()
	v, err := record.ParseVersion(record.VersionText, text)
	if err != nil {
		t.Fatalf("%q %v", text, err)
	}
	return v
}

func TestParseVersion(t *testing.T) {
	t.Run("versions stand in this order", func(t *testing.T) {
		rising := []string{
			"-1e1000000000", "-1e20", "-123", "-122.9999999999999999999999", "-12.5", "-12", "-2", "-1", "-0.2", "-0.1", "-1e-9",
			"0", "1e-1000000000", "0.001", "0.1", "0.11", "0.2", "1", "1.0000000000000000000000000001", "2", "9", "10", "11", "100", "123", "124", "1230",
			"9007199254740992", "9007199254740993", "1e20", "100000000000000000001", "1e1000000000",
			"0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.0000000000001Z",
			"2026-01-31T09:30:00.12Z", "2026-01-31T09:30:00.123Z", "2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.1234567891Z",
			"2026-01-31T09:30:01Z", "2026-01-31T09:30:01-00:01", "9999-12-31T23:59:59.9Z",
		}
		for i, a := range rising {
			for j, b := range rising {
				if got := version(t, a).Compare(version(t, b)); sign(got) != sign(cmp.Compare(i, j)) {
					t.Errorf("%s against %s is %d", a, b, got)
				}
			}
		}
	})
	for _, group := range [][]string{
		{"0", "-0", "0.0", "0e5", "-0.00E-99999999999999999999", "0e99999999999999999999"},
		{"1", "1.0", "10e-1", "0.1E+1", "1e0", "1e-0"},
		{"-1200", "-1.2e3", "-1200.000", "-12e2", "-0.0012e6"},
		{"2026-01-31T09:30:00Z", "2026-01-31T10:30:00+01:00", "2026-01-31T09:30:00.000Z", "2026-01-31T00:00:00-09:30", "2026-01-31T09:30:00-00:00"},
		{"2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.500000000000000Z"},
	} {
		t.Run(group[0]+" is one version, however it is written", func(t *testing.T) {
			for _, other := range group[1:] {
				if !bytes.Equal(version(t, other), version(t, group[0])) {
					t.Errorf("%s: %x, want %x", other, version(t, other), version(t, group[0]))
				}
			}
		})
	}
	for _, bad := range []string{
		"", " ", "x", "1 ", " 1", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1e+-1", "--1", "-", "0x10", "1_000", "NaN", "Infinity", "١",
		"1e1000000001", "1e-99999999999999999999", "2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-01-31T09:30:00,5Z",
		"2026-01-31T09:30:00.Z", "2026-01-31T09:30:00.5", "2026-01-31T23:59:60Z", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z",
		"2026-01-31T09:30:00+25:00", "2026-01-31T09:30:00Zx", "2026-01-31T09:30Z", "v7", "1.2.3", "\x00", "\xff", strings.Repeat("1", 1025),
	} {
		t.Run("refuses "+cutText(bad), func(t *testing.T) {
			v, err := record.ParseVersion(record.VersionText, bad)
			if err == nil || v != nil {
				t.Fatalf("it is %x", v)
			}
		})
	}
	t.Run("a number is never read as a date", func(t *testing.T) {
		if _, err := record.ParseVersion(record.VersionNumber, "2026-01-31T09:30:00Z"); err == nil {
			t.Error("it is")
		}
	})
	t.Run("no version is older than any", func(t *testing.T) {
		if record.Version(nil).Compare(version(t, "-1e1000000000")) >= 0 || record.Version(nil).Compare(nil) != 0 {
			t.Error("it is not")
		}
	})
	t.Run("its bytes never change", func(t *testing.T) {
		for text, want := range map[string]string{
			"0": "1020", "42": "1030800000012b", "-42": "10107ffffffed4ff", "1700000000123": "10308000000c12010101010d1f",
			"2026-01-31T09:30:00.25Z": "2080000000697dcb981a",
		} {
			if got := hex.EncodeToString(version(t, text)); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	})
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`)
	t.Run("numbers stand in the order of their exact values", rapid.MakeCheck(func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		ra, _ := new(big.Rat).SetString(a)
		rb, _ := new(big.Rat).SetString(b)
		if got := version(t, a).Compare(version(t, b)); sign(got) != ra.Cmp(rb) {
			t.Fatalf("%s against %s is %d", a, b, got)
		}
	}))
	t.Run("numbers that are near to each other are told apart", rapid.MakeCheck(func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{0,40}`).Draw(t, "digits")
		n, _ := new(big.Int).SetString(digits, 10)
		next := new(big.Int).Add(n, big.NewInt(1))
		if version(t, n.String()).Compare(version(t, next.String())) >= 0 || version(t, "-"+n.String()).Compare(version(t, "-"+next.String())) <= 0 {
			t.Fatal(n)
		}
	}))
	t.Run("date-times stand in the order of their instants, in whatever zone", rapid.MakeCheck(func(t *rapid.T) {
		instant := func(label string) time.Time {
			zone := time.FixedZone("", 60*rapid.IntRange(-12*60, 14*60).Draw(t, label+" zone"))
			return time.Unix(rapid.Int64Range(-60e9, 250e9).Draw(t, label), rapid.SampledFrom([]int64{0, 1, 500_000_000, 999_999_999}).Draw(t, label+" ns")).In(zone)
		}
		a, b := instant("a"), instant("b")
		if got := version(t, a.Format(time.RFC3339Nano)).Compare(version(t, b.Format(time.RFC3339Nano))); sign(got) != a.Compare(b) {
			t.Fatalf("%v against %v is %d", a, b, got)
		}
	}))
}

func sign(n int) int { return cmp.Compare(n, 0) }

func cutText(s string) string {
	if len(s) > 40 {
		return "a text of more than 1,024 bytes"
	}
	return `"` + s + `"`
}

func FuzzParseVersion(f *testing.F) {
	for _, seed := range []string{"", "0", "-0.00", "-12.5e-3", "1e1000000000", "2026-01-31T09:30:00.123456789123Z", "2026-01-31T09:30:00+01:00", "01", "1e"} {
		f.Add(seed, "1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		va, errA := record.ParseVersion(record.VersionText, a)
		if (errA == nil) != (va != nil) || len(va) > 600 {
			t.Fatalf("%q is %x, %v", a, va, errA)
		}
		number, err := record.ParseVersion(record.VersionNumber, a)
		if err == nil && !bytes.Equal(number, va) {
			t.Fatalf("%q is %x as a number, %x as text", a, number, va)
		}
		vb, errB := record.ParseVersion(record.VersionText, b)
		if errA != nil || errB != nil || len(a) > 60 || len(b) > 60 || strings.ContainsAny(a+b, "eEtT") {
			return // numbers with large exponents, and dates, are compared elsewhere
		}
		ra, _ := new(big.Rat).SetString(a)
		rb, _ := new(big.Rat).SetString(b)
		if ra.Cmp(rb) != sign(va.Compare(vb)) {
			t.Fatalf("%q against %q is %d", a, b, va.Compare(vb))
		}
	})
}
