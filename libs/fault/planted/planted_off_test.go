//go:build !planted

package planted

import "testing"

func TestPlantedWithoutTheTag(t *testing.T) {
	t.Run("no bug is on, and asking costs nothing", func(t *testing.T) {
		if Enabled {
			t.Fatal("Enabled without the tag")
		}
		for _, d := range All() {
			if On(d.Bug) {
				t.Errorf("%s is on", d.Bug)
			}
		}
	})
	t.Run("a bug is refused, so that nobody believes an instrument was tried", func(t *testing.T) {
		if err := Set(NoEpoch); err == nil {
			t.Fatal("Set accepted a bug that cannot be on")
		}
		if err := Set(None); err != nil {
			t.Fatal(err)
		}
	})
}
