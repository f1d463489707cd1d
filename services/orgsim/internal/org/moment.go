package org

// Moment is a point in the history of an org, to which ReadAt goes back. The zero value is the present, whenever that is.
type Moment int64

// near is how far apart the times of versions may be that stand for the same moment of the clock, in milliseconds.
const near = 1_000

// Mark returns the present moment. What is saved later is not seen from it, however soon that is, unless the org's clock
// was put back meanwhile.
func (s *Store) Mark() Moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.now().UnixMilli()
	if s.latest > at && s.latest-at < near {
		at = s.latest
	}
	s.marked = at
	return Moment(at)
}

// tick is the time of the versions that are made now, in milliseconds since 1970: one behind the last mark, so that it
// tells what was there from what came later within the same millisecond. A clock that was put back is followed; the
// caller holds mu.
func (s *Store) tick() int64 {
	at := s.now().UnixMilli()
	if at <= s.marked && s.marked-at < near {
		at = s.marked + 1
	}
	s.latest = at
	return at
}

// ReadAt is Read with the rows as they were at a moment. Rows are still found as they are at present.
func (s *Store) ReadAt(m Moment, f func(Reader)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(Reader{s: s, at: int64(m)})
}

// seen is the version of a row that the reader sees. Of a row that was not there yet it is the first.
func (r Reader) seen(rec *record) *version {
	if r.at == 0 || rec.now.at <= r.at || len(rec.before) == 0 {
		return &rec.now
	}
	for i := len(rec.before) - 1; i > 0; i-- {
		if rec.before[i].at <= r.at {
			return &rec.before[i]
		}
	}
	return &rec.before[0]
}
