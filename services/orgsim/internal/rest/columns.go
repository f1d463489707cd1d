package rest

import (
	"strings"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// column describes one selected column, or with joinColumns a parent of which columns are selected.
type column struct {
	Aggregate      bool     `json:"aggregate"`
	ApexType       *string  `json:"apexType"`
	BooleanType    bool     `json:"booleanType"`
	ColumnName     string   `json:"columnName"`
	Custom         bool     `json:"custom"`
	DisplayName    string   `json:"displayName"`
	ForeignKeyName *string  `json:"foreignKeyName"`
	Insertable     bool     `json:"insertable"`
	JoinColumns    []column `json:"joinColumns"`
	NumberType     bool     `json:"numberType"`
	TextType       bool     `json:"textType"`
	Updatable      bool     `json:"updatable"`
}

// queryColumns is the answer to a query that asks for columns=true: what its rows would look like, without any row.
type queryColumns struct {
	ColumnMetadata []column `json:"columnMetadata"`
	EntityName     string   `json:"entityName"`
	GroupBy        bool     `json:"groupBy"`
	IDSelected     bool     `json:"idSelected"`
	KeyPrefix      string   `json:"keyPrefix"`
}

func columnReply(found *soql.Result) queryColumns {
	out := queryColumns{ColumnMetadata: []column{}, EntityName: found.Object.Name, KeyPrefix: found.Object.KeyPrefix}
	if t := found.Tally; t != nil {
		out.GroupBy = t.Grouped
		for _, c := range t.Columns {
			out.ColumnMetadata = append(out.ColumnMetadata, tallyColumn(c))
		}
		return out
	}
	for _, m := range found.Members {
		out.IDSelected = out.IDSelected || m.Field != nil && m.Field.IsID()
	}
	out.ColumnMetadata = memberColumns(found.Object, found.Members)
	return out
}

// memberColumns describes what is selected of an object's rows; parents and children hold their columns.
func memberColumns(o *org.Object, members []*soql.Member) []column {
	out := []column{}
	for _, m := range members {
		switch {
		case m.Children != nil:
			out = append(out, column{
				Aggregate: true, ColumnName: m.Name, Custom: custom(m.Name), DisplayName: m.Name,
				JoinColumns: memberColumns(m.Children.Object, m.Children.Members),
			})
		case m.Up != nil:
			inner := m.Members
			for _, c := range m.Cases { // one after the other: which of them a row has is not known here
				inner = append(inner[:len(inner):len(inner)], c.Members...)
			}
			out = append(out, column{
				ColumnName: m.Name, Custom: custom(m.Name), DisplayName: m.Name, ForeignKeyName: &m.Up.Field.Name,
				JoinColumns: memberColumns(m.Up.Parents[0], inner),
			})
		case m.Field == nil: // the type of a polymorphic parent
			out = append(out, typedColumn(m.Name, m.Type()))
		default:
			out = append(out, describeColumn(m.Name, m.Field, o))
		}
	}
	return out
}

// tallyColumn describes a column of a query for aggregates. An aggregate has no type of Apex, as real replies show.
func tallyColumn(c soql.TallyColumn) column {
	if c.Field != nil {
		out := describeColumn(c.Name, c.Field, c.Object)
		out.DisplayName = c.Shown
		return out
	}
	out := typedColumn(c.Name, c.Type)
	out.Aggregate, out.ApexType, out.DisplayName = true, nil, c.Shown
	return out
}

func custom(name string) bool {
	return strings.HasSuffix(name, "__c") || strings.HasSuffix(name, "__r")
}

func describeColumn(name string, f *org.Readable, o *org.Object) column {
	c := typedColumn(name, f.Type)
	c.DisplayName, c.Custom = f.Name, custom(f.Name)
	c.Insertable = f.Stored != nil && f.Stored.Writable() && !o.QueryOnly
	c.Updatable = c.Insertable
	return c
}

// typedColumn describes a column by its type alone.
func typedColumn(name string, t org.FieldType) column {
	apex := "String"
	c := column{ApexType: &apex, ColumnName: name, DisplayName: name, JoinColumns: []column{}}
	switch t {
	case org.TypeReference, "id":
		apex = "Id"
	case org.TypeBoolean:
		apex, c.BooleanType = "Boolean", true
	case org.TypeInt:
		apex, c.NumberType = "Integer", true
	case org.TypeDouble, org.TypeCurrency, org.TypePercent:
		apex, c.NumberType = "Double", true
	case org.TypeDate:
		apex = "Date"
	case org.TypeDateTime:
		apex = "Datetime"
	default:
		c.TextType = true
	}
	return c
}
