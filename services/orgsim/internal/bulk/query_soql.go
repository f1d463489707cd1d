package bulk

import (
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// resolve finds the object and the columns that a query speaks of.
func resolve(q *soql.Query, store *org.Store) (*org.Object, []soql.Column, error) {
	found, err := q.Look(store)
	if err != nil {
		return nil, nil, err
	}
	return found.Object, found.Columns, nil
}

// ordered says that a query asks for an order or a number of rows.
func ordered(q *soql.Query) bool { return q.Order != nil || q.Limit != nil }

// columnName is the name of a column in the header of a CSV.
func columnName(c soql.Column) string {
	return c.Name()
}

// QueriedObject is the object behind FROM in the text of a query, "" where there is none. It is for matching faults only.
func QueriedObject(text string) string {
	q, err := soql.Parse(text)
	if err != nil {
		return ""
	}
	return q.From.Path
}
