package syntax

// Expr is one of the expression nodes below.
type Expr interface{ expr() }

// Expressions. Sub-queries are *Query.
type (
	// Const is a constant: Kind says how Text is meant.
	Const struct {
		Kind ConstKind
		Text string
	}
	Param struct{ N int } // $N, from 1
	// Column is a name of one to three parts: column, table.column, schema.table.column.
	Column struct{ Parts []string }
	// Star is * or table.*; only in targets and count(*).
	Star struct{ Table string }
	Cast struct {
		X    Expr
		Type TypeName
	}
	Unary struct {
		Op string // "-", "+", "NOT"
		X  Expr
	}
	// Binary is any operator of two sides; words are in upper case: AND, OR, LIKE, NOT LIKE, ILIKE, NOT ILIKE, IS DISTINCT FROM, IS NOT DISTINCT FROM.
	Binary struct {
		Op   string
		L, R Expr
	}
	// Is is `X IS [NOT] What` with What one of NULL, TRUE, FALSE.
	Is struct {
		X    Expr
		What string
		Not  bool
	}
	Between struct {
		X, Lo, Hi Expr
		Not       bool
	}
	// In has either a list or a query.
	In struct {
		X    Expr
		List []Expr
		Sub  *Query
		Not  bool
	}
	// Quantified is `X Op ANY (Arr)` or ALL; Sub instead of Arr where a query stands there.
	Quantified struct {
		X   Expr
		Op  string
		Arr Expr
		Sub *Query
		All bool
	}
	Exists   struct{ Sub *Query }
	Scalar   struct{ Sub *Query }
	ArraySub struct{ Sub *Query }
	Array    struct{ Items []Expr }
	Row      struct{ Items []Expr }
	Call     struct {
		Name     string
		Args     []Expr
		Names    []string // of named arguments; "" = by place
		Star     bool     // count(*)
		Distinct bool
		OrderBy  []Order
		Filter   Expr
		Over     *Window
		OverName string
	}
	Case struct {
		Arg   Expr
		Whens []When
		Else  Expr
	}
	When struct{ If, Then Expr }
	// Index is X[At], or X[Lo:Hi] with Slice.
	Index struct {
		X          Expr
		At, Lo, Hi Expr
		Slice      bool
	}
	Default struct{} // DEFAULT in VALUES and SET
)

// ConstKind says how the text of a constant is meant.
type ConstKind uint8

// The kinds of constants.
const (
	Null ConstKind = iota
	Bool
	Number
	String
)

func (*Const) expr()      {}
func (*Param) expr()      {}
func (*Column) expr()     {}
func (*Star) expr()       {}
func (*Cast) expr()       {}
func (*Unary) expr()      {}
func (*Binary) expr()     {}
func (*Is) expr()         {}
func (*Between) expr()    {}
func (*In) expr()         {}
func (*Quantified) expr() {}
func (*Exists) expr()     {}
func (*Scalar) expr()     {}
func (*ArraySub) expr()   {}
func (*Array) expr()      {}
func (*Row) expr()        {}
func (*Call) expr()       {}
func (*Case) expr()       {}
func (*Index) expr()      {}
func (*Default) expr()    {}

// TypeName is a type as it is written, folded; Array says that [] follows.
type TypeName struct {
	Name  string
	Array bool
}

// Order is one item of ORDER BY. NullsFirst is decided: PostgreSQL's default is last for ascending, first for descending.
type Order struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// Window is what OVER or a WINDOW clause says; frames other than the default are not known.
type Window struct {
	PartitionBy []Expr
	OrderBy     []Order
}

// Query is SELECT or VALUES with what may stand around it.
type Query struct {
	With          []CTE
	Body          Body
	OrderBy       []Order
	Limit, Offset Expr
	Lock          *Lock
}

// CTE is one item of WITH; Statement is *Query, *Insert, *Update or *Delete.
type CTE struct {
	Name      string
	Columns   []string
	Statement Statement
}

// Lock is FOR UPDATE. Of names the tables that are locked; none = all.
type Lock struct {
	Of         []string
	SkipLocked bool
	NoWait     bool
}

// Body is *Core, *SetOp, *Values or *Query (in parentheses).
type Body interface{ body() }

type (
	// SetOp is UNION, INTERSECT or EXCEPT.
	SetOp struct {
		Op   string
		All  bool
		L, R Body
	}
	Values struct{ Rows [][]Expr }
	// Core is one SELECT.
	Core struct {
		Distinct   bool
		DistinctOn []Expr
		Targets    []Target
		From       []From
		Where      Expr
		GroupBy    []Expr
		Having     Expr
		Windows    map[string]*Window
	}
	Target struct {
		X  Expr
		As string
	}
)

func (*SetOp) body()  {}
func (*Values) body() {}
func (*Core) body()   {}
func (*Query) body()  {}

// From is *Table, *Derived, *Functions or *Join.
type From interface{ from() }

type (
	Table struct {
		Schema, Name, As string
		Columns          []string
	}
	Derived struct {
		Query   *Query
		Lateral bool
		As      string
		Columns []string
	}
	// Functions is one function in FROM, with ordinality or a list of column definitions.
	Functions struct {
		Call       *Call
		Ordinality bool
		As         string
		Columns    []string
		Types      []TypeName // of column definitions; parallel to Columns
	}
	// Join is of kind INNER, LEFT or CROSS.
	Join struct {
		Kind  string
		L, R  From
		On    Expr
		Using []string
	}
)

func (*Table) from()     {}
func (*Derived) from()   {}
func (*Functions) from() {}
func (*Join) from()      {}

// Statement is one of the statement nodes below, or *Query.
type Statement interface{ statement() }

type (
	Insert struct {
		With       []CTE
		Table      Table
		Columns    []string
		Source     *Query // nil = DEFAULT VALUES
		OnConflict *Conflict
		Returning  []Target
		Overriding bool
	}
	// Conflict is ON CONFLICT; Columns is the target, none = any. Set nil = DO NOTHING.
	Conflict struct {
		Columns []string
		Set     []Assign
		Where   Expr
	}
	Assign struct {
		Columns []string
		X       Expr // a Row where there are several columns
	}
	Update struct {
		With      []CTE
		Table     Table
		Set       []Assign
		From      []From
		Where     Expr
		Returning []Target
	}
	Delete struct {
		With      []CTE
		Table     Table
		Using     []From
		Where     Expr
		Returning []Target
	}
	CreateSchema struct{ Name string }
	CreateTable  struct {
		Schema, Name string
		Columns      []ColumnDef
		Constraints  []Constraint
		PartitionKey string // column of PARTITION BY RANGE
		IfNotExists  bool
		Of           *Partition
	}
	// Partition is PARTITION OF: both bounds nil = DEFAULT.
	Partition struct {
		Schema, Parent string
		From, To       Expr
	}
	ColumnDef struct {
		Name        string
		Type        TypeName
		NotNull     bool
		Default     Expr
		Identity    bool // GENERATED ... AS IDENTITY
		Always      bool // GENERATED ALWAYS
		Constraints []Constraint
	}
	// Constraint is of kind PRIMARY, UNIQUE or CHECK.
	Constraint struct {
		Name    string
		Kind    string
		Columns []string
		Check   Expr
	}
	CreateIndex struct {
		Name          string
		Unique        bool
		Schema, Table string
		Columns       []string // plain columns; "" for an expression
		Where         Expr
	}
	DropIndex  struct{ Schema, Name string }
	CreateView struct {
		Schema, Name string
		Query        *Query
	}
	CreateFunction struct{ Schema, Name string }
	AlterTable     struct {
		Schema, Name string
		Actions      []Alter
	}
	// Alter is one action: exactly one member is set.
	Alter struct {
		Add  *ColumnDef
		Put  *Constraint
		Drop string // name of a constraint
	}
	Truncate  struct{ Tables []Table }
	LockTable struct{ Tables []Table }
	// Set is SET or RESET (Value = ""), SHOW where Show.
	Set struct {
		Name, Value string
		Show        bool
	}
	// Nothing is a statement without a meaning here: GRANT, REVOKE, COMMENT.
	Nothing struct{}
)

func (*Query) statement()          {}
func (*Insert) statement()         {}
func (*Update) statement()         {}
func (*Delete) statement()         {}
func (*CreateSchema) statement()   {}
func (*CreateTable) statement()    {}
func (*CreateIndex) statement()    {}
func (*DropIndex) statement()      {}
func (*CreateView) statement()     {}
func (*CreateFunction) statement() {}
func (*AlterTable) statement()     {}
func (*Truncate) statement()       {}
func (*LockTable) statement()      {}
func (*Set) statement()            {}
func (*Nothing) statement()        {}
