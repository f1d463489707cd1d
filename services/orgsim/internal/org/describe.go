package org

// DescribePicklistValue is one value of a picklist in a describe reply.
type DescribePicklistValue struct {
	Active       bool   `json:"active"`
	DefaultValue bool   `json:"defaultValue"`
	Label        string `json:"label"`
	Value        string `json:"value"`
}

// DescribeField is one field in a describe reply.
type DescribeField struct {
	CaseSensitive           bool                    `json:"caseSensitive"`
	Createable              bool                    `json:"createable"`
	Custom                  bool                    `json:"custom"`
	DefaultedOnCreate       bool                    `json:"defaultedOnCreate"`
	ExternalID              bool                    `json:"externalId"`
	Filterable              bool                    `json:"filterable"`
	IDLookup                bool                    `json:"idLookup"`
	Label                   string                  `json:"label"`
	Length                  int                     `json:"length"`
	Name                    string                  `json:"name"`
	Nillable                bool                    `json:"nillable"`
	PicklistValues          []DescribePicklistValue `json:"picklistValues"`
	PolymorphicForeignKey   bool                    `json:"polymorphicForeignKey"`
	Precision               int                     `json:"precision"`
	ReferenceTo             []string                `json:"referenceTo"`
	RelationshipName        *string                 `json:"relationshipName"`
	RestrictedPicklist      bool                    `json:"restrictedPicklist"`
	Scale                   int                     `json:"scale"`
	SoapType                string                  `json:"soapType"`
	Type                    string                  `json:"type"`
	Unique                  bool                    `json:"unique"`
	Updateable              bool                    `json:"updateable"`
	CascadeDelete           bool                    `json:"cascadeDelete"`
	RelationshipOrder       *int                    `json:"relationshipOrder"`
	WriteRequiresMasterRead bool                    `json:"writeRequiresMasterRead"`
}

// DescribeChild is one way to the rows that refer to those of an object in a describe reply.
type DescribeChild struct {
	CascadeDelete    bool   `json:"cascadeDelete"`
	ChildSObject     string `json:"childSObject"`
	Field            string `json:"field"`
	RelationshipName string `json:"relationshipName"`
}

// DescribeObject is what describe, and in short the list of objects, says of one object.
type DescribeObject struct {
	Children     []DescribeChild   `json:"childRelationships,omitempty"`
	Createable   bool              `json:"createable"`
	Custom       bool              `json:"custom"`
	Deletable    bool              `json:"deletable"`
	Fields       []DescribeField   `json:"fields,omitempty"`
	KeyPrefix    string            `json:"keyPrefix"`
	Label        string            `json:"label"`
	LabelPlural  string            `json:"labelPlural"`
	Name         string            `json:"name"`
	Queryable    bool              `json:"queryable"`
	Retrieveable bool              `json:"retrieveable"`
	Undeletable  bool              `json:"undeletable"`
	Updateable   bool              `json:"updateable"`
	URLs         map[string]string `json:"urls"`
}

// Describe returns the description of an object; base is the path of its resource, fields says whether its fields are
// wanted too.
func (o *Object) Describe(base string, fields bool) DescribeObject {
	d := DescribeObject{
		Createable: !o.QueryOnly, Custom: isCustom(o.Name), Deletable: !o.QueryOnly, KeyPrefix: o.KeyPrefix,
		Label: o.Label, LabelPlural: o.LabelPlural, Name: o.Name, Queryable: true, Retrieveable: true,
		Undeletable: !o.QueryOnly, Updateable: !o.QueryOnly,
		URLs: map[string]string{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"},
	}
	if !fields {
		return d
	}
	d.Children = o.childRelationships()
	for _, s := range sysFields {
		d.Fields = append(d.Fields, describeSystem(s.name, s.field, s.typ))
	}
	for _, f := range o.Fields {
		if f.visible() {
			d.Fields = append(d.Fields, f.describe(o))
		}
	}
	return d
}

func describeSystem(name string, field sysField, typ FieldType) DescribeField {
	d := DescribeField{
		Name: name, Label: label(name), Type: string(typ), SoapType: soapType(typ), DefaultedOnCreate: true, Filterable: true,
		PicklistValues: []DescribePicklistValue{}, ReferenceTo: []string{},
	}
	switch field {
	case sysID:
		d.Label, d.Length, d.IDLookup = "Record ID", 18, true
	case sysCreatedByID, sysLastModifiedByID:
		relation := name[:len(name)-len("Id")]
		d.Length, d.ReferenceTo, d.RelationshipName = 18, []string{"User"}, &relation
	}
	return d
}

func (f *Field) describe(o *Object) DescribeField {
	writable := !o.QueryOnly && f.Writable()
	d := DescribeField{
		Name: f.Name, Label: f.Label, Type: string(f.Type), SoapType: soapType(f.Type),
		Nillable: !f.Required && f.Type != TypeBoolean, Createable: writable, Updateable: writable && (!f.MasterDetail || f.Reparentable), Custom: isCustom(f.Name),
		ExternalID: f.ExternalID, IDLookup: f.ExternalID || f.IDLookup, Unique: f.Unique, CaseSensitive: f.CaseSensitive,
		DefaultedOnCreate: f.Default != "" || f.Type == TypeBoolean || f.owner(), Filterable: f.Filterable(),
		RestrictedPicklist: f.Restricted, PicklistValues: []DescribePicklistValue{}, ReferenceTo: []string{},
	}
	if f.text() {
		d.Length = f.Length
	}
	switch f.Type {
	case TypeReference:
		d.Length, d.ReferenceTo, d.RelationshipName = 18, f.ReferenceTo, &f.RelationshipName
		d.PolymorphicForeignKey = f.polymorphic()
		if f.MasterDetail {
			first := 0
			d.CascadeDelete, d.RelationshipOrder = true, &first
		}
	case TypeDouble, TypeCurrency, TypePercent:
		d.Precision, d.Scale = f.Precision, f.Scale
	}
	for _, v := range f.Values {
		d.PicklistValues = append(d.PicklistValues, DescribePicklistValue{Active: true, DefaultValue: v == f.Default, Label: v, Value: v})
	}
	return d
}

func soapType(t FieldType) string {
	switch t {
	case "id", TypeReference:
		return "tns:ID"
	case TypeBoolean:
		return "xsd:boolean"
	case TypeInt:
		return "xsd:int"
	case TypeDouble, TypeCurrency, TypePercent:
		return "xsd:double"
	case TypeDate:
		return "xsd:date"
	case TypeDateTime:
		return "xsd:dateTime"
	default:
		return "xsd:string"
	}
}

func isCustom(name string) bool { return len(name) > 3 && name[len(name)-3:] == "__c" }
