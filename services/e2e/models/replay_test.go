package models

// The life of one record's dead letters: the decider that writes one, the stream, ops' index, two operators, the two services that take what is
// ordered, the closer. A step is one transaction, one call to the broker, or one read whose answer somebody keeps; a process that dies between two of
// them loses what it keeps, which is one more step.

const (
	noStream    = 255
	generations = 3 // of the record; the last is not replayed any more
	places      = 6 // of the DLQ stream
)

// What became of a generation, in the ledger of whoever decided.
const (
	genNone uint8 = iota
	genAlive
	genLanded // or superseded
	genDead
)

// The letter's row in ops' index.
const (
	letterUnknown uint8 = iota
	letterOpen
	letterReplaying
	letterDone // landed or superseded
	letterDiedAgain
	letterDiscarded
)

// What an operator has done about the order.
const (
	orderNew  uint8 = iota
	orderSent       // the request is on its way, or its answer is lost: nobody knows
	orderSettled
)

// order is what an operator wants.
type order struct {
	kind    uint8 // orderReplay or orderDiscard
	filter  bool  // all open letters, seen to be one; else the first generation's by its id
	state   uint8
	sent    uint8 // requests under way
	repeats uint8
	did     uint8 // how often it moved letters
}

const (
	orderReplay uint8 = iota
	orderDiscard
)

// hand is what an instance of a taker has read: 1 + the generation whose letter it is going to take; 0 = nothing.
type hand struct {
	extractor bool
	letter    uint8
	half      bool // without the one transaction: the letter is taken, the row is not there yet
}

type replayWorld struct {
	gen     [generations]uint8
	copies  [generations]uint8 // how many rows were made to send it
	outbox  [generations]bool
	stream  [places]uint8 // by sequence: 1 + the generation whose letter stands there; 0 = nothing any more
	last    uint8
	made    uint8 // the stream's incarnation
	noted   uint8 // the incarnation that the deciders published all open letters into
	letter  [generations]uint8
	at      [places]uint8 // ops' note of what stands where
	read    uint8         // ops' checkpoint
	readOf  uint8         // its incarnation
	takerX  bool          // the extractor takes this record's letters, else the retrier
	taken   [2]uint8      // bits of letters: the retrier's rows, the extractor's
	hands   [2]hand
	orders  [2]order
	sameKey bool // both operators' programs use one idempotency key
	used    [2]bool
	pick    uint8 // ops' deleter: 1 + the sequence of a message to delete
	picked  uint8 // whose letter it is to be
	sure    bool  // the message was looked at, in the right stream
	looked  uint8 // the incarnation of that
	doubt   bool  // it was deleted, and nobody has looked yet from which stream
	spent   replayBudget
	harm    string
}

// replayBudget bounds what goes wrong, and how many operators there are.
type replayBudget struct{ operators, losses, doubles, repeats, deaths, falls uint8 }

// replayRules are the safeguards that a run can take away.
type replayRules struct {
	noKey       bool // a repeated request is a new order
	noOpen      bool // letters are moved whatever their state
	noTaken     bool // no row says that a letter was taken
	noTaker     bool // nobody says who takes a letter
	splitTake   bool // the letter is taken in one transaction, its row made in the next
	early       bool // letters are published before the record is dead in the ledger
	splitDead   bool // the record is dead in one transaction, its letter in the next
	noRepublish bool // a stream that is made again stays empty
	placeOnly   bool // a message is deleted by its place, whatever stands there now
	closeEarly  bool // a letter's message goes as soon as it is replayed
	diedAtOnce  bool // of a record that died again the old message goes before the new one stands there
	noDoubt     bool // nobody looks behind a deletion which stream it met
}

type replayModel struct {
	b    replayBudget
	r    replayRules
	emit func(string, replayWorld)
}

func (m *replayModel) starts() []replayWorld {
	orders := []order{{kind: orderReplay}, {kind: orderReplay, filter: true}, {kind: orderDiscard}}
	var out []replayWorld
	for _, takerX := range []bool{false, true} {
		for _, first := range orders[:2] {
			for _, second := range orders {
				for _, sameKey := range []bool{false, true} {
					if sameKey && (first.kind != second.kind || first.filter != second.filter) {
						continue // the same key with another order is refused
					}
					w := replayWorld{takerX: takerX, orders: [2]order{first, second}, sameKey: sameKey}
					w.gen[0] = genAlive
					if m.b.operators == 1 {
						if sameKey || second != orders[0] {
							continue
						}
						w.orders[1] = order{state: orderSettled}
					}
					w.hands[0].extractor, w.hands[1].extractor = takerX, takerX != m.r.noTaker
					out = append(out, w)
				}
			}
		}
	}
	return out
}

func (m *replayModel) next(w replayWorld, emit func(string, replayWorld)) {
	m.emit = func(step string, t replayWorld) {
		t.judge()
		if a, b := t.hands[0], t.hands[1]; a.extractor == b.extractor && a.letter < b.letter {
			t.hands[0], t.hands[1] = b, a // it is all the same which of two equal instances holds what
		}
		emit(step, t)
	}
	m.deciders(&w)
	m.broker(&w)
	m.index(&w)
	for o := range w.orders {
		m.operator(&w, o)
	}
	for h := range w.hands {
		m.taker(&w, h)
	}
	m.closer(&w)
	m.deleter(&w)
}

// deciders say what becomes of a generation that is on its way, and keep the stream filled.
func (m *replayModel) deciders(w *replayWorld) {
	for g, st := range w.gen {
		if m.r.splitDead && st == genDead && !w.outbox[g] && w.letter[g] == letterUnknown && w.spent.falls == 0 {
			t := *w
			t.outbox[g] = true
			m.emit("letter after death", t)
			t = *w
			t.spent.falls++
			m.emit("decider falls before the letter", t)
		}
		if st != genAlive {
			continue
		}
		t := *w
		t.gen[g] = genLanded
		m.emit("record lands", t)
		if w.spent.deaths < m.b.deaths {
			t := *w
			t.spent.deaths++
			t.gen[g], t.outbox[g] = genDead, !m.r.splitDead
			m.emit("record dies", t)
			if m.r.early {
				t := *w
				t.spent.deaths++
				t.append(g)
				m.emit("letter before death", t)
			}
		}
	}
	if w.noted != w.made && !m.r.noRepublish {
		t := *w
		t.noted = t.made
		for g, st := range t.gen {
			if st == genDead && (t.letter[g] == letterUnknown || t.letter[g] == letterOpen || t.letter[g] == letterReplaying) {
				t.outbox[g] = true
			}
		}
		m.emit("publish open letters again", t)
	}
}

// append stores a letter's message; a full model stream refuses it.
func (w *replayWorld) append(g int) {
	if int(w.last) == places-1 {
		return
	}
	w.last++
	w.stream[w.last] = uint8(g) + 1
	if w.gen[g] != genDead {
		w.harm = "false_failure"
	}
}

func (m *replayModel) broker(w *replayWorld) {
	for g, waits := range w.outbox {
		if !waits || int(w.last) == places-1 {
			continue
		}
		t := *w
		t.append(g)
		t.outbox[g] = false
		m.emit("relay", t)
		if w.spent.doubles < m.b.doubles { // it dies before it forgets the row
			t.spent.doubles++
			t.outbox[g] = true
			m.emit("relay, and dies", t)
		}
	}
	if w.spent.losses < m.b.losses {
		t := *w
		t.spent.losses++
		t.made++
		t.stream, t.last = [places]uint8{}, 0
		m.emit("stream deleted and made again", t)
	}
}

// index is ops' reader and its sweep.
func (m *replayModel) index(w *replayWorld) {
	switch {
	case w.readOf != w.made:
		t := *w
		t.readOf, t.read, t.at = t.made, 0, [places]uint8{}
		m.emit("read anew", t)
	case w.read < w.last:
		t := *w
		for t.read < t.last {
			t.read++
			if g := t.stream[t.read]; g != 0 {
				t.at[t.read] = g
				if t.letter[g-1] == letterUnknown {
					t.letter[g-1] = letterOpen
				}
			}
		}
		m.emit("read letters", t)
	}
	for g, st := range w.gen {
		if st == genDead && w.letter[g] == letterUnknown {
			t := *w
			t.letter[g] = letterOpen
			m.emit("sweep", t)
		}
	}
}

func (m *replayModel) operator(w *replayWorld, o int) {
	switch me := w.orders[o]; me.state {
	case orderNew:
		// Who orders has seen a letter.
		for _, l := range w.letter {
			if l == letterOpen {
				t := *w
				t.orders[o].state, t.orders[o].sent = orderSent, 1
				m.emit("order", t)
				break
			}
		}
	case orderSent:
		if me.repeats < m.b.repeats {
			t := *w
			t.orders[o].repeats++
			t.orders[o].sent++
			m.emit("order again: no answer came", t)
		}
		if me.sent > 0 {
			t := *w
			t.orders[o].sent--
			m.act(&t, o)
			t.orders[o].state = orderSettled
			m.emit("act, answered", t)
			if me.repeats < m.b.repeats || me.sent > 1 {
				t.orders[o].state = orderSent
				m.emit("act, answer lost", t)
			}
			t = *w
			t.orders[o].sent--
			if t.orders[o].sent == 0 && t.orders[o].repeats == m.b.repeats {
				t.orders[o].state = orderSettled
			}
			m.emit("request lost", t)
		}
	default:
		if me.sent > 0 { // the network held it
			t := *w
			t.orders[o].sent--
			m.act(&t, o)
			m.emit("act, late", t)
		}
	}
}

// act is the one transaction of an order.
func (m *replayModel) act(t *replayWorld, o int) {
	me := &t.orders[o]
	key := o
	if t.sameKey {
		key = 0
	}
	if t.used[key] && !m.r.noKey {
		return // the first answer once more
	}
	moved := 0
	for g := range t.letter {
		selected := me.filter || g == 0
		open := t.letter[g] == letterOpen || m.r.noOpen && t.letter[g] != letterUnknown
		if !selected || !open || g == generations-1 && me.kind == orderReplay {
			continue
		}
		moved++
		if t.letter[g] == letterReplaying && me.kind == orderDiscard || t.letter[g] == letterDone || t.letter[g] == letterDiedAgain {
			t.harm = "backwards"
		}
		if me.kind == orderDiscard {
			t.letter[g] = letterDiscarded
		} else {
			t.letter[g] = letterReplaying
		}
	}
	if me.filter && moved == 0 {
		return // nothing matches, and the key is free
	}
	t.used[key] = true
	if moved > 0 {
		if me.did++; me.did > 1 || t.sameKey && t.orders[0].did+t.orders[1].did > 1 {
			t.harm = "order carried out twice"
		}
	}
}

// taker is an instance of the service that sends ordered letters again.
func (m *replayModel) taker(w *replayWorld, h int) {
	me := w.hands[h]
	mine := 0
	if me.extractor {
		mine = 1
	}
	if me.letter == 0 {
		if me.extractor != w.takerX && !m.r.noTaker {
			return
		}
		for g := range generations - 1 {
			if w.letter[g] == letterReplaying && (w.taken[0]|w.taken[1])&(1<<g) == 0 {
				t := *w
				t.hands[h].letter = uint8(g) + 1
				m.emit("find an ordered letter", t)
			}
		}
		return
	}
	g := int(me.letter) - 1
	t := *w
	t.hands[h].letter, t.hands[h].half = 0, false
	m.emit("taker falls", t)
	if me.half {
		t.send(g + 1)
		m.emit("send again", t)
		return
	}
	if w.taken[mine]&(1<<g) != 0 && !m.r.noTaken {
		return // somebody was first; it looks again, which is the same as a fall
	}
	if !m.r.noTaken {
		t.taken[mine] |= 1 << g
	}
	if m.r.splitTake {
		t.hands[h].letter, t.hands[h].half = me.letter, true
		m.emit("take", t)
		return
	}
	t.send(g + 1)
	m.emit("take and send again", t)
}

func (w *replayWorld) send(g int) {
	if w.copies[g]++; w.copies[g] > 1 {
		w.harm = "two generations of one letter"
	}
	w.gen[g] = genAlive
	if w.letter[g-1] == letterDiscarded {
		w.harm = "discarded and sent"
	}
}

// closer closes letters whose next generation has ended.
func (m *replayModel) closer(w *replayWorld) {
	for g := range generations - 1 {
		if w.letter[g] != letterReplaying {
			continue
		}
		t := *w
		switch w.gen[g+1] {
		case genLanded:
			t.letter[g] = letterDone
		case genDead:
			t.letter[g] = letterDiedAgain
		default:
			continue
		}
		m.emit("close a letter", t)
	}
}

// deleter takes messages out of the stream whose letters are over: it finds one, looks at it, deletes it.
func (m *replayModel) deleter(w *replayWorld) {
	if w.doubt {
		// It does not fall here: package letters says what that leaves.
		t := *w
		t.doubt = false
		if t.looked != t.made && !m.r.noDoubt {
			t.noted = noStream // the deciders are asked for their letters
		}
		t.looked = 0
		m.emit("look which stream it was", t)
		return
	}
	if w.pick == 0 {
		for at, g := range w.at {
			if g != 0 && m.over(w, int(g)-1) {
				t := *w
				t.pick, t.picked = uint8(at), g
				m.emit("find a message to delete", t)
			}
		}
		return
	}
	drop := *w
	drop.pick, drop.picked, drop.sure, drop.looked = 0, 0, false, 0
	m.emit("deleter falls", drop)
	if !w.sure {
		sure := m.r.placeOnly || w.readOf == w.made && w.stream[w.pick] == w.picked
		switch {
		case !sure:
			// The place is forgotten, if it is still of the stream that was read.
			if w.readOf == w.made && w.at[w.pick] == w.picked {
				t := drop
				t.at[w.pick] = 0
				m.emit("forget the place", t)
			}
			return
		case m.b.losses > 0: // the stream may be made again before the deletion
			t := *w
			t.sure, t.looked = true, t.made
			m.emit("look at the message", t)
			return
		}
	}
	t := drop
	if w.sure {
		t.doubt, t.looked = true, w.looked
	}
	if g := t.stream[w.pick]; g != 0 {
		t.stream[w.pick] = 0
		if t.looked == t.made && !t.mayGo(int(g)-1) { // of another stream it is published again
			t.harm = "letter deleted"
		}
	}
	if t.at[w.pick] == w.picked {
		t.at[w.pick] = 0
	}
	m.emit("delete a message", t)
}

// over says what ops believes: nobody needs the message of this letter any more.
func (m *replayModel) over(w *replayWorld, g int) bool {
	switch w.letter[g] {
	case letterDone, letterDiscarded:
		return true
	case letterReplaying:
		return m.r.closeEarly
	case letterDiedAgain:
		for _, x := range w.at {
			if int(x) == g+2 {
				return true
			}
		}
		return m.r.diedAtOnce
	}
	return false
}

// mayGo says what is true: the record has ended, or a newer letter of it stands in the stream, or this one stands there once more. A stream that
// was made again fills in its own time, and in no order.
func (w *replayWorld) mayGo(g int) bool {
	for _, x := range w.stream {
		if int(x) > g {
			return true
		}
	}
	for later := g + 1; later < generations && w.made > 0; later++ {
		if w.outbox[later] || w.noted != w.made && w.gen[later] == genDead {
			return true
		}
	}
	if w.letter[g] == letterDiscarded {
		return true
	}
	for later := g + 1; later < generations; later++ {
		if w.gen[later] == genLanded {
			return true
		}
		if w.letter[later] == letterDiscarded {
			return true
		}
	}
	return false
}

// judge counts the record: accepted once, it is in one place.
func (w *replayWorld) judge() {
	if w.harm != "" {
		return
	}
	n := 0
	for g, st := range w.gen {
		switch {
		case st == genAlive, st == genLanded:
			n++
		case st == genDead && (g == generations-1 || w.gen[g+1] == genNone):
			n++
		}
		if w.letter[g] == letterDiscarded && g < generations-1 && w.gen[g+1] != genNone {
			w.harm = "discarded and sent"
		}
	}
	if n != 1 {
		w.harm = "unbalanced"
	}
}

// ended says whether the record's last generation is where a person can see it, and nothing is left to do for it.
func (w *replayWorld) ended() bool {
	newest := 0
	for g := range w.gen {
		if w.gen[g] != genNone {
			newest = g
		}
	}
	for g := range newest {
		if w.letter[g] != letterDone && w.letter[g] != letterDiedAgain {
			return false
		}
	}
	switch w.gen[newest] {
	case genLanded:
		return true
	case genDead:
		if w.letter[newest] == letterDiscarded {
			return true
		}
		for _, x := range w.stream {
			if int(x) == newest+1 {
				return w.letter[newest] == letterOpen
			}
		}
	}
	return false
}
