package pipeline_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
)

func TestMerge(t *testing.T) {
	row := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "a", "b", pipeline.Null}), 5, 5)
	t.Run("the newest that says something wins, and no field is lost", rapid.MakeCheck(func(t *rapid.T) {
		versions := rapid.SliceOfN(row, 1, 6).Draw(t, "versions")
		merged := versions[0]
		for _, v := range versions[1:] {
			merged = pipeline.Merge(merged, v)
		}
		for column := range merged {
			want := ""
			for _, v := range versions {
				if v[column] != "" {
					want = v[column]
				}
			}
			if merged[column] != want {
				t.Fatalf("column %d is %q, want %q", column, merged[column], want)
			}
		}
	}))
	t.Run("how versions are grouped does not matter, and saying a thing twice says it once", rapid.MakeCheck(func(t *rapid.T) {
		a, b, c := row.Draw(t, "a"), row.Draw(t, "b"), row.Draw(t, "c")
		left := pipeline.Merge(pipeline.Merge(a, b), c)
		if !slices.Equal(left, pipeline.Merge(a, pipeline.Merge(b, c))) || !slices.Equal(pipeline.Merge(left, c), left) {
			t.Fatal(left)
		}
	}))
	t.Run("what was merged stays as it was", func(t *testing.T) {
		older, newer := []string{"a", "b"}, []string{"", "c"}
		pipeline.Merge(older, newer)
		if older[1] != "b" || newer[0] != "" {
			t.Error(older, newer)
		}
	})
}
