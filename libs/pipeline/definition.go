package pipeline

import (
	"slices"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// Operations of a definition.
const (
	// OperationInsert makes a new row of each record. It is never sent again unless it is known not to have landed.
	OperationInsert = "insert"
	// OperationUpdate changes a row found by its Id or by another field.
	OperationUpdate = "update"
	// OperationUpsert changes the row that holds the external id, or makes it.
	OperationUpsert = "upsert"
	// OperationDelete deletes a row found by its Id or by another field.
	OperationDelete = "delete"
	// OperationHardDelete deletes a row without a way back: it skips the Recycle Bin. Salesforce wants the permission "Bulk API Hard Delete" for it.
	OperationHardDelete = "hardDelete"
)

var operations = []string{OperationInsert, OperationUpdate, OperationUpsert, OperationDelete, OperationHardDelete}

// Deletes says whether an operation takes rows away.
func Deletes(operation string) bool {
	return operation == OperationDelete || operation == OperationHardDelete
}

// Operations returns every operation of a definition. The caller owns the slice.
func Operations() []string { return slices.Clone(operations) }

// CorrelationContent is the correlation of an insert that has no field by which a result row can be matched to its record.
const CorrelationContent = "content"

// FieldID is the field by which every row of an org can be found.
const FieldID = "Id"

// How much of a row a record says.
const (
	// RecordsPatch: an absent member leaves the field alone.
	RecordsPatch = "patch"
	// RecordsWhole: an absent member clears the field.
	RecordsWhole = "whole"
)

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
	// EmptyKeep takes it as Salesforce does: the field is left alone, as if the member were absent. In a record that is the whole row what is absent is
	// cleared, and so is this.
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
	Name      string
	Org       string
	Object    string
	Operation string
	// ExternalID is the field that finds the row: the external id of an upsert; Id, or a field that a query resolves, of an update or delete; ""
	// for an insert.
	ExternalID string
	// Correlation is the unique field by which the result rows of an insert are matched, or [CorrelationContent]; "" for other operations.
	Correlation string
	// Key are the members (a.b for nested ones) that name the event; nil = the message or the content names it.
	Key []string
	// Version is the path of the member that says which record of an entity is newer; nil = the order in the stream says it.
	Version []string
	// Whole says that a record is the whole row: what it leaves out is cleared.
	Whole bool
	// CaseSensitive says that the org compares values of the key field exactly. It stands in no document: whoever stores definitions keeps what the
	// org said when this one was applied, and fills it in before anybody else sees the definition.
	CaseSensitive bool
	// Owner and Contact say who answers for the pipeline, in words; "" = nobody said.
	Owner, Contact string
	// DependsOn names the pipelines that fill what this one points at.
	DependsOn      []string
	Mappings       []Mapping
	UnknownMembers string
	EmptyString    string
	Lanes          int
	Chunk          Chunk
	// BulkThreshold is the number of rows from which a chunk of a keyed operation goes by a Bulk API job; smaller ones go by calls of sObject Collections.
	// 0 = every chunk goes by a job; nil = the definition does not say, and whoever sends has a default.
	BulkThreshold *int
	// Backlog is max_bytes of the pipeline's RECORDS stream.
	Backlog int64
	Retry   record.Policies
	// Revision is filled in by whoever stores definitions; 0 = not stored.
	Revision int

	header      []string
	plan        *plan
	keyIsEntity bool // key names the member of the key field and nothing else
}

// Header returns the columns of a row: the key field first, then the others in the order of the map; without a key field ([Definition.Content]) all in
// the order of the map. The caller must not change it.
func (d *Definition) Header() []string { return d.header }

// KeyField is the column by which a row of the org is told from others and a result row is matched to its record; "" when nothing but the content
// does it ([Definition.Content]).
func (d *Definition) KeyField() string {
	switch {
	case d.Operation != OperationInsert:
		return d.ExternalID
	case d.Content():
		return ""
	}
	return d.Correlation
}

// Content says that result rows can be matched by nothing but their content: an insert without a correlating field.
func (d *Definition) Content() bool {
	return d.Operation == OperationInsert && d.Correlation == CorrelationContent
}

// Resolves says that rows are found by a query before they are sent: an update or a delete of either kind by another field than Id.
func (d *Definition) Resolves() bool {
	return (d.Operation == OperationUpdate || Deletes(d.Operation)) && d.ExternalID != FieldID
}

// ChunkBytes bounds the raw CSV of a sealed chunk: what the definition says, less the room for ids where rows are found by a query. There an id
// takes the place of each row's key in the upload, which must not grow past what one job takes.
func (d *Definition) ChunkBytes() int64 {
	if !d.Resolves() {
		return d.Chunk.Bytes
	}
	return min(d.Chunk.Bytes, rowfile.MaxBytes-int64(d.Chunk.Rows)*idLength)
}

// idLength is the length of a Salesforce id.
const idLength = 18

// Merges says that records of one entity are versions of one row and may travel as one. Inserts never do: each is a row of its own.
func (d *Definition) Merges() bool { return d.Operation != OperationInsert }

// Exact says that values of the key field are compared as they are.
func (d *Definition) Exact() bool {
	return d.CaseSensitive || d.Content() || d.KeyField() == FieldID
}

// Space is the entity space: pipelines of the same space write the same rows of the org and share lanes.
func (d *Definition) Space() string {
	if d.Content() {
		return record.ContentSpace(d.Org, d.Object, d.Name)
	}
	return record.Space(d.Org, d.Object, d.KeyField(), d.Exact())
}

// EntityHash is the hash of a value of the key field, folded as this definition's space folds it. For [Definition.Content] the value is the record's key.
func (d *Definition) EntityHash(entity string) record.Hash {
	space := d.Space()
	return record.HashEntity(space, record.FoldIn(space, entity))
}

// KeyIsVersioned says that the key which the definition names is the entity itself, so that a record's version is part of its key: the same entity and
// version again is a repeat, and with other content it is a conflict of versions.
func (d *Definition) KeyIsVersioned() bool { return d.keyIsEntity && len(d.Version) > 0 }

// KeyHash is the hash of a key of this pipeline.
func (d *Definition) KeyHash(key string) record.Hash { return record.HashKey(d.Name, key) }

// Warning is something in a definition that is allowed and worth a look.
type Warning struct {
	Line int
	Text string
}
