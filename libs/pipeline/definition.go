package pipeline

import (
	"time"

	"bulkhead/libs/record"
)

// Operations of a definition that this version carries out.
const OperationUpsert = "upsert"

// What to do with members that the definition does not name.
const (
	UnknownReject = "reject"
	UnknownIgnore = "ignore"
)

// What to do with an empty string, which Salesforce would take as "leave the field alone".
const (
	// EmptyReject makes the record a dead letter.
	EmptyReject = "reject"
	// EmptyNull takes it as null: the field is cleared.
	EmptyNull = "null"
	// EmptyKeep takes it as Salesforce does: the field is left alone, as if the member were absent.
	EmptyKeep = "keep"
)

// Type is what a mapped member must be.
type Type string

// The types of a mapping.
const (
	TypeString   Type = "string"
	TypeNumber   Type = "number"
	TypeBoolean  Type = "boolean"
	TypeDate     Type = "date"
	TypeDateTime Type = "datetime"
	TypeID       Type = "id"
)

// Mapping fills one column.
type Mapping struct {
	// From is the path of the member, names from the outside in; nil for a constant.
	From []string
	// Const is the value of a constant column; used when From is nil.
	Const string
	// To is the column: an API name in its exact case, or Relationship.Field.
	To       string
	Type     Type
	Required bool
}

// Chunk bounds a chunk; it is sealed at whichever comes first.
type Chunk struct {
	Rows int
	// Bytes is of raw CSV.
	Bytes int64
	// Age is that of its oldest record.
	Age time.Duration
}

// Definition is one revision of a pipeline. It is immutable: many readers may share it.
type Definition struct {
	Name       string
	Org        string
	Object     string
	Operation  string
	ExternalID string
	// Key are the members (a.b for nested ones) that name the event; nil = the message or the content names it.
	Key            []string
	Mappings       []Mapping
	UnknownMembers string
	EmptyString    string
	Lanes          int
	Chunk          Chunk
	// Backlog is max_bytes of the pipeline's RECORDS stream.
	Backlog int64
	Retry   record.Policies
	// Revision is filled in by whoever stores definitions; 0 = not stored.
	Revision int

	header []string
	plan   *plan
}

// Header returns the columns of a row: the external id first, then the others in the order of the map. The caller must not change it.
func (d *Definition) Header() []string { return d.header }

// Space is the entity space: pipelines of the same space write the same rows of the org and share lanes.
func (d *Definition) Space() string { return d.Org + "/" + d.Object + "/" + d.ExternalID }

// EntityHash is the hash of an external id value of this definition's space, folded as Salesforce folds it.
func (d *Definition) EntityHash(entity string) record.Hash {
	return record.HashEntity(d.Space(), record.FoldKey(entity))
}

// KeyHash is the hash of a key of this pipeline.
func (d *Definition) KeyHash(key string) record.Hash { return record.HashKey(d.Name, key) }

// Warning is something in a definition that is allowed and worth a look.
type Warning struct {
	Line int
	Text string
}
