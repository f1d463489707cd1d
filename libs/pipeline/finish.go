package pipeline

import (
	"slices"
	"strings"
)

// lines says where the keys stand that are checked together with others; 0 = they are absent.
type lines struct {
	key, version, records, emptyString int
	mappings                           []int // by place in the map
}

// finish checks what concerns several keys at once and prepares the definition for mapping.
func (d *Definition) finish(r *reader, at lines) {
	keyColumn := -1
	if field := d.KeyField(); field != "" {
		if keyColumn = d.checkKeyColumn(r, at, field); keyColumn < 0 {
			return
		}
	}
	d.checkColumns(r, at, keyColumn)
	d.checkEvent(r, at, keyColumn)
	d.prepare(r, at, keyColumn)
	d.warnings(r, at, keyColumn)
}

// checkKeyColumn finds the column by which rows are told apart, and says whether it can do that; -1 = it cannot.
func (d *Definition) checkKeyColumn(r *reader, at lines, field string) int {
	said := "externalId"
	if d.Operation == OperationInsert {
		said = "correlation"
	}
	i := slices.IndexFunc(d.Mappings, func(m Mapping) bool { return strings.EqualFold(m.To, field) })
	if i < 0 {
		r.fail(0, "map fills no column %s: every row needs its %s", field, said)
		return -1
	}
	m, line := d.Mappings[i], at.mappings[i]
	switch {
	case m.To != field:
		r.fail(line, "column %s and %s %s differ in case: write both as the org does", m.To, said, field)
	case m.From == nil:
		r.fail(line, "the column %s, which is the %s, cannot be a constant: all records would be one row", field, said)
	case field == FieldID && m.Type != TypeID:
		r.fail(line, "the column %s is of type %s: say type: %s", field, m.Type, TypeID)
	case field != FieldID && m.Type != TypeString && m.Type != TypeNumber:
		r.fail(line, "the column %s, which is the %s, is of type %s: such a field holds text or numbers", field, said, m.Type)
	default:
		return i
	}
	return -1
}

// checkColumns refuses columns that the operation cannot write.
func (d *Definition) checkColumns(r *reader, at lines, keyColumn int) {
	for i, m := range d.Mappings {
		switch {
		case i == keyColumn:
		case Deletes(d.Operation):
			r.fail(at.mappings[i], "column %s: a %s says which row and nothing else: map only %s", m.To, d.Operation, d.ExternalID)
		case !strings.EqualFold(m.To, FieldID):
		case d.Operation == OperationInsert:
			r.fail(at.mappings[i], "column Id cannot be written by an insert: Salesforce gives a new row its Id")
		default:
			r.fail(at.mappings[i], "column Id cannot be written by an %s: rows are found by %s", d.Operation, d.ExternalID)
		}
	}
}

// checkEvent refuses members that cannot name an event or a version.
func (d *Definition) checkEvent(r *reader, at lines, keyColumn int) {
	version := strings.Join(d.Version, ".")
	entity := ""
	if keyColumn >= 0 {
		entity = strings.Join(d.Mappings[keyColumn].From, ".")
	}
	// An insert makes its row once: there is no second event of the same row that could be taken for a repeat.
	d.keyIsEntity = len(d.Key) == 1 && d.Key[0] == entity && d.Merges()
	if d.keyIsEntity && version == "" {
		r.fail(at.key, "key names the member %q that is the external id: a second event of the same row would count as a repeat; "+
			"name what names the event, name version too, or leave key out", entity)
	}
	if version == "" {
		return
	}
	if version == entity {
		r.fail(at.version, "version names the member %q that is the external id: it never changes, so it orders nothing", version)
	}
	if len(d.Key) == 1 && d.Key[0] == version {
		r.fail(at.version, "key names nothing but the version %q: two rows of the same version would count as one event; name the row in key too", version)
	}
}

// prepare makes the header and the plan by which records are read.
func (d *Definition) prepare(r *reader, at lines, keyColumn int) {
	order := rangeOf(len(d.Mappings))
	if keyColumn >= 0 {
		order = append([]int{keyColumn}, slices.DeleteFunc(order, func(i int) bool { return i == keyColumn })...)
	}
	p := &plan{root: &want{slot: -1}, keyed: keyColumn >= 0, whole: d.Whole, version: -1}
	headerChars := 0
	for _, i := range order {
		m := d.Mappings[i]
		d.header = append(d.header, m.To)
		headerChars += len(m.To) + 1
		if m.From == nil {
			p.cols = append(p.cols, column{slot: -1, constant: m.Const})
			continue
		}
		slot, ok := p.slot(m.From)
		if !ok {
			r.fail(at.mappings[i], "from: %s is mapped as a value and as an object of other members", strings.Join(m.From, "."))
			continue
		}
		p.cols = append(p.cols, column{slot: slot, typ: m.Type, required: m.Required})
	}
	if headerChars > maxHeaderChars {
		r.fail(0, "the columns' names have %d characters, Salesforce takes a header line of at most %d", headerChars, maxHeaderChars)
	}
	for _, path := range d.Key {
		slot, ok := p.slot(strings.Split(path, "."))
		if !ok {
			r.fail(at.key, "key: %s is used as a value and as an object of other members", path)
			continue
		}
		p.keys = append(p.keys, slot)
	}
	if d.Version != nil {
		slot, ok := p.slot(d.Version)
		if !ok {
			r.fail(at.version, "version: %s is used as a value and as an object of other members", strings.Join(d.Version, "."))
		}
		p.version = slot
		if d.KeyIsVersioned() {
			p.keys = append(p.keys, slot)
		}
	}
	d.plan = p
}

// warnings says what is allowed and worth a look.
func (d *Definition) warnings(r *reader, at lines, keyColumn int) {
	if keyColumn >= 0 && d.Mappings[keyColumn].Type == TypeNumber {
		r.warn(at.mappings[keyColumn], "the external id is a number: 1 and 1.0 count as two rows here")
	}
	if d.Whole {
		r.warn(at.records, "records: %s: what a record leaves out is cleared in the org", RecordsWhole)
	}
	if d.Whole && d.EmptyString == EmptyKeep {
		r.warn(at.emptyString, "emptyString: %s: an empty string counts as absent, and with records: %s what is absent is cleared: it clears the field as %s does",
			EmptyKeep, RecordsWhole, EmptyNull)
	}
	if d.Operation == OperationHardDelete {
		r.warn(0, "operation: %s: rows skip the Recycle Bin, and nothing brings them back", OperationHardDelete)
	}
	if d.Operation == OperationUpdate && len(d.Mappings) == 1 {
		r.warn(0, "map fills no column but %s: the update changes no field", d.ExternalID)
	}
	if d.Operation == OperationInsert && d.Key == nil {
		r.warn(0, "key is not named: every record must come with a key of its own (Nats-Msg-Id of a single message, key in a RecordBatch), or it is refused")
	}
	if d.Chunk.Bytes > d.Backlog {
		r.warn(0, "chunk.bytes is above backlog: chunks will be sealed by age or rows before they are full")
	}
}

func rangeOf(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// slot gives a path its place among the wanted values. false = the path runs through, or ends above, another one.
func (p *plan) slot(path []string) (int, bool) {
	w := p.root
	for _, name := range path {
		if w.slot >= 0 {
			return 0, false
		}
		child, ok := w.children[name]
		if !ok {
			child = &want{slot: -1}
			if w.children == nil {
				w.children = map[string]*want{}
			}
			w.children[name] = child
		}
		w = child
	}
	if len(w.children) > 0 {
		return 0, false
	}
	if w.slot < 0 {
		w.slot = p.slots
		p.slots++
		p.names = append(p.names, strings.Join(path, "."))
	}
	return w.slot, true
}
