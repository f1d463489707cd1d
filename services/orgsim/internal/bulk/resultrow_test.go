package bulk

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHeaders(t *testing.T) {
	names := func(n int) string { return strings.TrimSuffix(strings.Repeat("a,", n), ",") }
	for _, tc := range []struct {
		does, header string
		want         int // names
		problem      string
	}{
		{"keep spaces and a byte order mark", "\ufeffId, Name\r\n", 2, ""},
		{"may be quoted", "\"Id\",\"a\"\"b\"\n", 2, ""},
		{"with wrong quotes are refused", "\"Id\" ,Name\n", 1, "outside the quotes"},
		{"of 32,000 characters pass", strings.Repeat("é", 31_999) + "\n", 1, ""},
		{"of more than 32,000 characters are refused", strings.Repeat("é", 32_000) + "\n", 1, "more than 32000 characters"},
		{"of 5,000 fields pass", names(5_000) + "\n", 5_000, ""},
		{"of more than 5,000 fields are refused", names(5_001) + "\n", 5_001, "5001 fields"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			got, problem := parseHeader([]byte(tc.header), ',')
			if len(got) != tc.want || (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
				t.Errorf("%d names, %q", len(got), problem)
			}
		})
	}
}

func TestRawRecords(t *testing.T) {
	t.Run("stay as they are under their own delimiter", func(t *testing.T) {
		for _, record := range []string{"", `a,"b",`, `"a" ,b`, "a\"b,c", `"a`} {
			if got := string(form{delimiter: ','}.appendRaw(nil, record, ',')); got != record {
				t.Errorf("%q became %q", record, got)
			}
		}
	})
	t.Run("say the same under another delimiter", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			cells := rapid.SliceOfN(rapid.StringOf(rapid.SampledFrom([]rune("ab,\t\"\n é"))), 1, 6).Draw(t, "cells")
			var record []byte
			for i, cell := range cells {
				if i > 0 {
					record = append(record, '\t')
				}
				if strings.ContainsAny(cell, "\t\"\n") || rapid.Bool().Draw(t, "quoted") {
					record = appendQuoted(record, cell)
				} else {
					record = append(record, cell...)
				}
			}
			got := form{delimiter: ','}.appendRaw(nil, string(record), '\t')
			read, problem := parseRow(string(got), ',', nil)
			if problem != "" || !slices.Equal(read, cells) {
				t.Fatalf("%q became %q, which says %q %s", record, got, read, problem)
			}
		})
	})
	t.Run("with wrong quotes lose nothing under another delimiter", func(t *testing.T) {
		for record, want := range map[string]string{
			"a\t\"b\" \tc": "a,\"b\" \tc", // from the bad value on as it was
			"\"a\tb":       "\"a\tb",
			"a\"\tb":       "a\",b", // the value ends, so the next one can be told
			"a\",\tb":      "\"a\"\",\",b",
		} {
			if got := string(form{delimiter: ','}.appendRaw(nil, record, '\t')); got != want {
				t.Errorf("%q became %q, want %q", record, got, want)
			}
		}
	})
}
