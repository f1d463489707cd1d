package soql

// BulkRefusal says why a bulk query job cannot run the query; nil when it can. It is of type *Error.
//
// (Salesforce: Bulk API 2.0, queries that are not supported; FIELDS(), bounded and unbounded queries. The words for
// aggregates are those that a client looks for; for the others none are recorded.)
func (q *Query) BulkRefusal() error {
	const code = "API_ERROR"
	for _, it := range q.items {
		switch {
		case it.sub != nil:
			return plain("FEATURENOTENABLED", "Aggregate Relationships not supported in Bulk Query")
		case it.typeOf != nil:
			return plain(code, "TYPEOF not supported in Bulk Query")
		case it.fields == "ALL" || it.fields == "CUSTOM": // how many fields they are is not known before
			return plain(code, "FIELDS(%s) not supported in Bulk Query", it.fields)
		}
	}
	switch {
	case q.count || q.tallies():
		return plain("FEATURENOTENABLED", "Aggregate Relationships not supported in Bulk Query")
	case q.Offset != nil:
		return plain(code, "OFFSET not supported in Bulk Query")
	}
	return nil
}
