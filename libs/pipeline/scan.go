package pipeline

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"bulkhead/libs/record"
)

// MaxDepth is how deep objects and arrays of a record may nest.
const MaxDepth = 64

type kind uint8

const (
	kindAbsent kind = iota
	kindNull
	kindString
	kindNumber
	kindBool
	kindObject
	kindArray
)

func (k kind) String() string {
	switch k {
	case kindAbsent:
		return "nothing"
	case kindNull:
		return "null"
	case kindString:
		return "a string"
	case kindNumber:
		return "a number"
	case kindBool:
		return "a boolean"
	case kindObject:
		return "an object"
	case kindArray:
		return "an array"
	}
	return "something else"
}

// value is a member that somebody wants: text is the decoded string, the number as written, or true and false.
type value struct {
	kind kind
	text string
	// bad says that the text was repaired or holds what no column can store: it must not be used.
	bad bool
}

// want is a tree of the members that somebody wants to know of.
type want struct {
	slot     int // where the value goes; -1 = it is only a way to deeper ones
	children map[string]*want
}

// scanner reads one JSON document once: it checks it, keeps the wanted values, and writes the canonical form.
//
// The canonical form has members sorted by name (by bytes of UTF-8), strings decoded and escaped only where they must be, numbers as written and
// no white space.
type scanner struct {
	data []byte
	at   int

	out     []byte   // canonical form
	members []member // of the objects being read, innermost last
	spare   []byte   // for sorting members

	values  []value // by slot
	unknown []string
	// strict collects names of members that nobody wants into unknown.
	strict bool

	badUTF8 bool // bytes or escapes that are no Unicode text
	nul     bool // U+0000 in a string or name

	room *Room // where wanted texts go
}

// member is where the canonical form of a member stands: its name (quoted) and the whole, in scanner.out.
type member struct {
	start, nameEnd, end int
	// escaped says that the canonical name holds an escape: it sorts by what it means.
	escaped bool
}

// syntaxError is a document that cannot be read.
type syntaxError struct {
	at   int
	text string
	// nul says that it ends at a bare U+0000 in a string.
	nul bool
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.text, e.at) }

func (s *scanner) fail(format string, args ...any) error {
	return &syntaxError{at: s.at, text: fmt.Sprintf(format, args...)}
}

func (s *scanner) reset(data []byte, room *Room, slots int, strict bool) {
	s.data, s.at, s.room = data, 0, room
	s.out, s.members, s.unknown = s.out[:0], s.members[:0], nil
	s.strict, s.badUTF8, s.nul = strict, false, false
	s.values = slices.Grow(s.values[:0], slots)[:slots]
	clear(s.values)
}

// document reads the whole of it. top is what stood there; the canonical form is in s.out.
func (s *scanner) document(w *want) (top kind, err error) {
	s.blank()
	if s.at == len(s.data) {
		return kindAbsent, s.fail("the body is empty")
	}
	top, _, err = s.value(w, "", 0)
	if err != nil {
		return top, err
	}
	s.blank()
	if s.at != len(s.data) {
		return top, s.fail("something follows the end of the document")
	}
	return top, nil
}

func (s *scanner) blank() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// value reads one value. w is what is wanted of it (nil = nothing), path its place for messages.
func (s *scanner) value(w *want, path string, depth int) (kind, value, error) {
	if s.at == len(s.data) {
		return kindAbsent, value{}, s.fail("the document ends where a value should be")
	}
	switch c := s.data[s.at]; {
	case c == '{':
		if w != nil && len(w.children) == 0 {
			w = nil // a single value was wanted here: whatever is inside, it is not one
		}
		err := s.object(w, path, depth+1)
		return kindObject, value{kind: kindObject}, err
	case c == '[':
		err := s.array(depth + 1)
		return kindArray, value{kind: kindArray}, err
	case c == '"':
		return s.stringValue(w != nil)
	case c == '-' || c >= '0' && c <= '9':
		text, err := s.number()
		if err != nil || w == nil {
			return kindNumber, value{kind: kindNumber}, err
		}
		return kindNumber, value{kind: kindNumber, text: s.room.text(text)}, nil
	case c == 't':
		return kindBool, value{kind: kindBool, text: "true"}, s.word("true")
	case c == 'f':
		return kindBool, value{kind: kindBool, text: "false"}, s.word("false")
	case c == 'n':
		return kindNull, value{kind: kindNull}, s.word("null")
	}
	return kindAbsent, value{}, s.fail("%s where a value should be", show(s.data[s.at:]))
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return s.fail("%s where a value should be", show(s.data[s.at:]))
	}
	s.at += len(w)
	s.out = append(s.out, w...)
	return nil
}

func (s *scanner) array(depth int) error {
	if depth > MaxDepth {
		return s.fail("nested deeper than %d", MaxDepth)
	}
	s.at++
	s.out = append(s.out, '[')
	s.blank()
	if s.at < len(s.data) && s.data[s.at] == ']' {
		s.at++
		s.out = append(s.out, ']')
		return nil
	}
	for {
		s.blank()
		if _, _, err := s.value(nil, "", depth); err != nil {
			return err
		}
		s.blank()
		if s.at == len(s.data) {
			return s.fail("the document ends inside an array")
		}
		c := s.data[s.at]
		if c != ',' && c != ']' {
			return s.fail("%s where a comma or ] should be", show(s.data[s.at:]))
		}
		s.at++
		s.out = append(s.out, c)
		if c == ']' {
			return nil
		}
	}
}

func (s *scanner) object(w *want, path string, depth int) error {
	if depth > MaxDepth {
		return s.fail("nested deeper than %d", MaxDepth)
	}
	base, first, sorted := len(s.out), len(s.members), true
	s.at++
	s.out = append(s.out, '{')
	s.blank()
	if s.at < len(s.data) && s.data[s.at] == '}' {
		s.at++
		s.out = append(s.out, '}')
		return nil
	}
	for {
		m, err := s.member(w, path, depth)
		if err != nil {
			return err
		}
		if n := len(s.members); n > first {
			sorted = sorted && s.compare(&s.members[n-1], &m) < 0
		}
		s.members = append(s.members, m)
		s.blank()
		if s.at == len(s.data) {
			return s.fail("the document ends inside an object")
		}
		c := s.data[s.at]
		if c != ',' && c != '}' {
			return s.fail("%s where a comma or } should be", show(s.data[s.at:]))
		}
		s.at++
		s.out = append(s.out, c)
		if c == '}' {
			break
		}
	}
	if !sorted {
		if err := s.sort(base, s.members[first:]); err != nil {
			return err
		}
	}
	s.members = s.members[:first]
	return nil
}

// member reads one name and value.
func (s *scanner) member(w *want, path string, depth int) (member, error) {
	s.blank()
	if s.at == len(s.data) || s.data[s.at] != '"' {
		return member{}, s.fail("%s where the name of a member should be", show(s.data[min(s.at, len(s.data)):]))
	}
	m := member{start: len(s.out)}
	name, bad, err := s.string()
	if err != nil {
		return m, err
	}
	m.nameEnd = len(s.out)
	m.escaped = bytes.IndexByte(s.out[m.start:m.nameEnd], '\\') >= 0
	s.blank()
	if s.at == len(s.data) || s.data[s.at] != ':' {
		return m, s.fail("%s where a colon should be", show(s.data[min(s.at, len(s.data)):]))
	}
	s.at++
	s.out = append(s.out, ':')
	s.blank()
	var child *want
	inner := ""
	if w != nil {
		if !bad {
			child = w.children[string(name)]
		}
		if child == nil && s.strict {
			s.unknown = append(s.unknown, cutName(join(path, string(bytes.ToValidUTF8(name, []byte("\uFFFD"))))))
		}
		if child != nil && len(child.children) > 0 {
			inner = join(path, string(name))
		}
	}
	k, v, err := s.value(child, inner, depth)
	if err != nil {
		return m, err
	}
	if child != nil {
		s.keep(child, k, v)
	}
	m.end = len(s.out)
	return m, nil
}

// keep stores a wanted value. Something that should have been an object of wanted members, and is none, is kept for each of them: null means that
// all of them are null, anything else is of a wrong type.
func (s *scanner) keep(w *want, k kind, v value) {
	if w.slot >= 0 {
		s.values[w.slot] = v
	}
	if k == kindObject {
		return
	}
	for _, child := range w.children {
		if k == kindNull {
			s.keep(child, k, v)
		} else {
			s.keep(child, kindArray, value{kind: kindArray})
		}
	}
}

// compare orders members by the bytes of their decoded names.
func (s *scanner) compare(a, b *member) int {
	left, right := s.out[a.start+1:a.nameEnd-1], s.out[b.start+1:b.nameEnd-1]
	if a.escaped {
		left = unescape(left)
	}
	if b.escaped {
		right = unescape(right)
	}
	return bytes.Compare(left, right)
}

// unescape decodes the inside of a canonical string.
func unescape(b []byte) []byte {
	s := scanner{data: append(append([]byte{'"'}, b...), '"')}
	text, _, err := s.string()
	if err != nil {
		return b // cannot be: it was written by appendCanonical
	}
	return text
}

// fewMembers are sorted soonest by moving each to its place.
const fewMembers = 16

// sort puts the members of the object that begins at base in order, and finds names that stand twice.
func (s *scanner) sort(base int, members []member) error {
	name := func(m member) []byte { return s.out[m.start:m.nameEnd] }
	if len(members) <= fewMembers {
		for i := 1; i < len(members); i++ {
			for k := i; k > 0 && s.compare(&members[k], &members[k-1]) < 0; k-- {
				members[k], members[k-1] = members[k-1], members[k]
			}
		}
	} else {
		slices.SortFunc(members, func(a, b member) int { return s.compare(&a, &b) })
	}
	s.spare = append(s.spare[:0], '{')
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(name(members[i-1]), name(m)) {
				return s.fail("the member %s stands twice in the object that ends", cutName(string(name(m))))
			}
			s.spare = append(s.spare, ',')
		}
		s.spare = append(s.spare, s.out[m.start:m.end]...)
	}
	s.spare = append(s.spare, '}')
	s.out = append(s.out[:base], s.spare...)
	return nil
}

// number checks a number against the grammar of JSON and returns it as written.
func (s *scanner) number() ([]byte, error) {
	n := numberLen(s.data[s.at:])
	if n == 0 {
		return nil, s.fail("%s is no number", show(s.data[s.at:]))
	}
	text := s.data[s.at : s.at+n]
	s.at += n
	s.out = append(s.out, text...)
	return text, nil
}

// numberLen is the length of the JSON number that data begins with; 0 = with none.
func numberLen(data []byte) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(data) && data[i] >= '0' && data[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(data) && data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(data) && data[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// show names what stands at a place, shortly and without what a terminal would act on.
func show(rest []byte) string {
	if len(rest) == 0 {
		return "the end"
	}
	r, n := utf8.DecodeRune(rest)
	if r == utf8.RuneError && n <= 1 {
		return fmt.Sprintf("the byte 0x%02X", rest[0])
	}
	return fmt.Sprintf("%q", r)
}

// cutName keeps a member's name from outside short.
func cutName(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	end := longest
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Canonical returns the canonical form of a JSON document and its content hash. It fails on what is no JSON, or not of Unicode text.
func Canonical(raw []byte) ([]byte, record.Hash, error) {
	var s scanner
	s.reset(bytes.TrimPrefix(raw, bom), new(Room), 0, false)
	if _, err := s.document(nil); err != nil {
		return nil, record.Hash{}, err
	}
	if s.badUTF8 || s.nul {
		return nil, record.Hash{}, &syntaxError{text: "text that is not Unicode or holds U+0000"}
	}
	return s.out, record.HashContent(s.out), nil
}

var bom = []byte("\xef\xbb\xbf")
