package submit

// The rest of the model: what the org does by itself, and what poller and reconciler conclude.

// land is the job's rows reaching the org.
func (w *world) land(j int) {
	w.jobs[j].landed = true
	w.applied++
	switch {
	case w.applied > 1 && !w.repeats():
		w.harm = hDuplicate
	case w.outcome != oNone:
		w.harm = hLate
	}
}

// org is what happens there by itself, and what other people do to the job.
func (m *model) org(w *world) {
	for j := 1; j < len(w.jobs); j++ {
		job := w.jobs[j]
		move := func(f func(*world)) {
			t := *w
			f(&t)
			m.emit(t)
		}
		if job.st == jQueued {
			move(func(t *world) { t.land(j); t.jobs[j].st = jDone })
		}
		if job.running {
			move(func(t *world) { t.jobs[j].running = false; t.land(j) })
			move(func(t *world) { t.jobs[j].running = false })
		}
		if job.late {
			move(func(t *world) {
				t.jobs[j].late = false
				if t.jobs[j].st == jOpen && !t.jobs[j].bad && t.jobs[j].data != dSpoilt {
					t.closed(uint8(j))
				}
			})
		}
		if w.others >= m.b.others {
			continue
		}
		switch job.st {
		case jQueued:
			move(func(t *world) { t.others++; t.jobs[j].st = jFailed })
			move(func(t *world) { t.others++; t.jobs[j].aborted() })
		case jOpen:
			move(func(t *world) { t.others++; t.jobs[j].st = jGone })
			move(func(t *world) { t.others++; t.jobs[j].st = jAborted })
		case jDone, jFailed, jAborted:
			if !job.running {
				move(func(t *world) { t.others++; t.jobs[j].st = jGone })
			}
		}
	}
}

// others is what other chunks of the lane do while this one has not got it, and the lane being taken back from a paused chunk that is not bound.
func (m *model) others(w *world) {
	if w.straight || w.stage > lCreated {
		return // what was asked is settled, or nothing is
	}
	known := w.answer != 0 || w.workers[0].answer != 0 || w.workers[1].answer != 0
	if !w.lane && known && w.truth < m.b.moves && w.recovery != recOpen {
		t := *w
		if m.findOut(&t); t.recovery != recOpen { // they compare before they send
			t.truth++
			m.emit(t)
		}
	}
	if w.lane && w.handed < m.b.handed {
		t := *w
		t.handed++
		t.stage, t.job, t.uploaded, t.lane = lClaimed, 0, false, false
		if !m.r.keepAnswer {
			t.answer = 0
		}
		for i := range t.workers {
			t.workers[i].mine = false
		}
		m.emit(t)
	}
}

// confirmations is how many 404s in a row the poller wants before a job counts as gone.
const confirmations = 3

func (m *model) poller(w *world) {
	if w.stage != lSubmitted || w.watch > wOpen || w.outcome != oNone {
		return
	}
	see := func(watch uint8) {
		t := *w
		t.watch, t.notFound = watch, 0
		m.emit(t)
	}
	missed := func(t world) {
		t.notFound++
		if t.notFound >= confirmations || m.r.goneAtOnce {
			t.watch, t.notFound = wGone, 0
		}
		m.emit(t)
	}
	if w.wrongs < m.b.wrongs {
		t := *w
		t.wrongs++
		missed(t)
	}
	switch w.jobs[w.job].st {
	case jOpen:
		see(wOpen)
	case jQueued:
		if m.r.timerEnds {
			see(wGone)
		}
		if w.watch == wOpen || w.notFound > 0 {
			see(wNone)
		}
	case jDone:
		see(wDone)
	case jFailed:
		see(wFailed)
	case jAborted:
		see(wAborted)
	case jGone:
		missed(*w)
	}
}

func (m *model) reconciler(w *world) {
	if w.outcome == oNone && w.stage == lDoubted {
		t := *w
		t.outcome = oMissing // what became of the rows is looked for, or a person says it
		m.emit(t)
	}
	if w.outcome != oNone || w.watch < wDone {
		return
	}
	job := w.jobs[w.job]
	t := *w
	switch {
	case w.watch == wGone || job.st == jGone:
		t.outcome = oMissing
	case w.watch == wDone:
		t.outcome = oLanded
	case job.running && !m.r.readOnce:
		return // the two reads differ until it has settled
	case job.landed:
		t.outcome = oLanded
	default:
		t.outcome = oUnprocessed
	}
	switch {
	case t.outcome == oLanded && w.applied == 0:
		t.harm = hFalseDone
	case t.outcome == oUnprocessed && w.applied > 0 && !w.repeats():
		t.harm = hFalseUndone
	case t.outcome == oUnprocessed && job.ours && !w.refused:
		t.harm = hUnexplained
	}
	m.emit(t)
}
