package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"bulkhead/libs/record"
)

// Refusal says why a record is a dead letter before Salesforce.
type Refusal = record.Refusal

// Null is the cell that clears a field (fact sheet, Bulk API 2.0 CSV).
const Null = "#N/A"

// Bounds of a record.
const (
	// MaxRecordBytes bounds the body of a record.
	MaxRecordBytes = 900 << 10
	// MaxFieldChars and MaxRowChars are Salesforce's bounds of a field and of a record in an ingest job, in characters.
	MaxFieldChars = 131_072
	MaxRowChars   = 400_000
)

// Mapped is a record as a row.
type Mapped struct {
	// Key is the idempotency key that the definition's members give; "" when it names none.
	Key string
	// Entity is the value of the key field as published, a Salesforce id in its long form; [Definition.EntityHash] folds it. "" where the definition
	// has no key field: the record's key is its entity then.
	Entity string
	// Version says which record of the entity is newer; nil when the definition names no such member.
	Version record.Version
	// Cells are in the order of [Definition.Header]: "" where the record says nothing, [Null] where it says null.
	Cells []string
	// Named are the places in the header that the record says something about, rising. The key field is always among them; of a definition whose
	// records are whole, all are.
	Named []int
	// Content is the hash of the canonical body.
	Content record.Hash
}

// plan is a definition prepared for mapping.
type plan struct {
	root  *want
	slots int
	cols  []column // by place in the header
	keyed bool     // the first column is the key field
	whole bool     // what a record leaves out is cleared
	keys  []int    // slots of the key's members
	names []string // path of each slot, for messages
	// version is the slot of the version; -1 = none.
	version int
}

type column struct {
	slot     int // -1 = constant
	constant string
	typ      Type
	required bool
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// maxKept is the size up to which a scanner's buffers are kept for the next record.
const maxKept = 1 << 20

// Room is where the rows of many records are laid out, so that a record costs no memory of its own: their texts and cells share blocks, each of which lives as long
// as anything in it does. What is kept for longer than its neighbours should be copied. The zero value gives each text memory of its own. Not for
// concurrent use.
type Room struct {
	block int // bytes; 0 = as much as a text needs
	texts strings.Builder
	cells []string
	named []int
}

// Sizes of a room's blocks: a frame of records or so.
const (
	roomBytes = 32 << 10
	roomCells = 2 << 10
)

// NewRoom makes a room for many records.
func NewRoom() *Room { return &Room{block: roomBytes} }

// text keeps a text.
func (r *Room) text(b []byte) string {
	if r.block == 0 {
		return string(b)
	}
	r.reserve(len(b))
	at := r.texts.Len()
	r.texts.Write(b)
	return r.texts.String()[at:]
}

// Text keeps a text beside those of the records.
func (r *Room) Text(b []byte) string { return r.text(b) }

// Clone keeps a copy of a text.
func (r *Room) Clone(s string) string {
	if r.block == 0 || s == "" {
		return strings.Clone(s)
	}
	r.reserve(len(s))
	at := r.texts.Len()
	r.texts.WriteString(s)
	return r.texts.String()[at:]
}

// reserve makes sure that n bytes fit without moving what was given out before.
func (r *Room) reserve(n int) {
	if r.texts.Cap()-r.texts.Len() < n {
		r.texts.Reset()
		r.texts.Grow(max(r.block, n))
	}
}

// row gives n empty cells.
func (r *Room) row(n int) []string {
	if r.block == 0 {
		return make([]string, n)
	}
	if len(r.cells) < n {
		r.cells = make([]string, max(roomCells, n))
	}
	row := r.cells[:n:n]
	r.cells = r.cells[n:]
	return row
}

// Map validates one record and maps it to a row. raw is the body as published; a byte order mark at its start is ignored. A refusal carries key, entity
// and content where they could be read all the same.
func (d *Definition) Map(raw []byte) (Mapped, *Refusal) { return d.MapIn(new(Room), raw) }

// MapIn is [Definition.Map] for many records: what it returns lies in room. Named is good until the next call with that room.
func (d *Definition) MapIn(room *Room, raw []byte) (Mapped, *Refusal) {
	if len(raw) > MaxRecordBytes {
		return Mapped{}, &Refusal{
			Code: record.CodeTooLarge, Content: record.HashRaw(raw),
			Message: fmt.Sprintf("the record has %d bytes, at most %d are allowed", len(raw), MaxRecordBytes),
		}
	}
	s := scanners.Get().(*scanner) //nolint:forcetypeassert // the pool holds nothing else
	defer func() {
		if cap(s.out) <= maxKept && cap(s.spare) <= maxKept {
			s.data, s.room = nil, nil
			scanners.Put(s)
		}
	}()
	s.reset(bytes.TrimPrefix(raw, bom), room, d.plan.slots, d.UnknownMembers == UnknownReject)
	top, err := s.document(d.plan.root)
	if err != nil {
		return Mapped{}, unreadable(s, err, raw)
	}
	m := mapping{d: d, s: s, out: Mapped{Content: record.HashContent(s.out)}}
	if s.badUTF8 || s.nul {
		// Bytes that are no text have no canonical form.
		m.out.Content = record.HashRaw(raw)
	}
	if r := m.run(top); r != nil {
		r.Key, r.Entity, r.Content = m.out.Key, m.out.Entity, m.out.Content
		return m.out, r
	}
	return m.out, nil
}

var gzipMagic = []byte{0x1f, 0x8b}

// unreadable tells a document that is no JSON from one that is not even text.
func unreadable(s *scanner, err error, raw []byte) *Refusal {
	r := &Refusal{Code: record.CodeNotJSON, Message: "not one JSON document: " + err.Error(), Content: record.HashRaw(raw)}
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax) && syntax.nul:
		r.Code, r.Message = record.CodeNULCharacter, "the character U+0000 stands in a string, which no column can store"
	case bytes.HasPrefix(raw, gzipMagic):
		r.Message = "the body is compressed, and its headers do not say so: publish it as it is"
	case s.badUTF8 || !utf8.Valid(raw):
		r.Code, r.Message = record.CodeBadUTF8, "the body is not valid UTF-8: publish JSON as UTF-8"
	}
	return r
}

// mapping is one run of [Definition.Map].
type mapping struct {
	d   *Definition
	s   *scanner
	out Mapped
}

// run goes through the checks; the key and the entity first, so that a refusal can name them.
func (m *mapping) run(top kind) *Refusal {
	if top != kindObject {
		return &Refusal{Code: record.CodeNotAnObject, Message: "the record is " + top.String() + ", not an object"}
	}
	badVersion := m.readVersion()
	missingKey := m.readKey()
	m.readEntity()
	if m.s.nul {
		return &Refusal{Code: record.CodeNULCharacter, Message: "the record holds the character U+0000, which no column can store"}
	}
	if m.s.badUTF8 {
		return &Refusal{Code: record.CodeBadUTF8, Message: "a string of the record is not Unicode text: invalid UTF-8 or half of a surrogate pair"}
	}
	if len(m.s.out) == len("{}") {
		return &Refusal{Code: record.CodeEmptyObject, Message: "the record is an object without members"}
	}
	if len(m.s.unknown) > 0 {
		return m.unknownMembers()
	}
	if badVersion != nil { // first, since the version may be a part of the key
		return badVersion
	}
	if missingKey != nil {
		return missingKey
	}
	return m.cells()
}

func (m *mapping) unknownMembers() *Refusal {
	const most = 20
	names := slices.Compact(slices.Sorted(slices.Values(m.s.unknown)))
	shown := names[:min(len(names), most)]
	text := strings.Join(shown, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return &Refusal{
		Code: record.CodeUnknownMember, Fields: slices.Clone(shown),
		Message: "the definition names no such member: " + text + " (add it to map, or set unknownMembers: ignore)",
	}
}

// readKey makes the key of the definition's members. Its refusal waits until it is known that nothing worse is wrong.
func (m *mapping) readKey() *Refusal {
	if len(m.d.plan.keys) == 0 {
		return nil
	}
	parts := make([]string, len(m.d.plan.keys))
	for i, slot := range m.d.plan.keys {
		v, name := m.s.values[slot], m.d.plan.names[slot]
		if v.bad {
			return nil // the record is refused for that
		}
		switch v.kind {
		case kindString, kindNumber, kindBool:
		case kindAbsent, kindNull:
			return &Refusal{Code: record.CodeMissingKey, Fields: []string{name}, Message: fmt.Sprintf("member %q, which names the event, is absent or null", name)}
		case kindObject, kindArray:
			return &Refusal{Code: record.CodeMissingKey, Fields: []string{name}, Message: fmt.Sprintf("member %q, which names the event, is %s", name, v.kind)}
		}
		if v.text == "" {
			return &Refusal{Code: record.CodeMissingKey, Fields: []string{name}, Message: fmt.Sprintf("member %q, which names the event, is empty", name)}
		}
		parts[i] = v.text
	}
	key := parts[0]
	if len(parts) > 1 {
		for i, part := range parts {
			parts[i] = keyEscape.Replace(part)
		}
		key = strings.Join(parts, "|")
	}
	if r := record.CheckKey("the key", key); r != nil {
		r.Fields = m.keyNames()
		return r
	}
	m.out.Key = key
	return nil
}

// keyEscape keeps keys of several members apart: ("a|b", "c") is not ("a", "b|c").
var keyEscape = strings.NewReplacer(`\`, `\\`, `|`, `\|`)

func (m *mapping) keyNames() []string {
	names := make([]string, len(m.d.plan.keys))
	for i, slot := range m.d.plan.keys {
		names[i] = m.d.plan.names[slot]
	}
	return names
}

// readVersion finds the version. Its refusal waits until it is known that nothing worse is wrong.
func (m *mapping) readVersion() *Refusal {
	slot := m.d.plan.version
	if slot < 0 {
		return nil
	}
	v, name := m.s.values[slot], m.d.plan.names[slot]
	if v.bad {
		return nil // the record is refused for that
	}
	kind, problem := record.VersionText, ""
	switch {
	case v.kind == kindNumber:
		kind = record.VersionNumber
	case v.kind == kindAbsent || v.kind == kindNull:
		problem = "is absent or null"
	case v.kind != kindString:
		problem = "is " + v.kind.String() + ", not a number or a date and time"
	}
	if problem == "" {
		version, err := record.ParseVersion(kind, v.text)
		if err == nil {
			m.out.Version = version
			return nil
		}
		problem = err.Error()
	}
	return &Refusal{
		Code: record.CodeWrongType, Fields: []string{name},
		Message: fmt.Sprintf("member %q, which says which version is newer, %s", name, problem),
	}
}

// readEntity finds the value of the key field, if it can stand as one. The checks with a message are those of its cell.
func (m *mapping) readEntity() {
	if !m.d.plan.keyed {
		return
	}
	col := m.d.plan.cols[0]
	v := m.s.values[col.slot]
	if v.bad {
		return
	}
	text, r := convert(col.typ, v)
	if r != "" || record.CheckKey("", text) != nil {
		return
	}
	if !blank(text) {
		m.out.Entity = text
	}
}

// blank says whether an external id says nothing: its folded form ([record.FoldKey]) is empty.
func blank(text string) bool { return strings.TrimSpace(text) == "" }

// cells maps the values to the row.
func (m *mapping) cells() *Refusal {
	cols := m.d.plan.cols
	cells, named := m.s.room.row(len(cols)), slices.Grow(m.s.room.named[:0], len(cols))
	chars := 0
	for i, col := range cols {
		if col.slot < 0 {
			cells[i] = col.constant
			named = append(named, i)
			chars += len(col.constant)
			continue
		}
		cell, r := m.cell(i, col)
		if r != nil {
			return r
		}
		if cell == "" && m.d.plan.whole {
			cell = Null
		}
		if cell == "" {
			continue
		}
		n := len(cell)
		if n > MaxFieldChars {
			if n = utf8.RuneCountInString(cell); n > MaxFieldChars {
				return m.refuse(record.CodeTooLarge, i, "has %d characters, Salesforce takes at most %d", n, MaxFieldChars)
			}
		}
		chars += n
		cells[i] = cell
		named = append(named, i)
	}
	if chars > MaxRowChars {
		chars = 0
		for _, cell := range cells {
			chars += utf8.RuneCountInString(cell)
		}
		if chars > MaxRowChars {
			return &Refusal{
				Code:    record.CodeTooLarge,
				Message: fmt.Sprintf("the row has %d characters, Salesforce takes at most %d", chars, MaxRowChars),
			}
		}
	}
	if len(named) == 0 {
		return &Refusal{Code: record.CodeEmptyObject, Message: "the record fills no column: there is nothing to insert"}
	}
	m.out.Cells, m.out.Named, m.s.room.named = cells, named, named
	return nil
}

// cell is the cell of one mapped member; "" = it says nothing.
func (m *mapping) cell(i int, col column) (string, *Refusal) {
	v := m.s.values[col.slot]
	externalID := i == 0 && m.d.plan.keyed
	switch {
	case v.kind == kindAbsent && externalID:
		return "", m.refuse(record.CodeMissingExternalID, i, "is absent: without it nobody can tell which row is meant")
	case v.kind == kindNull && externalID:
		return "", m.refuse(record.CodeMissingExternalID, i, "is null: without it nobody can tell which row is meant")
	case v.kind == kindAbsent && col.required:
		return "", m.refuse(record.CodeWrongType, i, "is absent, and the definition requires it")
	case v.kind == kindNull && col.required:
		return "", m.refuse(record.CodeWrongType, i, "is null, and the definition requires it")
	case v.kind == kindAbsent:
		return "", nil
	case v.kind == kindNull:
		return Null, nil
	case v.kind == kindString && v.text == "":
		return m.emptyString(i, col)
	}
	text, problem := convert(col.typ, v)
	if problem != "" {
		return "", m.refuse(record.CodeWrongType, i, "%s", problem)
	}
	if isNullText(text) {
		return "", m.refuse(record.CodeUnrepresentable, i, "is the text %s, which Salesforce takes as null: publish null to clear the field", Null)
	}
	if externalID {
		if blank(text) {
			return "", m.refuse(record.CodeMissingExternalID, i, "is blank: without it nobody can tell which row is meant")
		}
		if record.CheckKey("", text) != nil {
			r := record.CheckKey(fmt.Sprintf("member %q", m.d.plan.names[col.slot]), text)
			r.Fields = []string{m.d.plan.names[col.slot]}
			return "", r
		}
		// One entity is one value, whether the org stores blanks at its ends and compares two ways to write a letter as one, or not.
		text = norm.NFC.String(strings.TrimSpace(text))
	}
	return text, nil
}

func (m *mapping) emptyString(i int, col column) (string, *Refusal) {
	switch {
	case i == 0 && m.d.plan.keyed:
		return "", m.refuse(record.CodeMissingExternalID, i, "is empty: without it nobody can tell which row is meant")
	case m.d.EmptyString == EmptyReject:
		return "", m.refuse(record.CodeUnrepresentable, i,
			"is an empty string, which Salesforce would ignore: publish null to clear the field, or set emptyString")
	case col.required:
		return "", m.refuse(record.CodeWrongType, i, "is an empty string, and the definition requires a value")
	case m.d.EmptyString == EmptyNull:
		return Null, nil
	}
	return "", nil
}

// isNullText says whether a text would be taken as null. Blanks around it are counted in: whether they save it is nowhere promised.
func isNullText(s string) bool { return strings.TrimSpace(s) == Null }

func (m *mapping) refuse(code string, i int, format string, args ...any) *Refusal {
	name := m.d.plan.names[m.d.plan.cols[i].slot]
	return &Refusal{Code: code, Fields: []string{name}, Message: fmt.Sprintf("member %q ", name) + fmt.Sprintf(format, args...)}
}
