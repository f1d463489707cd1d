package service

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

var (
	// wholeNumber is a number as everybody reads it: 012, 0x1f and 1e3 mean other things to other readers.
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)
	// reference is what a template would replace; nothing is replaced here.
	reference = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
	// looseWords are plain words that other readers of YAML take as truth values or nothing.
	looseWords = []string{"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}
)

// positive is the value of the `check` tag of a field that may not be written as zero: whoever wants the default leaves it out.
const positive = "positive"

// checkScalar says what is wrong with a single value for a field of type t; nil = nothing that this looks at.
func checkScalar(node ast.Node, t reflect.Type, tag string) error {
	text, plain, ok := scalarText(node)
	if !ok {
		return nil
	}
	if reference.MatchString(text) {
		return fmt.Errorf("%s stands for a variable, and nothing is replaced here: set the environment variable of this setting instead",
			reference.FindString(text))
	}
	switch {
	case isLeaf(t):
		return nil
	case t == reflect.TypeFor[time.Duration]():
		return checkDuration(text, tag)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return checkWhole(text, tag)
	case t.Kind() == reflect.String && plain && slices.Contains(looseWords, strings.ToLower(text)):
		return fmt.Errorf("%s without quotes may be text or a truth value: write it in quotes", text)
	}
	return nil
}

// scalarText returns the text of a single value, and whether it stands without quotes.
func scalarText(node ast.Node) (text string, plain, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, n.Token.Type == token.StringType, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true, true
	}
	return "", false, false
}

func checkDuration(text, tag string) error {
	d, err := time.ParseDuration(text)
	switch {
	case wholeNumber.MatchString(text):
		return fmt.Errorf("%s has no unit: write %ss for seconds; there are ms, s, m and h", text, text)
	case err != nil:
		return fmt.Errorf("%q is no duration such as 30s or 5m: the units are ms, s, m and h", text)
	case d < 0:
		return fmt.Errorf("%s is below zero", text)
	case d == 0 && tag == positive:
		return errZero
	}
	return nil
}

func checkWhole(text, tag string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case !wholeNumber.MatchString(text) || err != nil:
		return fmt.Errorf("%q is no whole number in plain digits", text)
	case n < 0:
		return fmt.Errorf("%s is below zero", text)
	case n == 0 && tag == positive:
		return errZero
	}
	return nil
}

var errZero = errors.New("zero is not possible: leave it out for the default")
