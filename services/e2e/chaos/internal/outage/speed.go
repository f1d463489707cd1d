package outage

import "time"

const (
	// window is the time over which speed is taken: longer than what a job takes, because records land by jobs.
	window = 10 * time.Second
	// enough of the speed before is full speed.
	enough = 0.9
)

// sample is how many records had landed at a moment.
type sample struct {
	at     time.Duration // from the start of the load
	landed int64
}

// at gives how many had landed at a moment: as the newest sample until then says.
func at(samples []sample, moment time.Duration) int64 {
	landed := int64(0)
	for _, s := range samples {
		if s.at > moment {
			break
		}
		landed = s.landed
	}
	return landed
}

// speed is how many records landed in a second between two moments.
func speed(samples []sample, from, to time.Duration) float64 {
	if to <= from {
		return 0
	}
	return float64(at(samples, to)-at(samples, from)) / (to - from).Seconds()
}

// back is how long after a moment the speed of a whole window behind it is enough of the speed before: the end of the first such window. false =
// no such window has been seen yet.
func back(samples []sample, healed time.Duration, before float64) (time.Duration, bool) {
	for _, s := range samples {
		if from := s.at - window; from >= healed && speed(samples, from, s.at) >= enough*before {
			return s.at - healed, true
		}
	}
	return 0, false
}
