package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Describe is what the org says of an object, as far as the integration user may see it: a field without field-level access is not
// there.
type Describe struct {
	Name       string          `json:"name"`
	Label      string          `json:"label"`
	KeyPrefix  string          `json:"keyPrefix"`
	Custom     bool            `json:"custom"`
	Createable bool            `json:"createable"`
	Updateable bool            `json:"updateable"`
	Deletable  bool            `json:"deletable"`
	Queryable  bool            `json:"queryable"`
	Fields     []DescribeField `json:"fields"`
}

// DescribeField is one field of an object. Lengths are characters.
type DescribeField struct {
	Name                  string          `json:"name"`
	Label                 string          `json:"label"`
	Type                  string          `json:"type"`
	Length                int             `json:"length"`
	Precision             int             `json:"precision"`
	Scale                 int             `json:"scale"`
	Nillable              bool            `json:"nillable"`
	Createable            bool            `json:"createable"`
	Updateable            bool            `json:"updateable"`
	Filterable            bool            `json:"filterable"`
	DefaultedOnCreate     bool            `json:"defaultedOnCreate"`
	ExternalID            bool            `json:"externalId"`
	IDLookup              bool            `json:"idLookup"`
	Unique                bool            `json:"unique"`
	CaseSensitive         bool            `json:"caseSensitive"`
	RelationshipName      string          `json:"relationshipName"`
	ReferenceTo           []string        `json:"referenceTo"`
	PolymorphicForeignKey bool            `json:"polymorphicForeignKey"`
	RestrictedPicklist    bool            `json:"restrictedPicklist"`
	PicklistValues        []PicklistValue `json:"picklistValues"`
	Calculated            bool            `json:"calculated"`
	AutoNumber            bool            `json:"autoNumber"`
}

// PicklistValue is one choice of a picklist.
type PicklistValue struct {
	Value        string `json:"value"`
	Label        string `json:"label"`
	Active       bool   `json:"active"`
	DefaultValue bool   `json:"defaultValue"`
}

// Field finds a field by name. Salesforce matches names without case on the way in, and blanks a column whose case differs on the
// way out: use the Name of the field found.
func (d Describe) Field(name string) (DescribeField, bool) {
	for _, f := range d.Fields {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return DescribeField{}, false
}

// Describe asks what an object is like. [IsNotFound] says that there is no such object, or that the user may not see it. It may be
// sent again.
func (c *Client) Describe(ctx context.Context, object string) (Describe, error) {
	r := request{method: http.MethodGet, path: "sobjects/" + object + "/describe", route: "sobjects/{object}/describe", repeat: true}
	if !apiName.MatchString(object) {
		return Describe{}, &RequestError{Endpoint: r.method + " " + r.route, Problem: fmt.Sprintf("object %q is not an API name", clip(object, maxNameRunes))}
	}
	var d Describe
	if err := c.call(ctx, r, &d); err != nil {
		return Describe{}, err
	}
	if !strings.EqualFold(d.Name, object) || len(d.Fields) == 0 {
		return Describe{}, unusable(r, "the reply describes no such object")
	}
	return d, nil
}
