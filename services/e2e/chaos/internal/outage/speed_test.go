package outage

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
)

// steps are samples half a second apart, with so many records landing in each second.
func steps(perSecond ...int64) []sample {
	out := []sample{{}}
	for _, n := range perSecond {
		for range 2 {
			last := out[len(out)-1]
			out = append(out, sample{at: last.at + time.Second/2, landed: last.landed + n/2})
		}
	}
	return out
}

// seconds repeats a speed.
func seconds(n int, perSecond int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = perSecond
	}
	return out
}

func join(parts ...[]int64) (out []int64) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestBack(t *testing.T) {
	healed := 40 * time.Second
	for name, c := range map[string]struct {
		after []int64
		want  time.Duration // 0 = never
	}{
		"at once at full speed it takes the window that shows it": {seconds(20, 400), window},
		"idle seconds count":                       {join(seconds(7, 0), seconds(30, 400)), 16 * time.Second}, // nine seconds of ten are enough
		"what was saved up makes up for idle ones": {join(seconds(8, 0), seconds(30, 2000)), window},
		"slower for good is never back":            {seconds(100, 300), 0},
		"nothing lands any more":                   {seconds(100, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			samples := steps(join(seconds(20, 400), seconds(20, 0), c.after)...)
			before := speed(samples, 0, 20*time.Second)
			if before != 400 {
				t.Fatalf("the speed before is %v", before)
			}
			got, ok := back(samples, healed, before)
			if got != c.want || ok != (c.want > 0) {
				t.Errorf("back after %s, %v; want %s", got, ok, c.want)
			}
		})
	}
}

func TestSpeedIsWhatLandedOverTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		per := rapid.SliceOfN(rapid.Int64Range(0, 1_000), 1, 60).Draw(t, "speeds")
		for i := range per {
			per[i] *= 2
		}
		samples := steps(per...)
		all := int64(0)
		for _, n := range per {
			all += n
		}
		whole := time.Duration(len(per)) * time.Second
		if got := speed(samples, 0, whole) * whole.Seconds(); int64(got+0.5) != all {
			t.Fatalf("%v landed, want %d", got, all)
		}
		if speed(samples, whole, whole) != 0 || speed(nil, 0, whole) != 0 {
			t.Fatal("no time and no samples have no speed")
		}
	})
}

func TestTheDefinitionsAreSound(t *testing.T) {
	for name, text := range definitions() {
		if _, _, err := pipeline.ParseDefinition(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
