// Package soql reads and runs queries in the Salesforce Object Query Language over the rows of the simulated org:
//
//	SELECT field, Parent.field, function(field), (SELECT … FROM Children), TYPEOF …, FIELDS(…) | COUNT() | aggregates
//	FROM Object [alias]
//	[USING SCOPE everything]
//	[WHERE condition]
//	[WITH SECURITY_ENFORCED | USER_MODE | SYSTEM_MODE]
//	[GROUP BY field, … | ROLLUP (…) | CUBE (…) [HAVING condition]]
//	[ORDER BY field [ASC|DESC] [NULLS FIRST|LAST], …]
//	[LIMIT n] [OFFSET n]
//	[FOR VIEW | FOR REFERENCE | FOR UPDATE]
//
// Start with Parse (text to Query), then Query.Run or Query.RunAll (Query to Result). A query goes through three steps,
// each in files of its own: its text is read into a tree (token, parse, parse_select, parse_condition), the names of the
// tree are looked up in the object model (select, column, condition, literal, period, group), and the rows are found (run,
// order, children, tally).
//
// What always holds:
//   - no text makes Parse or Run panic; errors are of type *Error, in the code and the form of the query resource;
//   - the text is bounded (MaxLength), so is the nesting of its conditions (maxDepth), and so is the work on the rows
//     (maxWork): beyond it the answer is QUERY_TIMEOUT, as an org's is after two minutes;
//   - values are compared as the org keeps them: numbers by size, ids by their first 15 characters, texts without regard
//     to case unless the field says otherwise; days and weeks are those of UTC, the org's time zone;
//   - a result holds the places of its rows and not their values, but for rows of aggregates.
//
// Left to others: paging and JSON (package rest), the files of bulk query jobs (package bulk), what else a query may do
// in an org (FORMAT, convertCurrency, DISTANCE, data categories, scopes): it is refused with a sentence that says so.
//
// The parser is written by hand: which token is wrong decides the message that clients see, key words are names where
// they cannot be key words, and the depth has to be bounded, none of which a generated parser leaves to its user.
package soql
