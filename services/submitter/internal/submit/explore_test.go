package submit

import "bulkhead/libs/explore"

// found is what an exploration of one chunk says.
type found struct {
	explore.Found[world]
	doing    [Stop + 1]int // how many states have a worker at each action: an action never seen is a hole in the model
	outcomes [oMissing + 1]int
}

// exploreChunk visits every world of one chunk that is reachable from the start. With stopAt it ends at the first harm of this name; otherwise it also
// counts the worlds from which no end can be reached.
func exploreChunk(b budget, r rules, stopAt string, limit int) found {
	if r.step == nil {
		r.step = Step[uint8]
	}
	var (
		f found
		m = &model{b: b, r: r}
	)
	e := explore.Model[world]{
		Next: func(w world, emit func(string, world)) {
			for _, t := range m.next(&w) {
				emit("", t)
			}
		},
		Harm:  func(w world) string { return harmNames[w.harm] },
		Ended: func(w world) bool { return w.ended() },
		Seen: func(w world) {
			f.outcomes[w.outcome]++
			for _, worker := range w.workers {
				if worker.alive {
					f.doing[worker.s.Do]++
				}
			}
		},
		StopAt: stopAt,
		Limit:  limit,
	}
	for _, straight := range []bool{true, false} {
		w := world{straight: straight, insert: true}
		w.normalise()
		e.Start = append(e.Start, w)
		if w.insert = false; b.restores > 0 { // else the rows land once at most, whatever they are
			e.Start = append(e.Start, w)
		}
	}
	f.Found = e.Run()
	return f
}
