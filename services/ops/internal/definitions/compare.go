package definitions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

// comparison is a definition beside what the org says.
type comparison struct {
	d         *pipeline.Definition
	described salesforce.Describe
	parents   map[string]parent
	errs      []error
	warnings  []string
}

func (c *comparison) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *comparison) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// compare is the decision: whether the org can do with its object what the definition says.
func compare(d *pipeline.Definition, described salesforce.Describe, parents map[string]parent) (findings, error) {
	c := &comparison{d: d, described: described, parents: parents}
	c.object()
	key := c.key()
	c.columns()
	c.required()
	c.constants()
	if len(c.errs) > 0 {
		return findings{warnings: c.warnings}, &InvalidError{errors.Join(c.errs...)}
	}
	return findings{warnings: c.warnings, caseSensitive: key}, nil
}

// object checks the object itself and what the org's user may do with it.
func (c *comparison) object() {
	if c.described.Name != c.d.Object {
		c.fail("object is written %s, the org writes %s: use the org's spelling", c.d.Object, c.described.Name)
	}
	var missing []string
	needs := func(allowed bool, what string) {
		if !allowed {
			missing = append(missing, what)
		}
	}
	switch c.d.Operation {
	case pipeline.OperationInsert:
		needs(c.described.Createable, "create")
	case pipeline.OperationUpdate:
		needs(c.described.Updateable, "update")
	case pipeline.OperationUpsert:
		needs(c.described.Createable, "create")
		needs(c.described.Updateable, "update")
	case pipeline.OperationDelete, pipeline.OperationHardDelete:
		needs(c.described.Deletable, "delete")
	}
	if len(missing) > 0 {
		c.fail("the org's user may not %s rows of %s: give it the permission, or use another operation", strings.Join(missing, " and "), c.d.Object)
	}
}

// key checks the field by which rows are matched, and says how the org compares its values; nil = there is nothing to compare.
func (c *comparison) key() *bool {
	name, label := c.d.KeyField(), "externalId"
	if c.d.Operation == pipeline.OperationInsert {
		label = "correlation"
	}
	if name == "" || name == pipeline.FieldID {
		return nil
	}
	field, ok := c.field(label, name)
	if !ok {
		return nil
	}
	switch {
	case c.d.Operation == pipeline.OperationUpsert && !field.ExternalID && !field.IDLookup:
		c.fail("%s: %s.%s is not marked as external id: mark it in the org", label, c.d.Object, name)
	case c.d.Operation != pipeline.OperationUpsert && !field.Filterable:
		c.fail("%s: the org cannot search %s by %s: choose a field that it can filter by", label, c.d.Object, name)
	case !field.Unique:
		// Without uniqueness the effect would not be exactly once: one value would mean two rows.
		c.fail("%s: %s.%s is not unique: mark it as unique in the org", label, c.d.Object, name)
	}
	if (c.d.Operation == pipeline.OperationInsert || c.d.Operation == pipeline.OperationUpsert) && !field.Createable {
		c.fail("%s: the org's user may not write %s.%s when a row is created", label, c.d.Object, name)
	}
	return &field.CaseSensitive
}

// field finds a field in the org's spelling.
func (c *comparison) field(where, name string) (salesforce.DescribeField, bool) {
	field, ok := c.described.Field(name)
	switch {
	case !ok:
		c.fail("%s: %s has no field %s that the org's user may see%s", where, c.d.Object, name, suggest(name, fieldNames(c.described)))
		return field, false
	case field.Name != name:
		// Salesforce leaves a column blank in result files when its case differs.
		c.fail("%s: %s is written %s by the org: use the org's spelling", where, name, field.Name)
		return field, false
	}
	return field, true
}

func fieldNames(described salesforce.Describe) []string {
	out := make([]string, len(described.Fields))
	for i, f := range described.Fields {
		out[i] = f.Name
	}
	return out
}

// columns checks every column but the key field's.
func (c *comparison) columns() {
	for _, column := range c.d.Header() {
		if column == c.d.KeyField() {
			continue
		}
		if prefix, relation, target, ok := splitColumn(column); ok {
			c.relation(column, prefix, relation, target)
			continue
		}
		if field, ok := c.field("map", column); ok {
			c.writable(column, field)
		}
	}
}

// writable checks that the operation may write a field.
func (c *comparison) writable(column string, field salesforce.DescribeField) {
	switch {
	case !field.Createable && !field.Updateable:
		c.fail("map: the org's user may not write %s.%s", c.d.Object, field.Name)
	case c.d.Operation == pipeline.OperationInsert && !field.Createable:
		c.fail("map: column %s can be written only when a row is updated, and this pipeline inserts", column)
	case c.d.Operation == pipeline.OperationUpdate && !field.Updateable:
		c.fail("map: column %s can be written only when a row is created, and this pipeline updates", column)
	case c.d.Operation == pipeline.OperationUpsert && !field.Createable:
		c.warn("column %s can be written only when a row is updated: a record that creates one fails", column)
	case c.d.Operation == pipeline.OperationUpsert && !field.Updateable:
		c.warn("column %s can be written only when a row is created: a record that updates one fails", column)
	}
}

// relation checks a column that points at a row of another object by a field of that object.
func (c *comparison) relation(column, prefix, relation, target string) {
	reference, ok := relationOf(c.described, relation)
	switch {
	case !ok:
		var names []string
		for _, f := range c.described.Fields {
			if f.RelationshipName != "" {
				names = append(names, f.RelationshipName)
			}
		}
		c.fail("map: %s has no relationship %s (column %s)%s", c.d.Object, relation, column, suggest(relation, names))
		return
	case reference.RelationshipName != relation:
		c.fail("map: column %s: the relationship is written %s by the org: use the org's spelling", column, reference.RelationshipName)
		return
	}
	c.writable(column, reference)
	// A job fails as a whole when a prefix stands where none belongs, and the other way round (fact sheet, Bulk API 2.0 CSV).
	switch objects := strings.Join(reference.ReferenceTo, ", "); {
	case reference.PolymorphicForeignKey && prefix == "":
		c.fail("map: column %s: %s points at several objects (%s): write Type:%s.%s, such as %s:%s", column, relation, objects, relation, target, first(reference.ReferenceTo), column)
		return
	case !reference.PolymorphicForeignKey && prefix != "":
		c.fail("map: column %s: %s points at one object only (%s): write %s.%s", column, relation, objects, relation, target)
		return
	case prefix != "" && !slices.Contains(reference.ReferenceTo, prefix):
		c.fail("map: column %s: %s does not point at %s, only at %s", column, relation, prefix, objects)
		return
	}
	object := prefix
	if object == "" {
		if len(reference.ReferenceTo) != 1 {
			return // which object is meant is the org's to say
		}
		object = reference.ReferenceTo[0]
	}
	if p, asked := c.parents[object]; asked && p.known {
		c.target(column, object, target, p)
	}
}

func first(names []string) string {
	if len(names) == 0 {
		return "Type"
	}
	return names[0]
}

// target checks the field by which a parent is found.
func (c *comparison) target(column, object, name string, p parent) {
	if !p.exists {
		c.fail("map: column %s: org %s has no object %s that its user may see", column, c.d.Org, object)
		return
	}
	field, ok := p.described.Field(name)
	switch {
	case !ok:
		c.fail("map: column %s: %s has no field %s that the org's user may see%s", column, object, name, suggest(name, fieldNames(p.described)))
	case field.Name != name:
		c.fail("map: column %s: the field is written %s by the org: use the org's spelling", column, field.Name)
	case !field.ExternalID && !field.IDLookup:
		c.fail("map: column %s: %s.%s is no external id, so a parent cannot be found by it: mark it in the org, or choose another field", column, object, name)
	case !field.Unique && field.ExternalID:
		c.fail("map: column %s: %s.%s is not unique: mark it as unique in the org", column, object, name)
	case !field.Unique && field.Name != pipeline.FieldID:
		c.warn("column %s: %s.%s is not unique: a record whose parent is not the only one with its value fails", column, object, name)
	}
}

// required warns of what a new row needs and the map does not give.
func (c *comparison) required() {
	if c.d.Operation == pipeline.OperationUpdate || pipeline.Deletes(c.d.Operation) {
		return
	}
	written := map[string]bool{}
	for _, column := range c.d.Header() {
		written[strings.ToLower(column)] = true
		if _, relation, _, ok := splitColumn(column); ok {
			if reference, ok := relationOf(c.described, relation); ok {
				written[strings.ToLower(reference.Name)] = true
			}
		}
	}
	const most = 10
	var missing []string
	for _, f := range c.described.Fields {
		if !f.Nillable && !f.DefaultedOnCreate && f.Createable && f.Type != "boolean" && !written[strings.ToLower(f.Name)] {
			missing = append(missing, f.Name)
		}
	}
	if n := len(missing); n > 0 {
		text := strings.Join(missing[:min(n, most)], ", ")
		if n > most {
			text += fmt.Sprintf(" and %d more", n-most)
		}
		c.warn("a new row of %s needs %s, which map does not fill: records that create one fail", c.d.Object, text)
	}
}

// constants warns of values that every record would fail with, and of columns that a whole record would clear and cannot.
func (c *comparison) constants() {
	for _, m := range c.d.Mappings {
		field, ok := c.described.Field(m.To)
		if !ok || m.To == c.d.KeyField() {
			continue
		}
		switch {
		case m.From == nil && field.RestrictedPicklist && !hasValue(field, m.Const):
			c.warn("column %s: the constant %q is no active value of the picklist: every record fails", m.To, m.Const)
		case m.From != nil && c.d.Whole && !m.Required && !field.Nillable && field.Type != "boolean":
			c.warn("column %s cannot be empty in the org, and records are whole: one without it fails (required: true says so before it is sent)", m.To)
		}
	}
}

func hasValue(field salesforce.DescribeField, value string) bool {
	return slices.ContainsFunc(field.PicklistValues, func(v salesforce.PicklistValue) bool { return v.Active && v.Value == value })
}
