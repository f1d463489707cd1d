package org

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed system.yaml
var systemYAML []byte

// document is the YAML form of a model.
type document struct {
	Objects []*Object `yaml:"objects"`
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
	prefixForm = regexp.MustCompile(`^[0-9A-Za-z]{3}$`)
)

// ReadModel reads an object model and adds the objects that every org has. Unknown and repeated members are refused
// with their line; what contradicts itself is refused with the object and field.
func ReadModel(text []byte) (*Model, error) {
	own, err := readDocument(text)
	if err != nil {
		return nil, fmt.Errorf("object model: %w", err)
	}
	if len(own) == 0 {
		return nil, errors.New("object model: it names no object; begin with a list `objects:`")
	}
	system, err := readDocument(systemYAML)
	if err != nil {
		return nil, fmt.Errorf("object model of the system: %w", err)
	}
	m := &Model{byName: map[string]*Object{}, prefix: map[string]*Object{}}
	for _, o := range append(system, own...) {
		if err := m.add(o); err != nil {
			return nil, fmt.Errorf("object model: %w", err)
		}
	}
	for _, o := range m.Objects {
		if err := m.link(o); err != nil {
			return nil, fmt.Errorf("object model: object %s: %w", o.Name, err)
		}
	}
	if err := m.linkChildren(); err != nil {
		return nil, err
	}
	return m, nil
}

func readDocument(text []byte) ([]*Object, error) {
	var doc document
	if err := yaml.UnmarshalWithOptions(text, &doc, yaml.Strict()); err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return doc.Objects, nil
}

// add checks one object by itself and takes it into the model.
func (m *Model) add(o *Object) error {
	if o == nil || !nameForm.MatchString(o.Name) {
		return errors.New("an object has no name of letters, digits and underscores")
	}
	if m.Object(o.Name) != nil {
		return fmt.Errorf("object %s is there twice, or is one that every org has", o.Name)
	}
	if !prefixForm.MatchString(o.KeyPrefix) {
		return fmt.Errorf("object %s: keyPrefix must be three letters or digits, such as \"001\" (in quotes)", o.Name)
	}
	if other := m.prefix[o.KeyPrefix]; other != nil {
		return fmt.Errorf("object %s: keyPrefix %s belongs to %s", o.Name, o.KeyPrefix, other.Name)
	}
	if o.Label == "" {
		o.Label = label(o.Name)
	}
	if o.LabelPlural == "" {
		o.LabelPlural = o.Label + "s"
	}
	o.byName, o.relationships = map[string]*Field{}, map[string]*Field{}
	for i, f := range o.Fields {
		if f == nil {
			return fmt.Errorf("object %s: field %d is empty", o.Name, i+1)
		}
		f.index, f.object = i, o
		if err := f.check(); err != nil {
			return fmt.Errorf("object %s: field %s: %w", o.Name, f.Name, err)
		}
		if o.Field(f.Name) != nil || systemField(f.Name) != sysNone {
			return fmt.Errorf("object %s: field %s is there twice, or is one that every object has", o.Name, f.Name)
		}
		o.byName[strings.ToLower(f.Name)] = f
	}
	o.place = len(m.Objects)
	m.Objects = append(m.Objects, o)
	m.byName[strings.ToLower(o.Name)] = o
	m.prefix[o.KeyPrefix] = o
	return nil
}

// check fills in what a field leaves out and refuses what cannot be.
func (f *Field) check() error {
	if !nameForm.MatchString(f.Name) {
		return errors.New("the name must be letters, digits and underscores")
	}
	usual, ok := known[f.Type]
	if !ok {
		return fmt.Errorf("type %q is not known", f.Type)
	}
	if f.Label == "" {
		f.Label = label(f.Name)
	}
	if f.Length == 0 {
		f.Length = usual
	}
	if f.Precision == 0 && f.Scale == 0 {
		f.Precision = 18
	}
	if f.Access == "" {
		f.Access = AccessWrite
	}
	switch {
	case f.Length < 0 || f.Length > MaxFieldLength:
		return fmt.Errorf("length %d is outside 0 to %d", f.Length, MaxFieldLength)
	case f.Scale < 0 || f.Precision < f.Scale || f.Precision > 18:
		return fmt.Errorf("precision %d and scale %d: need 18 >= precision >= scale >= 0", f.Precision, f.Scale)
	case f.Type == TypeReference && (len(f.ReferenceTo) == 0 || f.RelationshipName == ""):
		return errors.New("a reference needs referenceTo and relationshipName")
	case f.Type != TypeReference && (len(f.ReferenceTo) > 0 || f.RelationshipName != "" || f.ChildRelationshipName != "" || f.MasterDetail || f.Hierarchy || f.LookupFilter != ""):
		return errors.New("only a reference has referenceTo, relationshipName, childRelationshipName, masterDetail, hierarchy and lookupFilter")
	case len(f.ReferenceTo) > 1 && (f.MasterDetail || f.LookupFilter != ""):
		return errors.New("a reference to several objects can have neither masterDetail nor lookupFilter")
	case f.Reparentable && !f.MasterDetail:
		return errors.New("reparentable is for masterDetail; every other reference may change")
	case f.Access != AccessWrite && f.Access != AccessRead && f.Access != AccessNone:
		return fmt.Errorf("access %q must be write, read or none", f.Access)
	case f.Type == TypeReference && f.Default != "":
		return errors.New("a reference has no default; OwnerId has one by itself, the user who saves")
	case f.Restricted && len(f.Values) == 0:
		return errors.New("a restricted picklist needs values")
	case f.keyed() && (f.Type == TypeBoolean || f.Type == TypeReference || f.Type == TypeTextArea):
		return fmt.Errorf("a %s cannot be unique or an external id", f.Type)
	}
	if f.Type == TypeBoolean && f.Default == "" {
		f.Default = "false" // a checkbox has no null
	}
	if f.Default != "" {
		v, problem := f.parse(f.Default, 0)
		if problem != nil {
			return fmt.Errorf("default: %w", problem)
		}
		f.Default = v
	}
	return nil
}

// label makes a readable label from an API name: Loyalty_Number__c → Loyalty Number, LastName → Last Name.
func label(name string) string {
	name = strings.TrimSuffix(name, "__c")
	var b strings.Builder
	for i, r := range name {
		if r == '_' {
			b.WriteByte(' ')
			continue
		}
		upper := r >= 'A' && r <= 'Z'
		if i > 0 && upper && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
