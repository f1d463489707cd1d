package org

import (
	"regexp"
	"slices"
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
)

// FieldType is the type of a field, in Salesforce's own words.
type FieldType string

// The types a model may use.
const (
	TypeString    FieldType = "string"
	TypeTextArea  FieldType = "textarea"
	TypeEmail     FieldType = "email"
	TypePhone     FieldType = "phone"
	TypeURL       FieldType = "url"
	TypePicklist  FieldType = "picklist"
	TypeBoolean   FieldType = "boolean"
	TypeInt       FieldType = "int"
	TypeDouble    FieldType = "double"
	TypeCurrency  FieldType = "currency"
	TypePercent   FieldType = "percent"
	TypeDate      FieldType = "date"
	TypeDateTime  FieldType = "datetime"
	TypeReference FieldType = "reference"
)

// known says which types exist and the length a text type has when the model names none.
var known = map[FieldType]int{
	TypeString: 255, TypeTextArea: 32_768, TypeEmail: 80, TypePhone: 40, TypeURL: 255, TypePicklist: 255,
	TypeBoolean: 0, TypeInt: 0, TypeDouble: 0, TypeCurrency: 0, TypePercent: 0, TypeDate: 0, TypeDateTime: 0,
	TypeReference: 18,
}

// Access is what the users of the API may do with a field.
type Access string

// The accesses. A column of a field without access fails the whole upload, as if the field did not exist; a value for a
// field that may only be read fails its row. Both are what real orgs do.
const (
	AccessWrite Access = "write" // the default
	AccessRead  Access = "read"
	AccessNone  Access = "none"
)

// Names is one name or a list of them.
type Names []string

// UnmarshalYAML reads either form.
func (n *Names) UnmarshalYAML(read func(any) error) error {
	var one string
	if read(&one) == nil {
		*n = Names{one}
		return nil
	}
	var list []string
	err := read(&list)
	*n = list
	return err
}

// Field is one stored field of an object.
type Field struct {
	Name  string    `yaml:"name"`
	Label string    `yaml:"label"` // default: made from the name
	Type  FieldType `yaml:"type"`
	// Length is the longest text in characters; 0 = the usual length of the type.
	Length int `yaml:"length"`
	// Precision and Scale are the digits in all and after the point of a number; 0 and 0 = 18 and 0.
	Precision int  `yaml:"precision"`
	Scale     int  `yaml:"scale"`
	Required  bool `yaml:"required"`
	Unique    bool `yaml:"unique"`
	// ExternalID fields may be the key of an upsert and of a relationship column.
	ExternalID bool `yaml:"externalId"`
	// IDLookup fields may be the key of a relationship column. External ids are always that too.
	IDLookup      bool `yaml:"idLookup"`
	CaseSensitive bool `yaml:"caseSensitive"`
	// ReferenceTo is the object that a reference points to, or several: then it is polymorphic. RelationshipName is what
	// a relationship column calls it.
	ReferenceTo      Names  `yaml:"referenceTo"`
	RelationshipName string `yaml:"relationshipName"`
	// ChildRelationshipName is what a query of the parent calls the rows that refer to it; default: the plural label of
	// their object.
	ChildRelationshipName string `yaml:"childRelationshipName"`
	// MasterDetail makes the row a part of the one that it refers to: it cannot be without it, and goes with it.
	MasterDetail bool `yaml:"masterDetail"`
	// Reparentable lets a detail move to another master; otherwise it stays where it was made.
	Reparentable bool `yaml:"reparentable"`
	// Hierarchy makes the references to the object itself a tree: no row can come to stand above itself.
	Hierarchy bool `yaml:"hierarchy"`
	// LookupFilter is a rule over the row that is referred to (see rule): false refuses the reference.
	LookupFilter string   `yaml:"lookupFilter"`
	Values       []string `yaml:"values"`     // of a picklist
	Restricted   bool     `yaml:"restricted"` // a picklist that refuses other values
	Default      string   `yaml:"default"`    // what an insert without the field stores
	ReadOnly     bool     `yaml:"readOnly"`   // nobody may write it, as a formula
	Access       Access   `yaml:"access"`     // default: write

	object  *Object
	parent  *Object   // the first of parents
	parents []*Object // of a reference
	filter  *rule
	index   int
}

// parentNamed is the object of a name that the reference may point to, without regard to case; nil when there is none.
func (f *Field) parentNamed(name string) *Object {
	for _, p := range f.parents {
		if strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

// ParentOf is the object among those which the reference may point to that an id, short or long, belongs to; nil when
// it is none of theirs.
func (f *Field) ParentOf(id string) *Object {
	for _, p := range f.parents {
		if strings.HasPrefix(id, p.KeyPrefix) {
			return p
		}
	}
	return nil
}

// polymorphic says whether a reference may point to several objects.
func (f *Field) polymorphic() bool { return len(f.parents) > 1 }

// owner says whether the field names the user who owns the row.
func (f *Field) owner() bool { return f.Type == TypeReference && f.Name == "OwnerId" }

// keyed says whether a row can be named by this field.
func (f *Field) keyed() bool { return f.Unique || f.ExternalID || f.IDLookup }

// indexed says whether rows are found by this field without looking at all of them.
func (f *Field) indexed() bool { return f.keyed() || f.MasterDetail }

// visible says whether the users of the API see the field at all.
func (f *Field) visible() bool { return f.Access != AccessNone }

// Writable says whether the users of the API may write it.
func (f *Field) Writable() bool { return !f.ReadOnly && f.Access == AccessWrite }

// text says whether the field holds free text with a length.
func (f *Field) text() bool {
	switch f.Type {
	case TypeString, TypeTextArea, TypeEmail, TypePhone, TypeURL, TypePicklist:
		return true
	default:
		return false
	}
}

// Fold returns the form of a value under which Salesforce finds it by this field.
func (f *Field) Fold(v string) string {
	if f.Type == TypeReference {
		if id, ok := sfid.Parse(v); ok {
			return id // both forms of an id are the same row
		}
	}
	if f.CaseSensitive {
		return v
	}
	return strings.ToLower(v)
}

// Validation is a validation rule of an admin, in one of two forms: a row whose Field is set and does not match Pattern
// is refused, or a row for which Refuse holds.
type Validation struct {
	Name    string   `yaml:"name"` // default: its number
	Field   string   `yaml:"field"`
	Pattern string   `yaml:"pattern"` // RE2, matched against the whole stored value
	Refuse  string   `yaml:"refuse"`  // see rule
	Message string   `yaml:"message"`
	Fields  []string `yaml:"fields"` // what the error names; default: Field

	field   *Field
	matcher *regexp.Regexp
	refuse  *rule
}

// DuplicateRule is a rule of an admin against rows that mean the same: those whose Match fields are all set and equal,
// without regard to case.
type DuplicateRule struct {
	Name    string   `yaml:"name"`
	Match   []string `yaml:"match"`
	Action  string   `yaml:"action"`  // block (default) or allow
	Message string   `yaml:"message"` // default: that of Salesforce

	fields []*Field
}

// Trigger is code of the org that runs before rows are saved, as far as the outside notices it: it throws Error for
// the rows for which Refuse holds.
type Trigger struct {
	Name   string      `yaml:"name"`
	On     []Operation `yaml:"on"`     // insert, update, delete
	Refuse string      `yaml:"refuse"` // see rule
	Error  string      `yaml:"error"`

	refuse *rule
}

// Object is one sObject of the model.
type Object struct {
	Name           string          `yaml:"name"`
	Label          string          `yaml:"label"`
	LabelPlural    string          `yaml:"labelPlural"`
	KeyPrefix      string          `yaml:"keyPrefix"` // three characters that begin every id
	QueryOnly      bool            `yaml:"queryOnly"` // no job may write it
	Fields         []*Field        `yaml:"fields"`
	Validations    []Validation    `yaml:"validations"`
	DuplicateRules []DuplicateRule `yaml:"duplicateRules"`
	Triggers       []Trigger       `yaml:"triggers"`
	// Locked is a rule (see rule) over old that says which rows nobody may change or delete, such as those in approval.
	Locked string `yaml:"locked"`

	byName        map[string]*Field // by lower-case name
	relationships map[string]*Field // by lower-case relationship name
	children      map[string]*Child // by lower-case name of the way to the rows that refer to this object's
	place         int               // position among the model's objects

	// What saving a row has to look at, so that it does not look at more.
	required, unique, indexed, references []*Field
	hierarchies                           []*Field // references to the object itself without circles
	details                               []*Field // of other objects, whose rows are parts of rows of this one
	blocking                              []*DuplicateRule
	defaults                              []string
	owner                                 *Field
	locked                                *rule
}

// Field finds a stored field by name, without regard to case; nil when there is none.
func (o *Object) Field(name string) *Field { return o.byName[strings.ToLower(name)] }

// Relationship finds a reference field that users may read by its relationship name, without regard to case; nil when
// there is none.
func (o *Object) Relationship(name string) *Field {
	if f := o.relationships[strings.ToLower(name)]; f != nil && f.visible() {
		return f
	}
	return nil
}

// triggered says whether code of the org runs before rows are saved by an operation.
func (o *Object) triggered(op Operation) bool {
	if len(o.Triggers) == 0 {
		return false
	}
	return slices.ContainsFunc(o.Triggers, func(t Trigger) bool {
		switch op {
		case Delete, HardDelete:
			return slices.Contains(t.On, Delete)
		case Upsert:
			return slices.Contains(t.On, Insert) || slices.Contains(t.On, Update)
		default:
			return slices.Contains(t.On, op)
		}
	})
}

// Model is all that the org knows about its objects. It never changes after it was read.
type Model struct {
	Objects []*Object
	byName  map[string]*Object
	prefix  map[string]*Object
}

// Object finds an object by API name, without regard to case; nil when there is none.
func (m *Model) Object(name string) *Object { return m.byName[strings.ToLower(name)] }

// ByPrefix finds the object whose ids begin with a key prefix; nil when there is none.
func (m *Model) ByPrefix(prefix string) *Object { return m.prefix[prefix] }
