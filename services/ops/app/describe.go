package app

import (
	"context"

	"bulkhead/libs/salesforce"
	"bulkhead/services/ops/internal/definitions"
)

var _ definitions.Describer = (*orgs)(nil)

// Describe asks what an object is like.
func (o *orgs) Describe(ctx context.Context, org, object string) (salesforce.Describe, error) {
	client, err := o.catalog.Client(ctx, org)
	if err != nil {
		return salesforce.Describe{}, err
	}
	return client.Describe(ctx, object)
}

// Objects asks for the names of all objects.
func (o *orgs) Objects(ctx context.Context, org string) ([]string, error) {
	client, err := o.catalog.Client(ctx, org)
	if err != nil {
		return nil, err
	}
	return client.Objects(ctx)
}
