package submit

// The rest of the lane's model: what the org does with rows, what the reconciler says of them, what comes back, and what a person orders.

// org is what happens there to a closed job.
func (m *laneModel) org(w *laneWorld, c int) {
	k := w.chunk[c]
	if k.st != cClosed && !(k.st == cEnded && k.end != endComplete) {
		return
	}
	pending := false
	for r := range k.row {
		if k.rows&^k.left&bit(r) == 0 || k.row[r] != gPending {
			continue
		}
		pending = true
		t := *w
		m.land(&t, c, r)
		m.emit("land", t)
		if k.st == cEnded {
			t = *w
			t.chunk[c].row[r] = gNever
			m.emit("never looked at", t)
			continue
		}
		if w.fails < m.b.fails {
			t = *w
			t.fails++
			t.chunk[c].row[r] = gFailed
			m.emit("row fails", t)
		}
		if w.invalids < m.b.invalids {
			t = *w
			t.invalids++
			t.chunk[c].row[r] = gInvalid
			m.emit("row is refused", t)
		}
	}
	if k.st != cClosed {
		return
	}
	if !pending {
		t := *w
		t.chunk[c].st, t.chunk[c].end = cEnded, endComplete
		m.emit("job complete", t)
	}
	if w.ends < m.b.ends {
		for _, end := range []uint8{endAborted, endGone} {
			t := *w
			t.ends++
			t.chunk[c].st, t.chunk[c].end = cEnded, end
			m.emit("job ended by others", t)
		}
	}
}

// land is a row reaching the org.
func (m *laneModel) land(t *laneWorld, c, r int) {
	k := &t.chunk[c]
	k.row[r] = gLanded
	if t.insert {
		if t.rec[r].times++; t.rec[r].times > 1 {
			t.harm = lDoubled
		}
		return
	}
	if r == companion {
		return
	}
	for f := range laneFields {
		if t.names[r]&^k.omit[r]&bit(f) == 0 {
			continue
		}
		if int(t.org[f]) > r+1 {
			t.harm = lStale
		}
		t.org[f] = uint8(r) + 1
	}
}

// reconciler writes the outcome of an ended job. That it waits until nothing of it can land is what package account shows.
func (m *laneModel) reconciler(w *laneWorld, c int) {
	k := w.chunk[c]
	if k.st != cEnded {
		if m.r.beforeOutcome && k.st == cClosed {
			m.again(w, c)
		}
		return
	}
	for r := range k.row {
		if k.rows&^k.left&bit(r) != 0 && k.row[r] == gPending && !m.r.readOnce && !m.r.abortIsNone {
			return
		}
	}
	t := *w
	m.settle(&t, c)
	m.emit("reconcile", t)
	if k.end == endComplete && w.missing < m.b.missing {
		for r := range k.row {
			if k.rows&^k.left&bit(r) != 0 && k.row[r] == gLanded {
				t := *w
				t.missing++
				t.chunk[c].row[r] = gNever
				t.miss(r)
				t.chunk[c].left |= bit(r)
				m.settle(&t, c)
				m.emit("reconcile, one row in no file", t)
			}
		}
	}
}

// again takes rows for another try whose job still runs: what must never be.
func (m *laneModel) again(w *laneWorld, c int) {
	for r := range w.rec {
		if w.chunk[c].rows&bit(r) != 0 && w.chunk[c].row[r] == gPending && (w.rec[r].st == rFresh || w.rec[r].st == rAgain) {
			t := *w
			t.rec[r].st = rWaiting
			m.emit("taken too early", t)
		}
	}
}

// miss is a row in none of the files: keyed rows are sent again, inserted ones wait for a decision.
func (t *laneWorld) miss(r int) {
	t.rec[r].sent = true
	t.rec[r].st = rWaiting
	if t.insert {
		t.rec[r].st = rUnresolved
	}
}

// settle gives each row of the chunk its outcome, and frees the lane.
func (m *laneModel) settle(t *laneWorld, c int) {
	k := t.chunk[c]
	failed := false
	told := m.told(k)
	for r := range t.rec {
		if k.rows&^k.left&bit(r) == 0 {
			continue
		}
		rec := &t.rec[r]
		what := told[r]
		switch {
		case k.end == endGone:
			t.miss(r)
			if m.r.missingInsert {
				rec.st = rWaiting
			}
			rec.tries++
		case k.end == endAborted && m.r.abortIsNone:
			rec.st = rWaiting
		case what == gLanded:
			rec.st, rec.sent, rec.known = rLanded, true, true
			if k.row[r] != gLanded {
				t.harm = lFalseSuccess
			}
		case what == gInvalid:
			rec.st = rDead
			if k.row[r] == gLanded {
				t.harm = lFalseFailure
			}
		case what == gFailed:
			rec.st = rWaiting
			rec.tries++
			failed = true
		default:
			rec.st = rWaiting
		}
		if rec.st == rWaiting && rec.tries >= m.b.tries && !m.r.noBound {
			rec.st = rDead
		}
		if rec.tries > m.b.tries+rec.decided {
			t.harm = lUnbounded
		}
	}
	if failed && m.r.wholeChunk {
		for r := range t.rec {
			if k.rows&bit(r) != 0 && t.rec[r].st == rLanded {
				t.rec[r].st = rWaiting // sent again with its neighbour
			}
		}
	}
	t.chunk[c] = laneChunk{}
	if k.end != endComplete && (m.r.readOnce || m.r.abortIsNone) {
		// What may still land of it stays: nobody else knows.
		for r := range t.rec {
			if k.rows&^k.left&bit(r) != 0 && k.row[r] == gPending {
				t.chunk[c] = k
				t.chunk[c].rows, t.chunk[c].left = bit(r), 0
			}
		}
	}
	if int(t.holder) == c+1 {
		t.holder = 0
	}
	m.rest(t)
}

// told is what the files say of the rows.
func (m *laneModel) told(k laneChunk) [laneRecords]uint8 {
	out := k.row
	if m.r.byPosition && k.rows == bit(0)|bit(companion) {
		out[0], out[companion] = out[companion], out[0]
	}
	return out
}

// rest holds the org against what is told, when nothing of the entity is on its way.
func (m *laneModel) rest(t *laneWorld) {
	if t.insert || t.harm != lNone {
		return
	}
	for r := range int(m.b.versions) {
		if st := t.rec[r].st; st != rLanded && st != rDead && st != rSuperseded {
			return
		}
	}
	for r := range int(m.b.versions) {
		if t.rec[r].st == rDead {
			continue
		}
		for f := range laneFields {
			if t.names[r]&bit(f) != 0 && int(t.org[f]) <= r && !t.deadLater(r, f) {
				t.harm = lFieldLost
			}
		}
	}
}

// deadLater says whether a newer version that names the field waits as a dead letter: there the chain ends, and a person sees it.
func (t *laneWorld) deadLater(r, f int) bool {
	for q := r + 1; q < laneVersions; q++ {
		if t.rec[q].st == rDead && t.names[q]&bit(f) != 0 {
			return true
		}
	}
	return false
}

// retrier puts what waits into one chunk: each entity once, the oldest first, and one such chunk at a time of a pipeline.
func (m *laneModel) retrier(w *laneWorld) {
	slot := 0
	for c := laneVersions; c < laneChunks; c++ {
		switch {
		case w.chunk[c].st == cNone:
			slot = c
		case !m.r.beforeOutcome && !m.r.readOnce && !m.r.abortIsNone && !w.beside:
			return
		}
	}
	if slot == 0 {
		return
	}
	if w.beside {
		m.retriers(w, slot)
		return
	}
	rows := uint8(0)
	for r := range int(m.b.versions) {
		if w.rec[r].st == rWaiting {
			rows = bit(r)
			break
		}
	}
	emit := func(rows uint8) {
		if rows == 0 {
			return
		}
		t := *w
		for r := range t.rec {
			if rows&bit(r) != 0 {
				t.rec[r].st = rAgain
			}
		}
		t.chunk[slot] = laneChunk{st: cNew, rows: rows}
		m.emit("regroup", t)
	}
	emit(rows)
	if w.rec[companion].st == rWaiting {
		emit(bit(companion)) // it is due first
		if rows != 0 {
			emit(rows | bit(companion))
		}
	}
}

// retriers is the same where each version is another pipeline's. The companion is of the oldest's.
func (m *laneModel) retriers(w *laneWorld, slot int) {
	both := bit(0) | bit(companion)
	for _, rows := range []uint8{bit(0), bit(companion), both, bit(1), bit(2)} {
		pipelines := rows
		if rows&both != 0 {
			pipelines = both
		}
		if w.underWay(pipelines) {
			continue
		}
		t, waits := *w, true
		for r := range t.rec {
			if rows&bit(r) != 0 {
				waits = waits && t.rec[r].st == rWaiting
				t.rec[r].st = rAgain
			}
		}
		if waits {
			t.chunk[slot] = laneChunk{st: cNew, rows: rows}
			m.emit("regroup", t)
		}
	}
}

// underWay says whether one of the rows is in a chunk that is sent again.
func (w *laneWorld) underWay(rows uint8) bool {
	for c := laneVersions; c < laneChunks; c++ {
		if w.chunk[c].rows&rows != 0 {
			return true
		}
	}
	return false
}

// operator replays letters, decides what is unresolved, and lifts pauses.
func (m *laneModel) operator(w *laneWorld) {
	if w.paused {
		t := *w
		t.paused, t.refusedInARow = false, 0
		m.emit("lift", t)
	}
	for r := range w.rec {
		switch w.rec[r].st {
		case rDead:
			if w.replays < m.b.replays {
				t := *w
				t.replays++
				t.rec[r].st, t.rec[r].tries = rWaiting, 0
				m.emit("replay", t)
			}
		case rUnresolved:
			t := *w
			if t.rec[r].times > 0 { // the answer is held against the org
				t.rec[r].st, t.rec[r].known = rLanded, true
			} else {
				t.rec[r].st = rWaiting
				t.rec[r].decided++
			}
			m.emit("decide", t)
		}
	}
}

// ended says whether every record has an end that somebody can see.
func (w *laneWorld) ended() bool {
	for _, r := range w.rec {
		if r.st != rLanded && r.st != rDead && r.st != rSuperseded {
			return false
		}
	}
	return true
}
