package org

import (
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/sfid"
)

// sysField is a field that every object has and that is computed from a row's versions.
type sysField uint8

const (
	sysNone sysField = iota
	sysID
	sysIsDeleted
	sysCreatedDate
	sysCreatedByID
	sysLastModifiedDate
	sysLastModifiedByID
	sysSystemModstamp
)

var sysFields = []struct {
	name  string
	field sysField
	typ   FieldType
}{
	{"Id", sysID, "id"},
	{"IsDeleted", sysIsDeleted, TypeBoolean},
	{"CreatedDate", sysCreatedDate, TypeDateTime},
	{"CreatedById", sysCreatedByID, TypeReference},
	{"LastModifiedDate", sysLastModifiedDate, TypeDateTime},
	{"LastModifiedById", sysLastModifiedByID, TypeReference},
	{"SystemModstamp", sysSystemModstamp, TypeDateTime},
}

func systemField(name string) sysField {
	for _, f := range sysFields {
		if strings.EqualFold(f.name, name) {
			return f.field
		}
	}
	return sysNone
}

// Readable is a field of an object as a query names it: a stored one or one that every object has.
type Readable struct {
	Name   string
	Type   FieldType
	Stored *Field // nil for the fields that every object has
	sys    sysField
}

// Readable finds a field by name for reading; nil when there is none.
func (o *Object) Readable(name string) *Readable {
	for _, f := range sysFields {
		if strings.EqualFold(f.name, name) {
			return &Readable{Name: f.name, Type: f.typ, sys: f.field}
		}
	}
	if f := o.Field(name); f != nil && f.visible() {
		return &Readable{Name: f.Name, Type: f.Type, Stored: f}
	}
	return nil
}

// IsID says whether the field is the row's own Id.
func (r *Readable) IsID() bool { return r.sys == sysID }

// Reader gives access to rows while the store is locked for reading. It is valid only inside Store.Read and Store.ReadAt.
type Reader struct {
	s  *Store
	at int64 // the moment of which it tells, 0 = the present
}

// Read calls f with the store locked for reading; f must not keep the Reader.
func (s *Store) Read(f func(Reader)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(Reader{s: s})
}

// Rows is the number of rows an object ever had; places run from 0 below it.
func (r Reader) Rows(o *Object) uint32 { return uint32(len(r.s.table(o).rows)) }

// Live says whether a row is there and not deleted.
func (r Reader) Live(o *Object, row uint32) bool {
	t := r.s.table(o)
	return int(row) < len(t.rows) && !r.seen(&t.rows[row]).deleted
}

// Binned says whether a row was deleted and lies in the recycle bin, where queryAll still sees it.
func (r Reader) Binned(o *Object, row uint32) bool {
	t := r.s.table(o)
	if int(row) >= len(t.rows) {
		return false
	}
	v := r.seen(&t.rows[row])
	return v.deleted && !v.purged
}

// ID is the 18-character id of a row.
func (r Reader) ID(o *Object, row uint32) string { return sfid.To18(r.s.id15(r.s.table(o), row)) }

// ByID finds a row by its id in either form, deleted or not.
func (r Reader) ByID(o *Object, id string) (uint32, bool) {
	short, ok := sfid.Parse(id)
	if !ok {
		return 0, false
	}
	return r.s.find(r.s.table(o), short)
}

// ByKey returns the live rows that have a value in a field, whatever the form of the value (1 finds 1.00); ok is false
// when the field has no index and the rows have to be looked through.
func (r Reader) ByKey(o *Object, f *Field, value string) (rows []uint32, ok bool) {
	ix := r.s.table(o).keys[f.index]
	if ix == nil {
		return nil, false
	}
	if stored, problem := f.parse(value, 0); value != "" && problem == nil {
		value = stored
	}
	return ix.all(f.Fold(value)), true
}

// Value returns the value of a field in its stored text form; "" stands for null.
func (r Reader) Value(o *Object, row uint32, f *Readable) string {
	rec := &r.s.table(o).rows[row]
	now := r.seen(rec)
	if f.Stored != nil {
		return packedValue(now.data, f.Stored.index)
	}
	first := rec.now
	if len(rec.before) > 0 {
		first = rec.before[0]
	}
	switch f.sys {
	case sysID:
		return r.ID(o, row)
	case sysIsDeleted:
		if now.deleted {
			return "true"
		}
		return "false"
	case sysCreatedDate:
		return stamp(first.at)
	case sysLastModifiedDate, sysSystemModstamp:
		return stamp(now.at)
	case sysCreatedByID:
		return r.user(first)
	default: // LastModifiedById
		return r.user(*now)
	}
}

// user is who made a version: the one it names, else the integration user for jobs and the administrator for what was
// seeded.
func (r Reader) user(v version) string {
	who := r.s.user
	switch {
	case v.by != 0:
		who = v.by - 1
	case v.job == 0:
		who = r.s.admin
	}
	return sfid.To18(r.s.id15(r.s.table(r.s.model.Object("User")), who))
}

func stamp(millis int64) string { return FormatStamp(time.UnixMilli(millis)) }

// packedValue reads one field without unpacking the others.
func packedValue(data string, field int) string {
	for len(data) > 0 {
		at, n := uvarint(data)
		length, m := uvarint(data[n:])
		end := n + m + int(length)
		if int(at) == field {
			return data[n+m : end]
		}
		data = data[end:]
	}
	return ""
}

// Version is one state that a row had, oldest first.
type Version struct {
	At      time.Time         `json:"at"`
	Job     string            `json:"job"` // "" = seeded, or saved by a REST call
	Row     uint32            `json:"row"` // data row in the job's upload, from 1
	Deleted bool              `json:"deleted,omitempty"`
	Fields  map[string]string `json:"fields"` // the fields that were set
}

// Record is a row with its history.
type Record struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Seeded   bool              `json:"seeded"`
	Deleted  bool              `json:"deleted"`
	Fields   map[string]string `json:"fields"`
	Count    int               `json:"version_count"`
	Versions []Version         `json:"versions,omitempty"`
}

// Record returns a row, with its versions if asked.
func (r Reader) Record(o *Object, row uint32, history bool) Record {
	rec := &r.s.table(o).rows[row]
	out := Record{
		ID: r.ID(o, row), Object: o.Name, Seeded: rec.seeded, Deleted: rec.now.deleted,
		Fields: fieldMap(o, rec.now.data), Count: len(rec.before) + 1,
	}
	if history {
		for _, v := range rec.before {
			out.Versions = append(out.Versions, r.version(o, v))
		}
		out.Versions = append(out.Versions, r.version(o, rec.now))
	}
	return out
}

func (r Reader) version(o *Object, v version) Version {
	return Version{At: time.UnixMilli(v.at).UTC(), Job: r.s.jobs[v.job], Row: v.row, Deleted: v.deleted, Fields: fieldMap(o, v.data)}
}

func fieldMap(o *Object, data string) map[string]string {
	values := make([]string, len(o.Fields))
	unpack(data, values)
	m := make(map[string]string)
	for i, v := range values {
		if v != "" {
			m[o.Fields[i].Name] = v
		}
	}
	return m
}

// Find returns the rows that an id or a value of any unique or external id field names.
func (r Reader) Find(o *Object, key string) []uint32 {
	if row, ok := r.ByID(o, key); ok {
		return []uint32{row}
	}
	for _, f := range o.Fields {
		if !f.ExternalID && !f.Unique {
			continue
		}
		if rows, _ := r.ByKey(o, f, key); len(rows) > 0 {
			return rows
		}
	}
	return nil
}

// ID is the 18-character id of a row by its place, as outcomes name it.
func (s *Store) ID(o *Object, row uint32) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sfid.To18(s.id15(s.table(o), row))
}

// AllReadable returns every field of the object, those that every object has first.
func (o *Object) AllReadable() []*Readable {
	out := make([]*Readable, 0, len(sysFields)+len(o.Fields))
	for _, f := range sysFields {
		out = append(out, o.Readable(f.name))
	}
	for _, f := range o.Fields {
		if f.visible() {
			out = append(out, o.Readable(f.Name))
		}
	}
	return out
}

// Parents are the objects that a reference may point to; nil for other types.
func (f *Field) Parents() []*Object { return f.parents }
