package explore

import "runtime/debug"

// Race says whether the race detector is compiled in: it makes an exploration, which has one goroutine, tenfold slower and finds nothing in it.
// Models take smaller bounds then.
func Race() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
