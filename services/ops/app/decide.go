package app

import (
	"context"

	"bulkhead/libs/salesforce"
	"bulkhead/services/ops/internal/letters"
)

var _ letters.Orgs = (*orgs)(nil)

// Row reads a field of one row; false = the org has none of this id.
func (o *orgs) Row(ctx context.Context, org, object, id, field string) (letters.Row, bool, error) {
	client, err := o.catalog.Client(ctx, org)
	if err != nil {
		return letters.Row{}, false, err
	}
	row, err := client.Record(ctx, object, id, field)
	if salesforce.IsNotFound(err) {
		return letters.Row{}, false, nil
	}
	if err != nil {
		return letters.Row{}, false, err
	}
	return letters.Row{ID: id, Value: row[field]}, true, nil
}

// Rows finds the rows whose field has one of the values.
func (o *orgs) Rows(ctx context.Context, org, object, field string, values []string) ([]letters.Row, error) {
	client, err := o.catalog.Client(ctx, org)
	if err != nil {
		return nil, err
	}
	found, err := client.Lookup(ctx, object, field, values)
	if err != nil {
		return nil, err
	}
	out := make([]letters.Row, len(found))
	for i, f := range found {
		out[i] = letters.Row{ID: f.ID, Value: f.Value}
	}
	return out, nil
}
