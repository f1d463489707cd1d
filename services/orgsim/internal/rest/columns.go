package rest

import (
	"strings"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// column describes one selected column, or with joinColumns a parent of which columns are selected.
type column struct {
	Aggregate      bool     `json:"aggregate"`
	ApexType       string   `json:"apexType"`
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
	parents := map[*org.Field]int{}
	for _, c := range found.Columns {
		if c.Parent == nil {
			out.IDSelected = out.IDSelected || c.Field.IsID()
			out.ColumnMetadata = append(out.ColumnMetadata, describeColumn(c.Field, found.Object))
			continue
		}
		at, known := parents[c.Parent]
		if !known {
			at = len(out.ColumnMetadata)
			parents[c.Parent] = at
			name := c.Parent.RelationshipName
			out.ColumnMetadata = append(out.ColumnMetadata, column{
				ApexType: c.Parent.Parent().Name, ColumnName: name, Custom: custom(name), DisplayName: name, ForeignKeyName: &c.Parent.Name,
				JoinColumns: []column{},
			})
		}
		parent := &out.ColumnMetadata[at]
		parent.JoinColumns = append(parent.JoinColumns, describeColumn(c.Field, c.Parent.Parent()))
	}
	return out
}

func custom(name string) bool {
	return strings.HasSuffix(name, "__c") || strings.HasSuffix(name, "__r")
}

func describeColumn(f *org.Readable, o *org.Object) column {
	writable := f.Stored != nil && f.Stored.Writable() && !o.QueryOnly
	c := column{
		ApexType: "String", ColumnName: f.Name, Custom: custom(f.Name), DisplayName: f.Name, Insertable: writable, JoinColumns: []column{},
		Updatable: writable,
	}
	switch f.Type {
	case org.TypeReference, "id":
		c.ApexType = "Id"
	case org.TypeBoolean:
		c.ApexType, c.BooleanType = "Boolean", true
	case org.TypeInt:
		c.ApexType, c.NumberType = "Integer", true
	case org.TypeDouble, org.TypeCurrency, org.TypePercent:
		c.ApexType, c.NumberType = "Double", true
	case org.TypeDate:
		c.ApexType = "Date"
	case org.TypeDateTime:
		c.ApexType = "Datetime"
	default:
		c.TextType = true
	}
	return c
}
