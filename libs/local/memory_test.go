package local

import "testing"

func TestSharedBuffersAreASixteenthOfTheMemoryWithinBounds(t *testing.T) {
	for memory, want := range map[uint64]string{0: "128MB", 512 * mib: "128MB", 4096 * mib: "256MB", 8000 * mib: "500MB", 24 << 30: "1024MB", 1 << 60: "1024MB"} {
		if got := sharedBuffers(memory); got != want {
			t.Errorf("of %d MiB: %s, want %s", memory/mib, got, want)
		}
	}
	t.Run("this machine's memory is known", func(t *testing.T) {
		if got := SharedBuffers(); len(got) < len("128MB") {
			t.Errorf("%q", got)
		}
	})
}
