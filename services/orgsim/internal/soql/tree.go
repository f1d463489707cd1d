package soql

// Query is a query as it was read.
type Query struct {
	// From is the object, or in a sub-query the relationship, that is asked.
	From Name
	// Order says by what the rows are ordered, Limit and Offset which of them are wanted; nil = everything.
	Order  []Order
	Limit  *int
	Offset *int

	text    string
	items   []item
	count   bool            // SELECT COUNT()
	aliases map[string]Name // of objects, by lower-case alias
	where   *condition
	group   []operand
	totals  string // ROLLUP, CUBE or none
	having  *condition
}

// Name is a field, an object or a relationship, with dots between the parts of a path.
type Name struct {
	Path string
	pos  int
}

// Order is one thing that rows are ordered by.
type Order struct {
	Desc bool
	Last bool // null behind everything else, else before it

	by operand
}

// operand is what is selected, compared or ordered by: a field, or a function of one.
type operand struct {
	function string // in capitals; "" = the field itself
	field    Name
	pos      int
}

// item is one part of what is selected; one of its members is set.
type item struct {
	operand operand
	alias   Name   // of the operand
	fields  string // ALL, STANDARD or CUSTOM
	sub     *Query
	typeOf  *typeOf
	pos     int
}

// typeOf selects other fields for each object that a relationship may lead to.
type typeOf struct {
	relationship Name
	when         []when
	otherwise    []Name // nil = there is no ELSE
}

type when struct {
	object Name
	fields []Name
}

// condition is a comparison, or several conditions joined.
type condition struct {
	join       join
	parts      []*condition // of a join; one for not
	comparison *comparison
}

type join uint8

const (
	none join = iota // a comparison
	and
	or
	not
)

// comparison compares an operand with literals or with the rows of a sub-query.
type comparison struct {
	left   operand
	op     string // = != < <= > >= LIKE IN NOT IN INCLUDES EXCLUDES
	values []literal
	sub    *Query
	pos    int // of the operator
}

// literal is a value as it was written.
type literal struct {
	kind literalKind
	text string // without quotes and escapes; of a period its name in capitals
	n    int    // of a period, behind the colon
	pos  int
}

type literalKind uint8

const (
	textLiteral literalKind = iota
	numberLiteral
	momentLiteral
	booleanLiteral
	nullLiteral
	periodLiteral
)
