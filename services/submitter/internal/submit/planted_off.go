//go:build !planted

package submit

// savesLate is for a planted bug only: in this binary no step is taken otherwise.
func savesLate[J comparable](s State[J], _ Event[J]) (State[J], bool) { return s, false }
