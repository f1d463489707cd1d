package org

import (
	"regexp"
	"strings"
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
	// ReferenceTo is the object that a reference points to, RelationshipName what a relationship column calls it.
	ReferenceTo      string   `yaml:"referenceTo"`
	RelationshipName string   `yaml:"relationshipName"`
	Values           []string `yaml:"values"`     // of a picklist
	Restricted       bool     `yaml:"restricted"` // a picklist that refuses other values
	Default          string   `yaml:"default"`    // what an insert without the field stores
	ReadOnly         bool     `yaml:"readOnly"`   // visible, but no job may write it

	parent *Object
	index  int
}

// Parent is the object that a reference points to, nil for other types.
func (f *Field) Parent() *Object { return f.parent }

// keyed says whether rows can be found by this field.
func (f *Field) keyed() bool { return f.Unique || f.ExternalID || f.IDLookup }

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
	if f.CaseSensitive {
		return v
	}
	return strings.ToLower(v)
}

// Validation is a validation rule of an admin: a row whose field is set and does not match is refused.
type Validation struct {
	Field   string `yaml:"field"`
	Pattern string `yaml:"pattern"` // RE2, matched against the whole stored value
	Message string `yaml:"message"`

	field   *Field
	matcher *regexp.Regexp
}

// Object is one sObject of the model.
type Object struct {
	Name        string       `yaml:"name"`
	Label       string       `yaml:"label"`
	LabelPlural string       `yaml:"labelPlural"`
	KeyPrefix   string       `yaml:"keyPrefix"` // three characters that begin every id
	QueryOnly   bool         `yaml:"queryOnly"` // no job may write it
	Fields      []*Field     `yaml:"fields"`
	Validations []Validation `yaml:"validations"`

	byName        map[string]*Field // by lower-case name
	relationships map[string]*Field // by lower-case relationship name
	place         int               // position among the model's objects
}

// Field finds a stored field by name, without regard to case; nil when there is none.
func (o *Object) Field(name string) *Field { return o.byName[strings.ToLower(name)] }

// Relationship finds a reference field by its relationship name, without regard to case; nil when there is none.
func (o *Object) Relationship(name string) *Field { return o.relationships[strings.ToLower(name)] }

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
