package submit

import (
	"context"
	"strings"

	"bulkhead/libs/record"
)

// beside is another pipeline whose records may be newer than those of the chunk in hand: both name versions, and both write the same entities.
type beside struct {
	pipeline string
	// fields are this pipeline's own columns, by the field that they write; columns the other one's fields, by their ordinals.
	fields  map[string]record.Bitmap
	columns map[int]string
}

// findBeside finds the pipelines that write the chunk's entity space and name a version, in any revision: what was sent under an older one is in the
// org. The lane is held, and whatever was sent before it was taken had been defined before: the list cannot come too late. columns are the ordinals of
// the chunk's own pipeline. Where no pipeline stands beside, this is one small question a chunk.
func (d *decision) findBeside(ctx context.Context, columns map[string]int) ([]beside, error) {
	revisions, err := d.c.Store.RevisionsBeside(ctx, d.chunk.Pipeline)
	if err != nil {
		return nil, err
	}
	var out []beside
	var fields map[string]record.Bitmap
	for _, r := range revisions {
		if len(out) > 0 && out[len(out)-1].pipeline == r.Pipeline {
			continue // by another revision of it
		}
		// One that cannot be read may have been one: its records are asked for, and bear the space in their entities' hashes.
		if def, err := d.c.Definition(ctx, r.Pipeline, r.Number); err == nil && (def.Space() != d.chunk.Space || len(def.Version) == 0 || !def.Merges()) {
			continue
		}
		theirs, err := d.c.Store.Columns(ctx, r.Pipeline)
		if err != nil {
			return nil, err
		}
		if fields == nil {
			fields = fieldsOf(columns)
		}
		b := beside{pipeline: r.Pipeline, fields: fields, columns: make(map[int]string, len(theirs))}
		for name, n := range theirs {
			b.columns[n] = fieldOf(name)
		}
		out = append(out, b)
	}
	return out, nil
}

// translate gives the columns of this pipeline that write what the other one's columns write.
func (b *beside) translate(theirs record.Bitmap) record.Bitmap {
	var own record.Bitmap
	for _, n := range theirs.Ordinals() {
		own = own.Or(b.fields[b.columns[n]])
	}
	return own
}

// fieldsOf are ordinals of columns by the field that they write; several columns may write one.
func fieldsOf(columns map[string]int) map[string]record.Bitmap {
	out := make(map[string]record.Bitmap, len(columns))
	for name, n := range columns {
		field := out[fieldOf(name)]
		field.Set(n)
		out[fieldOf(name)] = field
	}
	return out
}

// fieldOf is the field of the object that a column writes, in lower case: Salesforce tells fields apart without regard to it. A column such as
// Account.Number__c, Project__r.Code__c or User:Owner.Email names another object's field by a relationship, and writes the lookup field behind that
// (AccountId, Project__c, OwnerId).
func fieldOf(column string) string {
	relation, _, ok := strings.Cut(strings.ToLower(column), ".")
	if !ok {
		return relation
	}
	if _, after, typed := strings.Cut(relation, ":"); typed {
		relation = after
	}
	if custom, ok := strings.CutSuffix(relation, "__r"); ok {
		return custom + "__c"
	}
	return relation + "id"
}
