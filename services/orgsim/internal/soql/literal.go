package soql

import (
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

// in returns the literal in the stored form of a source's values; null says that it is none at all. A period is left to
// the caller. An empty text is null.
func (v *literal) in(s *scope, of *source) (text string, null bool, err error) {
	typ := of.typ()
	if v.kind == nullLiteral {
		return "", true, nil
	}
	switch typ {
	case org.TypeBoolean:
		if v.kind != booleanLiteral {
			return "", false, v.mismatch(s, of)
		}
	case org.TypeInt, org.TypeDouble, org.TypeCurrency, org.TypePercent:
		if v.kind != numberLiteral {
			return "", false, v.mismatch(s, of)
		}
	case org.TypeDate:
		t, err := time.Parse(time.DateOnly, v.text)
		if v.kind != momentLiteral || err != nil {
			return "", false, v.mismatch(s, of)
		}
		return t.Format(time.DateOnly), false, nil
	case org.TypeDateTime:
		for _, form := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05.999999999-0700"} {
			if t, err := time.Parse(form, v.text); err == nil && v.kind == momentLiteral {
				return org.FormatStamp(t), false, nil
			}
		}
		return "", false, v.mismatch(s, of)
	default:
		if v.kind != textLiteral {
			return "", false, v.mismatch(s, of)
		}
		if v.text != "" && of.column.isID() && !sfid.Valid(v.text) {
			return "", false, refuse(s.text, v.pos, filterOperator, "invalid ID field: %s", v.text)
		}
		return v.text, v.text == "", nil
	}
	return v.text, false, nil
}

// span is the stretch of time that a period means for the values of a source, in their stored form: from its first
// value to the first one behind it.
func (v *literal) span(s *scope, of *source, now time.Time) (from, to string, err error) {
	typ := of.typ()
	if of.date != nil || typ != org.TypeDate && typ != org.TypeDateTime {
		return "", "", v.mismatch(s, of)
	}
	p := periods[v.text]
	first, behind := p.span(now, v.n)
	if typ == org.TypeDate {
		return first.Format(time.DateOnly), behind.Format(time.DateOnly), nil
	}
	if p.unit == day && p.way == last { // it goes on up to the present second, not to the end of today
		behind = now.Truncate(time.Second).Add(time.Second)
	}
	return org.FormatStamp(first), org.FormatStamp(behind), nil
}

// mismatch refuses a literal of another type than the values that it is compared with.
func (v *literal) mismatch(s *scope, of *source) error {
	quotes := ""
	if !isText(of.typ()) {
		quotes = "not "
	}
	return refuse(s.text, v.pos, invalidField, "value of filter criterion for field '%s' must be of type %s and should %sbe enclosed in quotes",
		of.column.last(), wsdlType(of.typ()), quotes)
}

// isText says whether literals of a type stand in quotes.
func isText(t org.FieldType) bool {
	switch t {
	case org.TypeBoolean, org.TypeInt, org.TypeDouble, org.TypeCurrency, org.TypePercent, org.TypeDate, org.TypeDateTime:
		return false
	default:
		return true
	}
}

// wsdlType is what messages call a type.
func wsdlType(t org.FieldType) string {
	switch t {
	case org.TypeCurrency, org.TypePercent:
		return string(org.TypeDouble)
	case org.TypeDateTime:
		return "dateTime"
	case org.TypeReference, "id":
		return "ID"
	case org.TypeBoolean, org.TypeInt, org.TypeDouble, org.TypeDate:
		return string(t)
	default:
		return string(org.TypeString)
	}
}
