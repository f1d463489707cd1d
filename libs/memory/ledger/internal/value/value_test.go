package value_test

import (
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/memory/ledger/internal/value"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ       value.Type
		text, out string // out = "" means an error
	}{
		"a whole number in range":                       {value.Int2, "-32768", "-32768"},
		"a whole number out of range":                   {value.Int2, "32768", ""},
		"bytes in hex":                                  {value.Bytea, `\x00ff`, `\x00ff`},
		"bytes as text":                                 {value.Bytea, "ab", `\x6162`},
		"half a byte":                                   {value.Bytea, `\x0`, ""},
		"a uuid without its lines":                      {value.UUIDType, "00000000000000000000000000000001", "00000000-0000-0000-0000-000000000001"},
		"a time with a zone":                            {value.Timestamptz, "2027-01-31 23:59:59.5+01", "2027-01-31 22:59:59.5+00"},
		"the end of time":                               {value.Timestamptz, "-infinity", "-infinity"},
		"an interval in words":                          {value.IntervalType, "1 day 90 minutes", "1 day 01:30:00"},
		"an array with what needs quotes and with NULL": {value.Text | value.ArrayOf, `{a,"b,\"c",NULL,""}`, `{a,"b,\"c",NULL,""}`},
		"an array that does not end":                    {value.Text | value.ArrayOf, `{a`, ""},
		"an object whose keys are sorted by length":     {value.JSONB, `{"bb":1, "a":[true,null], "bb":2}`, `{"a": [true, null], "bb": 2}`},
		"two values in one JSON":                        {value.JSONB, `1 2`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := value.Parse(c.typ, c.text)
			switch {
			case err != nil && c.out != "":
				t.Fatal(err)
			case err == nil && value.Format(v) != c.out:
				t.Fatalf("%s reads as %s", c.text, value.Format(v))
			}
		})
	}
	t.Run("what is written is read as the same", rapid.MakeCheck(func(t *rapid.T) {
		a := &value.Array{Elem: value.Text}
		for _, s := range rapid.SliceOf(rapid.StringMatching(`[ -~]*`)).Draw(t, "items") {
			a.Items = append(a.Items, s)
		}
		back, err := value.Parse(value.Text|value.ArrayOf, value.Format(a))
		if err != nil || value.Compare(a, back) != 0 {
			t.Fatal(err, value.Format(a), back)
		}
	}))
}

func FuzzParse(f *testing.F) {
	f.Add(uint8(value.Text|value.ArrayOf), `{a,"b"}`)
	f.Add(uint8(value.JSONB), `{"a":1}`)
	f.Add(uint8(value.IntervalType), `1 day 01:00:00`)
	f.Fuzz(func(t *testing.T, typ uint8, text string) {
		v, err := value.Parse(value.Type(typ), text)
		if err == nil && v != nil {
			_ = value.Format(v)
		}
	})
}
