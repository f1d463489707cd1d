package pipeline

import (
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// Defaults and bounds of a definition.
const (
	DefaultLanes   = 2
	maxLanes       = 64
	maxColumns     = 5000 // Salesforce takes at most 5,000 fields in a record
	maxKeyMembers  = 8
	maxMemberName  = 255
	maxHeaderChars = 32_000 // Salesforce's bound of the header line

	defaultRows  = 50_000
	maxRows      = 1_000_000
	defaultBytes = 50_000_000
	minBytes     = 1000
	defaultAge   = 10 * time.Second
	minAge       = 10 * time.Millisecond
	maxAge       = 24 * time.Hour

	defaultBacklog = 2 << 30
	minBacklog     = 1 << 20
	maxBacklog     = 64 << 40
)

var (
	pipelineName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	apiName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
	// columnName also takes Relationship.Field, and Type:Relationship.Field for a relationship to several objects.
	columnName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$|^([A-Za-z][A-Za-z0-9_]{0,79}:)?[A-Za-z][A-Za-z0-9_]{0,79}\.[A-Za-z][A-Za-z0-9_]{0,79}$`)
)

// ParseDefinition reads one pipeline definition. The error joins everything that is wrong, each an [*Error] with its line; without one the definition is
// complete and in its bounds. What an org says to it is not checked here.
func ParseDefinition(yaml []byte) (*Definition, []Warning, error) {
	r := &reader{}
	f, ok := r.document(yaml)
	if !ok {
		return nil, nil, r.err()
	}
	f.constant("apiVersion", "bulkhead/v1")
	f.constant("kind", "Pipeline")
	emptyLine := f.lineOf("emptyString")
	d := &Definition{
		Name:           f.name("name"),
		Org:            f.name("org"),
		Object:         f.required("object", apiName, "the API name of an object"),
		UnknownMembers: f.choice("unknownMembers", UnknownReject, []string{UnknownReject, UnknownIgnore}),
		EmptyString:    f.choice("emptyString", EmptyReject, []string{EmptyReject, EmptyNull, EmptyKeep}),
	}
	d.readOperation(f)
	keyLine := f.lineOf("key")
	d.Key = f.keyMembers()
	versionLine, recordsLine := d.readVersion(f)
	d.readPeople(f)
	mapLines := d.readMap(f)
	d.Lanes = int(f.integer("lanes", DefaultLanes, 1, maxLanes))
	d.readChunk(f)
	d.readBulk(f)
	d.Backlog = f.size("backlog", defaultBacklog, minBacklog, maxBacklog)
	d.Retry = readRetry(f)
	f.end()
	if len(r.problems) == 0 {
		d.finish(r, lines{key: keyLine, version: versionLine, records: recordsLine, emptyString: emptyLine, mappings: mapLines})
	}
	if err := r.err(); err != nil {
		return nil, r.warnings, err
	}
	return d, r.warnings, nil
}

// constant reads a key that has one possible value.
func (f *fields) constant(key, value string) {
	if _, ok := f.nodes[key]; !ok {
		f.r.fail(f.line, "%s is missing: it must be %s", key, value)
	}
	if text, at, ok := f.text(key); ok && text != value {
		f.r.fail(at, "%s is %q, it must be %s", key, cutName(text), value)
	}
}

func (f *fields) name(key string) string {
	return f.required(key, pipelineName, "a name: a lower-case letter, then at most 39 lower-case letters, digits and hyphens")
}

// required reads a text that must be there and fit.
func (f *fields) required(key string, pattern *regexp.Regexp, what string) string {
	if _, ok := f.nodes[key]; !ok {
		f.known = append(f.known, key)
		f.r.fail(f.line, "%s is missing: %s", key, what)
		return ""
	}
	text, at, ok := f.text(key)
	if ok && !pattern.MatchString(text) {
		f.r.fail(at, "%s: %q is not %s", key, cutName(text), what)
		return ""
	}
	return text
}

// path reads a member's path such as a.b.
func (r *reader) path(text string, at int, what string) []string {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || len(part) > maxMemberName || strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			r.fail(at, "%s: %q is no member: names joined by dots, none empty", what, cutName(text))
			return nil
		}
	}
	if len(parts) > MaxDepth {
		r.fail(at, "%s: nested deeper than %d", what, MaxDepth)
		return nil
	}
	return parts
}

func (f *fields) keyMembers() []string {
	var out []string
	seen := map[string]bool{}
	at, ok := f.list("key", func(n ast.Node) {
		text, ok := f.r.scalar(n, "key")
		if !ok {
			return
		}
		if seen[text] {
			f.r.fail(line(n), "key names the member %q twice", cutName(text))
			return
		}
		seen[text] = true
		if f.r.path(text, line(n), "key") != nil {
			out = append(out, text)
		}
	})
	switch {
	case ok && len(seen) == 0:
		f.r.fail(at, "key names no member: leave it out, or name the members that name the event")
	case len(out) > maxKeyMembers:
		f.r.fail(at, "key names %d members, at most %d are allowed", len(out), maxKeyMembers)
	}
	return out
}

// readMap reads the mappings, and returns their lines.
func (d *Definition) readMap(f *fields) []int {
	var lines []int
	seen := map[string]int{}
	at, ok := f.list("map", func(n ast.Node) {
		entry, ok := f.r.mapping(n, "an entry of map")
		if !ok {
			return
		}
		m, ok := readMapping(entry)
		if !ok {
			return
		}
		folded := strings.ToLower(m.To)
		if first, twice := seen[folded]; twice {
			f.r.fail(entry.line, "column %s is filled twice, first on line %d", m.To, first)
			return
		}
		seen[folded] = entry.line
		d.Mappings = append(d.Mappings, m)
		lines = append(lines, entry.line)
	})
	switch {
	case !ok && len(f.r.problems) == 0:
		f.r.fail(at, "map is missing: it says which member fills which column")
	case ok && len(d.Mappings) == 0 && len(f.r.problems) == 0:
		f.r.fail(at, "map is empty: it says which member fills which column")
	case len(d.Mappings) > maxColumns:
		f.r.fail(at, "map has %d columns, Salesforce takes at most %d", len(d.Mappings), maxColumns)
	}
	return lines
}

var types = []string{string(TypeString), string(TypeNumber), string(TypeBoolean), string(TypeDate), string(TypeDateTime), string(TypeID)}

func readMapping(f *fields) (Mapping, bool) {
	before := len(f.r.problems)
	m := Mapping{To: f.required("to", columnName, "the API name of a field, or Relationship.Field")}
	if strings.HasPrefix(strings.ToLower(m.To), "sf__") {
		f.r.fail(f.line, "to: %s is a column of Salesforce's own", m.To)
	}
	_, hasFrom := f.nodes["from"]
	_, hasConst := f.nodes["const"]
	switch {
	case hasFrom == hasConst:
		f.r.fail(f.line, "an entry of map has either from or const")
		f.take("from")
		f.take("const")
	case hasFrom:
		if text, at, ok := f.text("from"); ok {
			m.From = f.r.path(text, at, "from")
		}
		m.Type = Type(f.choice("type", string(TypeString), types))
		m.Required = f.boolean("required", false)
	default:
		text, at, ok := f.text("const")
		switch {
		case ok && strings.TrimSpace(text) == "":
			f.r.fail(at, "const is blank: Salesforce would leave the field alone")
		case ok && isNullText(text):
			f.r.fail(at, "const is the text %s, which Salesforce takes as null", Null)
		case ok && strings.ContainsRune(text, 0):
			f.r.fail(at, "const holds the character U+0000")
		case ok && len(text) > MaxFieldChars:
			f.r.fail(at, "const is longer than a field can be")
		}
		m.Const = lineFeeds(text)
	}
	f.end()
	return m, len(f.r.problems) == before
}

func (d *Definition) readChunk(f *fields) {
	d.Chunk = Chunk{Rows: defaultRows, Bytes: defaultBytes, Age: defaultAge}
	c := f.object("chunk")
	if c == nil {
		return
	}
	d.Chunk.Rows = int(c.integer("rows", defaultRows, 1, maxRows))
	d.Chunk.Bytes = c.size("bytes", defaultBytes, minBytes, rowfile.MaxBytes)
	d.Chunk.Age = c.duration("age", defaultAge, minAge, maxAge)
	c.end()
}

// MaxBulkThreshold is the most rows that a chunk may have and go by calls of sObject Collections: each call takes 200.
const MaxBulkThreshold = 10_000

func (d *Definition) readBulk(f *fields) {
	b := f.object("bulk")
	if b == nil {
		return
	}
	if threshold := int(b.integer("threshold", -1, 0, MaxBulkThreshold)); threshold >= 0 {
		d.BulkThreshold = &threshold
	}
	b.end()
}

// Bounds of a retry policy.
const (
	maxAttempts = 100
	minWait     = time.Millisecond
	maxWait     = 24 * time.Hour
)

func readRetry(f *fields) record.Policies {
	policies := record.DefaultPolicies()
	retry := f.object("retry")
	if retry == nil {
		return policies
	}
	retry.choice("preset", "default", []string{"default"})
	for _, class := range record.Classes() {
		at := retry.lineOf(string(class))
		c := retry.object(string(class))
		if c == nil {
			continue
		}
		p := policies[class]
		if p.Max == 0 {
			retry.r.fail(at, "retry: class %s is never sent again by itself and has no policy", class)
			continue
		}
		if class == record.ClassQuota || class == record.ClassAuth {
			if at := c.lineOf("attempts"); c.take("attempts") != nil {
				c.r.fail(at, "attempts: class %s pauses the pipeline and counts no tries", class)
			}
		} else {
			p.Attempts = int(c.integer("attempts", int64(p.Attempts), 1, maxAttempts))
		}
		p.Base = c.duration("base", p.Base, minWait, maxWait)
		p.Max = c.duration("max", p.Max, minWait, maxWait)
		c.end()
		if p.Base > p.Max {
			c.r.fail(at, "retry: class %s: base (%s) is above max (%s)", class, p.Base, p.Max)
		}
		policies[class] = p
	}
	retry.end()
	return policies
}
