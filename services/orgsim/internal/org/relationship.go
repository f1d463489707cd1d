package org

import (
	"fmt"
	"slices"
	"strings"
)

// Lookup is the way from a row to the row that it refers to, as a query goes it.
type Lookup struct {
	Name    string    // of the relationship: Account, Airport__r, CreatedBy
	Field   *Readable // the reference: AccountId, Airport__c, CreatedById
	Parents []*Object // what it may lead to; never empty
}

// Polymorphic says whether the way may lead to rows of several objects.
func (l *Lookup) Polymorphic() bool { return len(l.Parents) > 1 }

// Lookup finds the way that leads from rows of an object by the name of a relationship, without regard to case; nil when
// there is none. Every object has CreatedBy and LastModifiedBy.
func (m *Model) Lookup(o *Object, relationship string) *Lookup {
	if f := o.Relationship(relationship); f != nil {
		return &Lookup{Name: f.RelationshipName, Field: o.Readable(f.Name), Parents: f.parents}
	}
	f := o.Readable(relationship + "Id")
	if f == nil || f.Stored != nil || f.Type != TypeReference {
		return nil
	}
	return &Lookup{Name: strings.TrimSuffix(f.Name, "Id"), Field: f, Parents: []*Object{m.Object("User")}}
}

// Parent finds the row that a lookup leads to from a row; ok is false when the reference is empty.
func (r Reader) Parent(o *Object, row uint32, l *Lookup) (parent *Object, up uint32, ok bool) {
	id := r.Value(o, row, l.Field)
	if id == "" {
		return nil, 0, false
	}
	for _, p := range l.Parents {
		if strings.HasPrefix(id, p.KeyPrefix) {
			up, ok = r.ByID(p, id)
			return p, up, ok
		}
	}
	return nil, 0, false
}

// Child is the way from a row to the rows that refer to it.
type Child struct {
	Name  string // of the relationship, as a query of the parent calls it: Contacts, Runways__r
	Field *Field // the reference, a field of the rows at the other end
}

// Child finds the way that leads to the rows which refer to a row of the object, without regard to case; nil when there
// is none that users may see.
func (o *Object) Child(name string) *Child {
	if c := o.children[strings.ToLower(name)]; c != nil && c.Field.visible() {
		return c
	}
	return nil
}

// Object is the object that has the field.
func (f *Field) Object() *Object { return f.object }

// Filterable says whether a query may ask for the field: long texts it may not (Salesforce: long text areas).
func (f *Field) Filterable() bool { return f.Type != TypeTextArea || f.Length <= shortTextArea }

// shortTextArea is the length of the longest text area that is not a long one.
const shortTextArea = 255

// linkChildren gives every object the names of the ways to the rows that refer to it: first those that the model says,
// then, where they are free, the usual ones.
func (m *Model) linkChildren() error {
	for _, usual := range []bool{false, true} {
		for _, o := range m.Objects {
			for _, f := range o.Fields {
				if f.Type != TypeReference || (f.ChildRelationshipName == "") != usual {
					continue
				}
				if err := f.linkChildren(usual); err != nil {
					return fmt.Errorf("object model: object %s: field %s: %w", o.Name, f.Name, err)
				}
			}
		}
	}
	return nil
}

func (f *Field) linkChildren(usual bool) error {
	name := f.ChildRelationshipName
	if usual {
		name = f.usualChildName()
	}
	for _, p := range f.parents {
		key := strings.ToLower(name)
		switch {
		case name == "" || usual && p.children[key] != nil:
			continue
		case !nameForm.MatchString(name):
			return fmt.Errorf("childRelationshipName %q must be letters, digits and underscores", name)
		case p.children[key] != nil:
			return fmt.Errorf("childRelationshipName %s is there twice for %s", name, p.Name)
		}
		if p.children == nil {
			p.children = map[string]*Child{}
		}
		p.children[key] = &Child{Name: name, Field: f}
	}
	return nil
}

// usualChildName is the plural of the object, with __r behind a field of the admin's (Salesforce: relationship names).
// References of standard objects to themselves and to owners have names of their own, or none.
func (f *Field) usualChildName() string {
	custom := isCustom(f.Name)
	if !custom && (f.owner() || slices.Contains(f.parents, f.object)) {
		return ""
	}
	gap := ""
	if custom {
		gap = "_"
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return -1
		}
	}, strings.ReplaceAll(f.object.LabelPlural, " ", gap))
	if !nameForm.MatchString(name) {
		return ""
	}
	if custom {
		name += "__r"
	}
	return name
}

// childRelationships are the ways to the rows that refer to one of the object's, by name.
func (o *Object) childRelationships() []DescribeChild {
	list := []DescribeChild{}
	for _, c := range o.children {
		if c.Field.visible() {
			list = append(list, DescribeChild{CascadeDelete: c.Field.MasterDetail, ChildSObject: c.Field.object.Name, Field: c.Field.Name, RelationshipName: c.Name})
		}
	}
	slices.SortFunc(list, func(a, b DescribeChild) int { return strings.Compare(a.RelationshipName, b.RelationshipName) })
	return list
}
