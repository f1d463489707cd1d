package org

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// link resolves what an object says about others and compiles its rules; all objects are known by now.
func (m *Model) link(o *Object) error {
	for _, f := range o.Fields {
		if f.Type != TypeReference {
			continue
		}
		if err := m.linkReference(f); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		key := strings.ToLower(f.RelationshipName)
		if o.relationships[key] != nil {
			return fmt.Errorf("field %s: relationshipName %s is there twice", f.Name, f.RelationshipName)
		}
		o.relationships[key] = f
	}
	o.sortFields()
	for i := range o.Validations {
		v := &o.Validations[i]
		if v.Name == "" {
			v.Name = strconv.Itoa(i + 1)
		}
		if err := v.link(o); err != nil {
			return fmt.Errorf("validation %s: %w", v.Name, err)
		}
	}
	for i := range o.DuplicateRules {
		r := &o.DuplicateRules[i]
		if err := r.link(o); err != nil {
			return fmt.Errorf("duplicate rule %d (%s): %w", i+1, r.Name, err)
		}
		if r.Action != "allow" {
			o.blocking = append(o.blocking, r)
		}
	}
	for i := range o.Triggers {
		t := &o.Triggers[i]
		if err := t.link(o); err != nil {
			return fmt.Errorf("trigger %d (%s): %w", i+1, t.Name, err)
		}
	}
	if o.Locked != "" {
		var err error
		if o.locked, err = compileRule(o.Locked, o.oldFields()); err != nil {
			return fmt.Errorf("locked: %w", err)
		}
	}
	return nil
}

func (m *Model) linkReference(f *Field) error {
	for _, name := range f.ReferenceTo {
		parent := m.Object(name)
		if parent == nil {
			return fmt.Errorf("referenceTo names %s, which the model does not have", name)
		}
		if slices.Contains(f.parents, parent) {
			return fmt.Errorf("referenceTo names %s twice", name)
		}
		f.parents = append(f.parents, parent)
	}
	f.parent = f.parents[0]
	switch parent := f.parent; {
	case f.Hierarchy && (parent != f.object || f.polymorphic()):
		return errors.New("hierarchy is for a reference to the object itself")
	case f.MasterDetail && (parent == f.object || parent.QueryOnly):
		return fmt.Errorf("a row cannot be a part of a row of %s", parent.Name)
	case f.MasterDetail:
		f.Required = true
		parent.details = append(parent.details, f)
	case f.LookupFilter != "":
		var err error
		if f.filter, err = compileRule(f.LookupFilter, parent.fieldsAs("parent", scopeNew)); err != nil {
			return fmt.Errorf("lookupFilter: %w", err)
		}
	}
	return nil
}

// sortFields makes the lists of what saving a row has to look at.
func (o *Object) sortFields() {
	o.defaults = make([]string, len(o.Fields))
	for i, f := range o.Fields {
		o.defaults[i] = f.Default
		if f.Required {
			o.required = append(o.required, f)
		}
		if f.Unique {
			o.unique = append(o.unique, f)
		}
		if f.indexed() {
			o.indexed = append(o.indexed, f)
		}
		if f.Type != TypeReference {
			continue
		}
		o.references = append(o.references, f)
		if f.Hierarchy {
			o.hierarchies = append(o.hierarchies, f)
		}
		if f.owner() {
			o.owner = f
		}
	}
}

func (v *Validation) link(o *Object) error {
	if v.Message == "" {
		return errors.New("it needs a message")
	}
	for i, name := range v.Fields {
		f := o.Field(name)
		if f == nil {
			return fmt.Errorf("there is no field %s", name)
		}
		v.Fields[i] = f.Name
	}
	if v.Refuse != "" {
		if v.Field != "" || v.Pattern != "" {
			return errors.New("it has either refuse, or field and pattern")
		}
		var err error
		v.refuse, err = compileRule(v.Refuse, o.ruleFields())
		return err
	}
	if v.field = o.Field(v.Field); v.field == nil {
		return fmt.Errorf("there is no field %s", v.Field)
	}
	if v.Fields == nil {
		v.Fields = []string{v.field.Name}
	}
	matcher, err := regexp.Compile("^(?:" + v.Pattern + ")$")
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	v.matcher = matcher
	return nil
}

func (r *DuplicateRule) link(o *Object) error {
	if len(r.Match) == 0 {
		return errors.New("it needs fields to match")
	}
	if r.Action != "" && r.Action != "block" && r.Action != "allow" {
		return fmt.Errorf("action %q must be block or allow", r.Action)
	}
	if r.Message == "" {
		r.Message = "Use one of these records?"
	}
	for _, name := range r.Match {
		f := o.Field(name)
		if f == nil {
			return fmt.Errorf("there is no field %s", name)
		}
		r.fields = append(r.fields, f)
	}
	return nil
}

func (t *Trigger) link(o *Object) error {
	if !nameForm.MatchString(t.Name) {
		return errors.New("the name must be letters, digits and underscores")
	}
	if len(t.On) == 0 {
		return errors.New("on must name at least one of insert, update and delete")
	}
	for _, op := range t.On {
		if op != Insert && op != Update && op != Delete {
			return fmt.Errorf("on: %q must be insert, update or delete", op)
		}
	}
	if t.Error == "" {
		return errors.New("it needs an error")
	}
	var err error
	t.refuse, err = compileRule(t.Refuse, o.ruleFields())
	return err
}
