package org

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

const (
	// ruleLength is the longest text of a rule in characters.
	ruleLength = 5_000
	// ruleCost bounds the work of a rule on one row, in the units of the expression language: a comparison is one, a
	// pattern about a tenth of the text's length.
	ruleCost = 100_000
	// ruleTime bounds the same in time, because functions on texts count as one however long the text is. It is that of
	// the machine, not the org's clock.
	ruleTime = time.Second
)

// rule is a condition in the Common Expression Language (CEL) over the fields of a row. A rule reads
//
//   - new.NAME, the value that the row would have, and old.NAME, the one that it has: text, double (for all numbers),
//     bool, timestamp (for dates at midnight UTC, and date-times) or null where nothing is set. On an insert all of old
//     is null, on a delete all of new;
//   - isNew, whether the row would be made;
//   - rows and round: how many rows this run of the transaction has, and which run it is, from 1 (see rounds);
//   - now, the clock of the org.
//
// A rule over another row, such as that of a lookup filter, has that row's fields only. Text functions such as
// lowerAscii and trim are there besides those of the language.
type rule struct {
	program cel.Program
	fields  map[string]variable
}

// scope is where a variable of a rule has its value.
type scope uint8

const (
	scopeNew scope = iota
	scopeOld
)

// variable is a field as a rule names it.
type variable struct {
	field *Field
	scope scope
}

// facts are what a rule is asked about. Values are nil where there is no row.
type facts struct {
	fields      map[string]variable
	new, old    []string
	isNew       bool
	rows, round int
	now         time.Time
}

// fieldsAs names an object's fields for a rule.
func (o *Object) fieldsAs(prefix string, s scope) map[string]variable {
	m := make(map[string]variable, len(o.Fields))
	for _, f := range o.Fields {
		m[prefix+"."+f.Name] = variable{f, s}
	}
	return m
}

func (o *Object) oldFields() map[string]variable { return o.fieldsAs("old", scopeOld) }

func (o *Object) ruleFields() map[string]variable {
	m := o.oldFields()
	for name, v := range o.fieldsAs("new", scopeNew) {
		m[name] = v
	}
	return m
}

// ruleType is the type that a field has in rules.
func ruleType(t FieldType) *cel.Type {
	switch t {
	case TypeBoolean:
		return types.NewNullableType(cel.BoolType)
	case TypeInt, TypeDouble, TypeCurrency, TypePercent:
		return types.NewNullableType(cel.DoubleType)
	case TypeDate, TypeDateTime:
		return cel.TimestampType // null is a value of it
	default:
		return types.NewNullableType(cel.StringType)
	}
}

// compileRule reads a rule over some fields. What it names and does not have is refused here, as is a rule that does not
// come to true or false.
func compileRule(text string, fields map[string]variable) (*rule, error) {
	if text == "" {
		return nil, errors.New("the rule is empty")
	}
	options := []cel.EnvOption{
		ext.Strings(), cel.ParserExpressionSizeLimit(ruleLength), cel.ExtendedValidations(),
		cel.Variable("isNew", cel.BoolType), cel.Variable("rows", cel.IntType), cel.Variable("round", cel.IntType),
		cel.Variable("now", cel.TimestampType),
	}
	for name, v := range fields {
		options = append(options, cel.Variable(name, ruleType(v.field.Type)))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("the environment of rules: %w", err)
	}
	ast, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, errors.New(strings.TrimSpace(err.Error()))
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(types.NewNullableType(cel.BoolType)) {
		return nil, fmt.Errorf("the rule comes to a %s; it must come to true or false", out)
	}
	program, err := env.Program(ast, cel.CostLimit(ruleCost), cel.InterruptCheckFrequency(16), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &rule{program: program, fields: fields}, nil
}

// holds says whether a rule is true of a row. An error is a rule that cannot say, such as one that compares null.
func (r *rule) holds(f *facts) (bool, error) {
	f.fields = r.fields
	ctx, cancel := context.WithTimeout(context.Background(), ruleTime)
	defer cancel()
	out, _, err := r.program.ContextEval(ctx, f)
	if err != nil {
		return false, err
	}
	is, _ := out.Value().(bool) // null is no
	return is, nil
}

// Parent is of the interface by which the expression library looks names up.
func (f *facts) Parent() cel.Activation { return nil }

// ResolveName is of the same interface. Only what a rule looks at is converted.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case "isNew":
		return f.isNew, true
	case "rows":
		return f.rows, true
	case "round":
		return f.round, true
	case "now":
		return f.now, true
	}
	v, ok := f.fields[name]
	if !ok {
		return nil, false
	}
	values := f.new
	if v.scope == scopeOld {
		values = f.old
	}
	if values == nil {
		return types.NullValue, true
	}
	return ruleValue(v.field, values[v.field.index]), true
}

// ruleValue is a stored value as rules see it.
func ruleValue(f *Field, text string) any {
	if text == "" {
		return types.NullValue
	}
	var v any = text
	var err error
	switch f.Type {
	case TypeBoolean:
		v = text == "true"
	case TypeInt, TypeDouble, TypeCurrency, TypePercent:
		v, err = strconv.ParseFloat(text, 64)
	case TypeDate:
		v, err = time.Parse(time.DateOnly, text)
	case TypeDateTime:
		v, err = time.Parse(Stamp, text)
	}
	if err != nil {
		return types.WrapErr(err) // stored values are of their type, so nothing gets here
	}
	return v
}
