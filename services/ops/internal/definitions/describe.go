package definitions

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

// ask compares a definition with what the org says of its object. It returns warnings, and an [InvalidError] for what cannot work. An org that
// does not answer is a warning: records wait until it does.
func (a *Applier) ask(ctx context.Context, d *pipeline.Definition) ([]string, error) {
	if a.describe == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	described, err := a.describe.Describe(ctx, d.Org, d.Object)
	if err != nil {
		if salesforce.IsNotFound(err) {
			return nil, &InvalidError{fmt.Errorf("org %s has no object %s that its user may see: %w", d.Org, d.Object, err)}
		}
		return []string{fmt.Sprintf("org %s could not be asked about %s, so field names and the external id were not checked: %v", d.Org, d.Object, err)}, nil
	}
	return compare(d, described)
}

// compare is the decision: which columns and which external id the object has.
func compare(d *pipeline.Definition, described salesforce.Describe) ([]string, error) {
	var (
		errs     []error
		warnings []string
	)
	if described.Name != d.Object {
		errs = append(errs, fmt.Errorf("object is written %s, the org writes %s: use the org's spelling", d.Object, described.Name))
	}
	if !described.Createable || !described.Updateable {
		errs = append(errs, fmt.Errorf("the org's user may not create and update %s: give it the permissions", d.Object))
	}
	switch field, ok := described.Field(d.ExternalID); {
	case !ok:
		errs = append(errs, fmt.Errorf("externalId: %s has no field %s that the org's user may see", d.Object, d.ExternalID))
	case field.Name != d.ExternalID:
		errs = append(errs, fmt.Errorf("externalId is written %s, the org writes %s: use the org's spelling", d.ExternalID, field.Name))
	case !field.ExternalID && !field.IDLookup:
		errs = append(errs, fmt.Errorf("externalId: %s.%s is not marked as external id: mark it in the org", d.Object, d.ExternalID))
	case !field.Unique && !strings.EqualFold(field.Name, "Id"):
		// Without uniqueness the effect would not be exactly once: an upsert would meet two rows.
		errs = append(errs, fmt.Errorf("externalId: %s.%s is not unique: mark it as unique in the org", d.Object, d.ExternalID))
	case field.CaseSensitive:
		errs = append(errs, fmt.Errorf("externalId: %s.%s is case-sensitive, which is not supported yet: values that differ in case only would be taken as one record", d.Object, d.ExternalID))
	}
	for _, column := range d.Header() {
		if relation, _, ok := strings.Cut(column, "."); ok {
			if !hasRelation(described, relation) {
				errs = append(errs, fmt.Errorf("map: %s has no relationship %s (column %s)", d.Object, relation, column))
			}
			continue
		}
		field, ok := described.Field(column)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("map: %s has no field %s that the org's user may see", d.Object, column))
		case field.Name != column:
			// Salesforce leaves a column blank in result files when its case differs.
			errs = append(errs, fmt.Errorf("map: column %s is written %s by the org: use the org's spelling", column, field.Name))
		case !field.Createable && !field.Updateable:
			errs = append(errs, fmt.Errorf("map: the org's user may not write %s.%s", d.Object, column))
		case !field.Createable || !field.Updateable:
			warnings = append(warnings, fmt.Sprintf("column %s can be written only when a row is %s", column, createdOr(field.Createable)))
		}
	}
	if len(errs) > 0 {
		return nil, &InvalidError{errors.Join(errs...)}
	}
	return warnings, nil
}

func createdOr(createable bool) string {
	if createable {
		return "created"
	}
	return "updated"
}

func hasRelation(described salesforce.Describe, name string) bool {
	for _, f := range described.Fields {
		if f.RelationshipName == name {
			return true
		}
	}
	return false
}
