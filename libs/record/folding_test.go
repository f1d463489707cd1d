package record_test

import (
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestBytesFoldAsTextDoes(t *testing.T) {
	value := rapid.OneOf(
		rapid.String(), rapid.StringMatching(`[ \t]?[A-Za-z0-9.-]{0,20}[ \n\v]?`), rapid.StringMatching(` ?[A-Za-z0-9]{15}([A-Z0-5]{3})? ?`),
		rapid.SampledFrom([]string{"", " ", "É", "e\u0301", "\u00a0a", "a\x85", "\xff", "ABC\x00", "0015g00000AbCdE", "0015g00000AbCdEAAV", "0015g00000AbCdEAAx"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{
			record.Space("main", "Account", "Key__c", false), record.Space("main", "Account", "Key__c", true), record.Space("main", "Account", "Id", true),
			record.ContentSpace("main", "Account", "accounts"),
		}).Draw(t, "space")
		v := value.Draw(t, "value")
		got := record.FoldingOf(space).Append([]byte("before "), []byte(v))
		if want := "before " + record.FoldIn(space, v); string(got) != want {
			t.Fatalf("%q in %s: %q, as text %q", v, space, got, want)
		}
		long, ok := record.LongID(v)
		if bytes, same := record.AppendLongID([]byte("x"), []byte(v)); same != ok || string(bytes) != "x"+long {
			t.Fatalf("%q: %q, as text %q", v, bytes, long)
		}
	})
}
