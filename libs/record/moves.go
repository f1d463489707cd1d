package record

import "slices"

// moves are the states that may follow a state of a record, in the newest of its generations. A replay, a re-load after a discard or a part of the stream that is
// read again opens the next one, and is a move of the key.
var moves = map[State][]State{
	StateInFlight:         {StateLanded, StateRetrying, StateWaitingForParent, StateUnresolved, StateDead, StateSuperseded},
	StateRetrying:         {StateInFlight, StateDead, StateSuperseded},
	StateWaitingForParent: {StateInFlight, StateDead, StateSuperseded},
	StateUnresolved:       {StateLanded, StateRetrying},
	StateLanded:           {StateRolledBack},
	StateDead:             {StateRetrying, StateWaitingForParent, StateInFlight, StateSuperseded, StateDiscarded},
	StateSuperseded:       {},
	StateDiscarded:        {StateInFlight, StateDead, StateSuperseded},
	StateRolledBack:       {StateInFlight, StateDead, StateSuperseded},
}

// First are the states in which a record may be when it is accepted: on its way, refused before it was sent, or covered by newer versions already.
func First() []State { return []State{StateInFlight, StateDead, StateSuperseded} }

// Next are the states that may follow s directly; none of a word that is no state. The caller owns the slice.
func (s State) Next() []State { return slices.Clone(moves[s]) }

// Reaches says whether a record that was seen in s may be seen in to later, whatever was not seen in between.
func (s State) Reaches(to State) bool {
	seen := map[State]bool{s: true}
	for open := []State{s}; len(open) > 0; {
		at := open[0]
		open = open[1:]
		for _, next := range moves[at] {
			if !seen[next] {
				seen[next] = true
				open = append(open, next)
			}
		}
	}
	return seen[to]
}
