package soql

import (
	"fmt"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

func resolve(object *org.Object, name Name, text string) (Column, error) {
	noColumn := func(field, entity string) error {
		return &Error{"INVALID_FIELD", at(text, name.Pos) + fmt.Sprintf(
			"No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after "+
				"the custom field name. Please reference your WSDL or the describe call for the appropriate names.", field, entity)}
	}
	relation, field, related := strings.Cut(name.Path, ".")
	if !related || strings.EqualFold(relation, object.Name) { // Account.Name FROM Account is the field itself
		if related {
			relation = field
		}
		f := object.Readable(relation)
		if f == nil {
			return Column{}, noColumn(relation, object.Name)
		}
		return Column{Field: f}, nil
	}
	parent := object.Relationship(relation)
	if parent == nil {
		return Column{}, &Error{"INVALID_FIELD", at(text, name.Pos) + fmt.Sprintf(
			"Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, be sure to append "+
				"the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", relation)}
	}
	for _, o := range parent.Parents() { // a field that only some of them have is null in the others
		if f := o.Readable(field); f != nil {
			return Column{Parent: parent, Field: f}, nil
		}
	}
	return Column{}, noColumn(field, parent.Parent().Name)
}

func (c *Condition) resolve(object *org.Object, text string) (test, error) {
	column, err := resolve(object, c.Field, text)
	if err != nil {
		return test{}, err
	}
	t := test{column: column, op: c.Operator}
	values := c.List
	switch {
	case c.Value != nil:
		values = []*Value{c.Value}
		if t.op == "<>" {
			t.op = "!="
		}
	case c.Not:
		t.op = "notin"
	default:
		t.op = "in"
	}
	for _, v := range values {
		s, null, ok := v.of(column.Field)
		if ok && !null && isID(column.Field) && !sfid.Valid(s) {
			return test{}, &Error{"INVALID_QUERY_FILTER_OPERATOR", at(text, v.Pos) + "invalid ID field: " + s}
		}
		if !ok {
			return test{}, &Error{"INVALID_FIELD", at(text, v.Pos) + fmt.Sprintf(
				"value of filter criterion for field '%s' must be of type %s and should %sbe enclosed in quotes",
				column.Field.Name, column.Field.Type, notIf(v.Text != nil))}
		}
		t.nulls = t.nulls || null
		if !null {
			t.values = append(t.values, s)
		}
	}
	if t.nulls && (t.op == "<" || t.op == "<=" || t.op == ">" || t.op == ">=") {
		return test{}, &Error{"MALFORMED_QUERY", at(text, c.Field.Pos) + "null cannot be compared with " + t.op}
	}
	return t, nil
}

// isID says whether the field holds ids, which a query may compare with ids only.
func isID(f *org.Readable) bool { return f.IsID() || f.Type == org.TypeReference }

func notIf(quoted bool) string {
	if quoted {
		return "not "
	}
	return ""
}

// of returns the literal in the field's stored form; ok is false when its type does not fit.
func (v *Value) of(f *org.Readable) (text string, null, ok bool) {
	if v.Word != nil {
		word := strings.ToLower(*v.Word)
		return word, word == "null", word == "null" || f.Type == org.TypeBoolean
	}
	switch f.Type {
	case org.TypeBoolean:
		return "", false, false
	case org.TypeInt, org.TypeDouble, org.TypeCurrency, org.TypePercent:
		if v.Number == nil {
			return "", false, false
		}
		return *v.Number, false, true
	case org.TypeDate:
		return deref(v.Moment), false, v.Moment != nil && len(*v.Moment) == len("2006-01-02")
	case org.TypeDateTime:
		if v.Moment == nil {
			return "", false, false
		}
		for _, form := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05-0700"} {
			if t, err := time.Parse(form, *v.Moment); err == nil {
				return org.FormatStamp(t), false, true
			}
		}
		return "", false, false
	default:
		if v.Text == nil {
			return "", false, false
		}
		text = unquote(*v.Text)
		return text, text == "", true // an empty text is null
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
