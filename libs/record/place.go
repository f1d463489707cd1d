package record

import (
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"
)

// Place is where a record stands in the stream that it was published to: the message's sequence and the place inside its frame,
// counted from 0.
type Place struct {
	Seq uint64
	Idx uint32
}

// Compare orders places as the stream does.
func (p Place) Compare(o Place) int {
	if c := cmp.Compare(p.Seq, o.Seq); c != 0 {
		return c
	}
	return cmp.Compare(p.Idx, o.Idx)
}

// Less says whether p stands before o.
func (p Place) Less(o Place) bool { return p.Compare(o) < 0 }

// String is "<sequence>.<index>", the form in which keys and letters show a place.
func (p Place) String() string {
	return strconv.FormatUint(p.Seq, 10) + "." + strconv.FormatUint(uint64(p.Idx), 10)
}

// PlaceKey is the key of a record that was refused before its key could be read: "@<sequence>.<index>". It is never a repeat.
func PlaceKey(p Place) string { return "@" + p.String() }

// BodyKey is the key made from the content where nothing names the event: "h:<hash>@<sequence>.<index>". The place is in it since
// the same content may be said again later (A, B, A are three events).
func BodyKey(content Hash, p Place) string { return string(AppendBodyKey(nil, content, p)) }

// AppendBodyKey appends what [BodyKey] returns.
func AppendBodyKey(dst []byte, content Hash, p Place) []byte {
	dst = hex.AppendEncode(append(dst, 'h', ':'), content[:])
	dst = strconv.AppendUint(append(dst, '@'), p.Seq, 10)
	return strconv.AppendUint(append(dst, '.'), uint64(p.Idx), 10)
}

// ReusedKey is the key under which a record dies that reuses a key for other content: "<key>#<content hash>". The same key with the
// same content again is a repeat of that.
func ReusedKey(key string, content Hash) string { return key + "#" + HashText(content) }

// PlaceOf is the place that a key of [PlaceKey] or [BodyKey] says; false = the key is another one, or says none that there can be.
func PlaceOf(key string) (Place, bool) {
	if !IsMadeKey(key) {
		return Place{}, false
	}
	seq, idx, _ := strings.Cut(key[strings.LastIndexByte(key, '@')+1:], ".")
	s, seqErr := strconv.ParseUint(seq, 10, 63)
	i, idxErr := strconv.ParseUint(idx, 10, 31)
	if seqErr != nil || idxErr != nil {
		return Place{}, false
	}
	return Place{Seq: s, Idx: uint32(i)}, true
}

// IsMadeKey says whether a text has the form of [PlaceKey] or [BodyKey], which no publisher may use for a key of its own.
func IsMadeKey(s string) bool {
	const hashDigits = 2 * len(Hash{})
	if rest, ok := strings.CutPrefix(s, "h:"); ok && len(rest) > hashDigits && consistsOf(rest[:hashDigits], "0123456789abcdef") {
		s = rest[hashDigits:]
	}
	rest, ok := strings.CutPrefix(s, "@")
	if !ok {
		return false
	}
	seq, idx, ok := strings.Cut(rest, ".")
	return ok && consistsOf(seq, "0123456789") && consistsOf(idx, "0123456789")
}

// consistsOf says whether s has at least one character and all are of set.
func consistsOf(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }
