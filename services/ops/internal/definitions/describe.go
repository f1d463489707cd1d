package definitions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

// Describer asks an org what it is like.
type Describer interface {
	// Describe says what an object is like; [salesforce.IsNotFound] tells that there is none.
	Describe(ctx context.Context, org, object string) (salesforce.Describe, error)
	// Objects are the names of all objects.
	Objects(ctx context.Context, org string) ([]string, error)
}

const (
	// describeTimeout bounds all questions of one apply; it does not hang on an org that is down.
	describeTimeout = 15 * time.Second
	// maxParents bounds how many objects are described for the relationship columns of one definition.
	maxParents = 20
)

// findings are what an org said about a definition.
type findings struct {
	// answered is false when the org could not be asked.
	answered bool
	warnings []string
	// caseSensitive is how the org compares the key field; nil = it did not say, or there is none to compare.
	caseSensitive *bool
}

// parent is an object that relationship columns point at.
type parent struct {
	described salesforce.Describe
	// known is false when the org could not be asked, exists is false when it has no such object.
	known, exists bool
}

// ask compares a definition with what the org says of its object and of the objects that it points at. The error is an [InvalidError], for what
// cannot work. An org that does not answer is a warning: records wait until it does.
func (a *Applier) ask(ctx context.Context, d *pipeline.Definition) (findings, error) {
	if a.describe == nil {
		return findings{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	described, err := a.describe.Describe(ctx, d.Org, d.Object)
	if salesforce.IsNotFound(err) {
		hint := ""
		if names, err := a.describe.Objects(ctx, d.Org); err == nil { // without the list the refusal is as true, only less helpful
			hint = suggest(d.Object, names)
		}
		return findings{answered: true}, &InvalidError{fmt.Errorf("object: org %s has no object %s that its user may see%s", d.Org, d.Object, hint)}
	}
	if err != nil {
		return findings{warnings: []string{
			fmt.Sprintf("org %s could not be asked about %s, so field names and the key field were not checked: %v", d.Org, d.Object, err),
		}}, nil
	}
	parents, warnings := a.parents(ctx, d, described)
	found, err := compare(d, described, parents)
	found.answered = true
	found.warnings = append(warnings, found.warnings...)
	return found, err
}

// parents describes the objects that the relationship columns point at.
func (a *Applier) parents(ctx context.Context, d *pipeline.Definition, described salesforce.Describe) (map[string]parent, []string) {
	out := map[string]parent{}
	var warnings []string
	for _, column := range d.Header() {
		prefix, relation, _, ok := splitColumn(column)
		if !ok {
			continue
		}
		field, ok := relationOf(described, relation)
		if !ok {
			continue
		}
		for _, object := range field.ReferenceTo {
			if _, asked := out[object]; asked || prefix != "" && !strings.EqualFold(prefix, object) || prefix == "" && len(field.ReferenceTo) > 1 {
				continue
			}
			if len(out) == maxParents {
				return out, append(warnings, fmt.Sprintf("the relationship columns point at more than %d objects: the others were not checked", maxParents))
			}
			p, err := a.describe.Describe(ctx, d.Org, object)
			switch {
			case err == nil:
				out[object] = parent{described: p, known: true, exists: true}
			case salesforce.IsNotFound(err):
				out[object] = parent{known: true}
			default:
				out[object] = parent{}
				warnings = append(warnings, fmt.Sprintf("org %s could not be asked about %s, so the columns that point at it were not checked: %v", d.Org, object, err))
			}
		}
	}
	return out, warnings
}

// splitColumn takes Relationship.Field or Type:Relationship.Field apart; ok is false for a plain column.
func splitColumn(column string) (prefix, relation, field string, ok bool) {
	relation, field, ok = strings.Cut(column, ".")
	if !ok {
		return "", "", "", false
	}
	if before, after, typed := strings.Cut(relation, ":"); typed {
		return before, after, field, true
	}
	return "", relation, field, true
}

// relationOf finds the reference field of a relationship, whatever its case.
func relationOf(described salesforce.Describe, relation string) (salesforce.DescribeField, bool) {
	i := slices.IndexFunc(described.Fields, func(f salesforce.DescribeField) bool {
		return f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, relation)
	})
	if i < 0 {
		return salesforce.DescribeField{}, false
	}
	return described.Fields[i], true
}
