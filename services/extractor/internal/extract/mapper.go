package extract

import (
	"cmp"
	"slices"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
)

// mapper turns messages into candidates under one revision of a definition. It does no I/O. Not for concurrent use.
type mapper struct {
	def      *pipeline.Definition
	space    string
	folding  record.Folding
	ordinals []int // place in the header → ordinal of extractor.columns
	named    map[string]*columns
	last     *columns // those of the record before
	room     *pipeline.Room
	entity   []byte // the one at hand, and as it folds
	folded   []byte
}

// columns are those that a record names, by place in the header and as a set of ordinals. Nobody changes them.
type columns struct {
	named []int
	set   record.Bitmap
}

// maxNamed bounds the sets of columns that are remembered; records of a pipeline name few different ones.
const maxNamed = 4096

func newMapper(def *pipeline.Definition, ordinals map[string]int) *mapper {
	space := def.Space()
	m := &mapper{
		def: def, space: space, folding: record.FoldingOf(space), named: map[string]*columns{}, last: &columns{}, room: pipeline.NewRoom(),
	}
	for _, name := range def.Header() {
		m.ordinals = append(m.ordinals, ordinals[name])
	}
	return m
}

// message appends the candidates of one message: at least one, in the order of their places.
func (m *mapper) message(to []decide.Candidate, msg bus.Msg) []decide.Candidate {
	raw, refusal := bus.DecodeFrame(msg.Header, msg.Data)
	run, trace := bus.Run(msg.Header), bus.Traceparent(msg.Header)
	received := int64(0)
	if !msg.Time.IsZero() {
		received = msg.Time.UnixMicro()
	}
	if refusal != nil || len(raw) == 0 {
		if refusal == nil {
			refusal = &record.Refusal{Code: record.CodeFrameUnreadable, Message: "the message holds no record", Content: record.HashRaw(msg.Data)}
		}
		c := decide.Candidate{
			Place: record.Place{Seq: msg.Seq}, Last: true, Received: received, Content: refusal.Content, Refusal: refusal,
			Lane: record.LaneNone, Run: run, Trace: trace, Payload: msg.Data,
		}
		m.name(&c, "", "")
		return append(to, c)
	}
	for i := range raw {
		c := decide.Candidate{
			Place: record.Place{Seq: msg.Seq, Idx: raw[i].Idx}, Last: i == len(raw)-1, Received: received,
			Lane: record.LaneNone, Run: run, Trace: trace, Payload: raw[i].Body,
		}
		if refusal := raw[i].Refusal; refusal != nil {
			// Its body says nothing under a key that is none: the place alone names it, and no entity is taken from it.
			c.Refusal, c.Content = refusal, refusal.Content
			c.KeyKind, c.Key = decide.KeyUnknown, record.PlaceKey(c.Place)
			c.KeyHash = m.def.KeyHash(c.Key)
		} else {
			key := m.mapOne(&c)
			m.name(&c, key, raw[i].Key)
		}
		to = append(to, c)
	}
	return to
}

// mapOne fills in what the record's body says, and returns the key that its members give; "" = none.
func (m *mapper) mapOne(c *decide.Candidate) (key string) {
	mapped, refusal := m.def.MapIn(m.room, c.Payload)
	entity := mapped.Entity
	if refusal != nil {
		c.Refusal, c.Content, entity, key = refusal, refusal.Content, refusal.Entity, refusal.Key
	} else {
		c.Content, c.Version, key = mapped.Content, mapped.Version, mapped.Key
		of := m.columns(mapped.Named)
		c.Cells, c.Named, c.Columns = mapped.Cells, of.named, of.set
	}
	m.route(c, entity)
	return key
}

// route says what a record is about, and with it its lane; "" = nobody knows.
func (m *mapper) route(c *decide.Candidate, entity string) {
	if entity == "" {
		return
	}
	c.Entity, c.HasEntity = entity, true
	m.entity = append(m.entity[:0], entity...)
	m.folded = m.folding.Append(m.folded[:0], m.entity)
	c.EntityHash = record.HashEntityBytes(m.space, m.folded) // as [pipeline.Definition.EntityHash] does
	c.Lane = record.LaneOf(c.EntityHash, m.def.Lanes)
}

// refuse makes a record that maps one that does not. What was refused before stays refused for that.
func (m *mapper) refuse(c *decide.Candidate, code, message string) {
	if c.Refusal == nil {
		c.Refusal = &record.Refusal{Code: code, Message: message, Content: c.Content}
	}
	c.Cells, c.Named, c.Columns, c.Version = nil, nil, nil, nil
}

const missingKey = "nothing names the event, and an insert that is sent again under another name makes a second row: name members as key in the " +
	"definition, or publish the record with a Nats-Msg-Id (one record a message) or in a batch that gives each record a key"

// name gives the record its key: what the definition names, else what the message names, else its body, else its place. An insert is never named by its
// body or place: published again it would be another one. Without a key field the key is the entity: each record is a row of its own.
func (m *mapper) name(c *decide.Candidate, fromMembers, fromMessage string) {
	named := cmp.Or(fromMembers, fromMessage)
	if len(m.def.Key) > 0 {
		// Where the definition says where the key stands and it could not be read there, no other one may take its place.
		named = fromMembers
	}
	switch {
	case record.IsMadeKey(named):
		// Taken as it is, it could be the key of another record that names none, and the two would share a letter.
		c.Refusal = nil
		m.refuse(c, record.CodeUnrepresentable, "the key "+named+" has a form that is kept for records without a key: publish the record under another one")
		c.KeyKind, c.Key = decide.KeyUnknown, record.PlaceKey(c.Place)
	case named != "":
		c.KeyKind, c.Key = decide.KeyNamed, named
		if m.def.Content() {
			m.route(c, named)
		}
	case m.def.Operation == pipeline.OperationInsert:
		m.refuse(c, record.CodeMissingKey, missingKey)
		c.KeyKind, c.Key = decide.KeyUnknown, record.PlaceKey(c.Place)
	case len(m.def.Key) == 0 && c.HasEntity:
		c.KeyKind = decide.KeyFromBody
		return // made from what the candidate says, when somebody needs it
	default:
		// Without an entity there is no newest version that it could repeat.
		c.KeyKind, c.Key = decide.KeyUnknown, record.PlaceKey(c.Place)
	}
	c.KeyHash = m.def.KeyHash(c.Key)
}

// columns are those that a record names. Equal ones are the same.
func (m *mapper) columns(named []int) *columns {
	if slices.Equal(m.last.named, named) {
		return m.last
	}
	var room [128]byte
	key := room[:0]
	for _, n := range named {
		key = append(key, byte(n), byte(n>>8))
	}
	of, ok := m.named[string(key)]
	if !ok {
		of = &columns{named: slices.Clone(named)}
		for _, n := range named {
			of.set.Set(m.ordinals[n])
		}
		if len(m.named) < maxNamed {
			m.named[string(key)] = of
		}
	}
	m.last = of
	return of
}
