package streams

import "time"

// State is what is known of one pipeline's RECORDS.
type State struct {
	// First and Last are the sequences of its first and last message, Messages and Bytes what it holds, MaxBytes what it may hold.
	First, Last, Messages, Bytes uint64
	MaxBytes                     int64
	// Undecided is the first sequence that is not decided in every lane; 0 = it is not known.
	Undecided uint64
	// OldestNeeded is the lowest sequence that a chunk without an outcome or with an unresolved record holds, or that is to be read again; 0 = none.
	OldestNeeded uint64
}

// Keep says the first sequence that must stay, whatever its age, and the first that must stay because of room: everything below the second
// goes even inside the horizon.
type Keep struct {
	// Needed is the first sequence that is still needed. Nothing at or above it goes.
	Needed uint64
	// Room is the sequence below which messages go at once since the stream is more than half full; at most Needed.
	Room uint64
}

// Decide says what may go.
func Decide(s State) Keep {
	if s.Undecided == 0 || s.Messages == 0 {
		return Keep{Needed: s.First, Room: s.First}
	}
	needed := min(s.Undecided, s.Last+1)
	if s.OldestNeeded > 0 {
		needed = min(needed, s.OldestNeeded)
	}
	needed = max(needed, s.First)
	k := Keep{Needed: needed, Room: s.First}
	half := uint64(max(s.MaxBytes, 0)) / 2
	if half == 0 || s.Bytes <= half {
		return k
	}
	// By the average size: good enough for a bound that is a half, and the next pass looks again.
	average := max(s.Bytes/s.Messages, 1)
	excess := (s.Bytes - half + average - 1) / average
	k.Room = min(s.First+excess, needed)
	return k
}

// search finds the first sequence in [low, high) whose time is not before cutoff; high when all are older. at tells when the message at a sequence was stored,
// or the next one behind it where that is missing; false = there is none. A sequence in a hole counts as what stands behind the hole.
func search(low, high uint64, cutoff time.Time, at func(seq uint64) (time.Time, bool, error)) (uint64, error) {
	for low < high {
		middle := low + (high-low)/2
		stored, ok, err := at(middle)
		if err != nil {
			return 0, err
		}
		if ok && stored.Before(cutoff) {
			low = middle + 1
			continue
		}
		high = middle
	}
	return low, nil
}
