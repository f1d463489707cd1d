//go:build planted

package submit

import "bulkhead/libs/fault/planted"

// savesLate is the step of a worker that stores its job, and binds and announces it, only after the close; ok = it differs from [Step].
// What comes after the close are the same actions in the same order, up to the hand-over.
func savesLate[J comparable](s State[J], e Event[J]) (_ State[J], ok bool) {
	if !planted.On(planted.JobIDStoredAfterClose) {
		return s, false
	}
	switch {
	case s.Do == Create && e.Kind == Done:
		return State[J]{Do: Upload, Job: e.Job}, true
	case s.Do == Upload && e.Kind == Done:
		s.Do = Close
	case s.Do == Close && e.Kind == Done, s.Do == Look && s.CloseTried && !s.Announced && (e.Kind == SeenPast || e.Kind == SeenNothing):
		s.Do, s.CloseTried = SaveCreated, true
		if s.Announced { // it was bound by a worker before, which died between the bind and the close
			s.Do = SaveSubmitted
		}
	case s.Do == SaveCreated && e.Kind == Done:
		s.Do = SaveUploaded
	case s.Do == Announce && e.Kind == Done && s.CloseTried:
		s.Do, s.Announced = SaveSubmitted, true
	default:
		return s, false
	}
	return s, true
}
