package soql

// BulkRefusal says why a bulk query job cannot run the query; nil when it can. It is of type *Error.
//
// (Salesforce: Bulk API 2.0, SOQL queries that are not supported.)
func (q *Query) BulkRefusal() error {
	switch {
	case q.Select.Count:
		return &Error{"MALFORMED_QUERY", "Aggregate Relationships not supported in Bulk Query"}
	case q.Offset != nil:
		return &Error{"MALFORMED_QUERY", "OFFSET not supported in Bulk Query"}
	}
	return nil
}
