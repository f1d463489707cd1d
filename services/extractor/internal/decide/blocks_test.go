package decide

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBlocks(t *testing.T) {
	t.Run("a list in blocks holds what a list holds, and changes where it lies", rapid.MakeCheck(func(t *rapid.T) {
		var (
			of   blocks[int]
			want []int
		)
		n := rapid.SampledFrom([]int{0, 1, blockLen - 1, blockLen, blockLen + 1, 3*blockLen + 17}).Draw(t, "n")
		for i := range n {
			if at := of.add(i); int(at) != i {
				t.Fatalf("number %d is %d", i, at)
			}
			want = append(want, i)
		}
		for range 20 {
			if n > 0 {
				i := rapid.IntRange(0, n-1).Draw(t, "i")
				*of.at(int32(i)), want[i] = -i, -i
			}
		}
		if of.size() != n {
			t.Fatalf("%d, want %d", of.size(), n)
		}
		for i := range want {
			if got := *of.at(int32(i)); got != want[i] {
				t.Fatalf("at %d stands %d, want %d", i, got, want[i])
			}
		}
	}))
}
