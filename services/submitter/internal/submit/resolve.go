package submit

import (
	"context"
	"fmt"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/submitter/internal/store"
)

// Codes of rows that are not sent, as Salesforce calls the same.
const (
	// codeNotFound: no row of the org has the value.
	codeNotFound = "ENTITY_NOT_FOUND"
	// codeDeleted: no row has it, and an earlier delete whose effect nobody saw explains that.
	codeDeleted = "ENTITY_IS_DELETED"
	// codeDuplicate: several rows of the org have the value.
	codeDuplicate = "DUPLICATE_EXTERNAL_ID"
	// codeNoRoom: with an id in place of its key the row does not fit the upload any more. It comes back in another chunk.
	codeNoRoom = "UPLOAD_IS_FULL"
)

// maxUnsentText bounds the message of a row that is not sent, in bytes; shownIDs how many ids it names.
const (
	maxUnsentText = 1000
	shownIDs      = 5
)

// resolve asks the org which rows the values of a batch name, and takes the id of each. What has none, or several, is not sent.
func (d *decision) resolve(ctx context.Context, batch []asking) error {
	left := batch[:0:0]
	var values []string
	for _, a := range batch {
		if d.omitted.Rows[a.row] {
			continue
		}
		left = append(left, a)
		if strings.TrimSpace(a.value) != "" {
			values = append(values, a.value)
		}
	}
	ids := map[string][]string{}
	if len(values) > 0 {
		found, err := d.lookUp(ctx, values)
		if err != nil {
			return err
		}
		ids = idsOf(d.chunk.Space, values, found)
	}
	for _, a := range left {
		have := ids[record.FoldIn(d.chunk.Space, a.value)]
		switch unsent := d.unsent(a, have); {
		case unsent != nil:
			d.omitted.Rows[a.row] = true
			d.out.Unsent = append(d.out.Unsent, *unsent)
		default:
			copy(d.out.RowIDs[a.row*store.IDLength:], have[0])
			d.bytes += int64(a.size)
		}
	}
	return nil
}

func (d *decision) lookUp(ctx context.Context, values []string) ([]salesforce.Found, error) {
	org, err := d.org(ctx)
	if err != nil {
		return nil, err
	}
	if err := at(ctx, pointBeforeResolve); err != nil {
		return nil, fmt.Errorf("%w: %w", errPoint, err)
	}
	found, err := org.Lookup(ctx, d.chunk.Object, d.chunk.KeyField, values)
	if err := at(ctx, pointAfterResolve); err != nil {
		return nil, fmt.Errorf("%w: %w", errPoint, err)
	}
	return found, err
}

// unsent says why a row is not sent, given the ids that its value has in the org; nil = it is sent.
func (d *decision) unsent(a asking, ids []string) *store.Unsent {
	u := store.Unsent{Row: a.row, Class: record.ClassReference, Code: codeNotFound}
	switch {
	case len(ids) == 1 && d.bytes+int64(a.size) <= salesforce.MaxUploadBytes:
		return nil
	case len(ids) == 1:
		u.Class, u.Code = record.ClassTransient, codeNoRoom
		u.Message = fmt.Sprintf("with the ids of its rows the upload is larger than %d bytes; this row is sent in another chunk", salesforce.MaxUploadBytes)
	case len(ids) > 1:
		u.Class, u.Code = record.ClassDuplicate, codeDuplicate
		shown := strings.Join(ids[:min(len(ids), shownIDs)], ", ")
		u.Message = fmt.Sprintf("more than one %s has %s %q: %s; correct them, or name the row by its Id", d.chunk.Object, d.chunk.KeyField, a.value, shown)
	case pipeline.Deletes(d.chunk.Operation) && ambiguous(a):
		u.Code = codeDeleted
		u.Message = fmt.Sprintf("no %s has %s %q any more: an earlier delete, whose effect was not seen, was carried out", d.chunk.Object, d.chunk.KeyField, a.value)
	default:
		u.Message = fmt.Sprintf("no %s has %s %q, so there is no row to %s", d.chunk.Object, d.chunk.KeyField, a.value, d.chunk.Operation)
	}
	u.Message = record.Storable(u.Message, maxUnsentText)
	return &u
}

// ambiguous says whether an earlier try of any record of a row may have had an effect that nobody saw: the row of the org is one for all of them.
func ambiguous(a asking) bool {
	for _, r := range a.records {
		if !r.GetAmbiguous() {
			return false
		}
	}
	return true
}

// idsOf sorts what was found by the asked values, folded as the space folds them. A value that folds to none of them was found by a rule of the org's
// own: numbers are written anew (7 is found as 7.0). Any other is nobody's.
func idsOf(space string, values []string, found []salesforce.Found) map[string][]string {
	asked := make(map[string]bool, len(values))
	numbers := map[string]string{}
	for _, v := range values {
		fold := record.FoldIn(space, v)
		asked[fold] = true
		if n, ok := record.ExactNumber(v); ok {
			numbers[n] = fold
		}
	}
	ids := make(map[string][]string, len(found))
	for _, f := range found {
		fold := record.FoldIn(space, f.Value)
		if !asked[fold] {
			n, ok := record.ExactNumber(f.Value)
			if !ok || numbers[n] == "" {
				continue
			}
			fold = numbers[n]
		}
		ids[fold] = append(ids[fold], f.ID)
	}
	return ids
}
