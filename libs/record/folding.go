package record

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Folding is the rule by which the values of one entity space fold, found once for many values.
type Folding struct{ rule foldRule }

type foldRule uint8

const (
	foldsCase    foldRule = iota // as [FoldKey]
	foldsExactly                 // as [FoldExact]
	foldsIDs
	foldsNothing
)

// FoldingOf is the rule of a space: its values fold as [FoldIn] folds them.
func FoldingOf(space string) Folding {
	rest, exact := strings.CutSuffix(space, exactSuffix)
	if !exact {
		return Folding{foldsCase}
	}
	field := rest[strings.LastIndexByte(rest, '/')+1:]
	switch {
	case strings.HasPrefix(field, contentPrefix):
		return Folding{foldsNothing}
	case field == "Id":
		return Folding{foldsIDs}
	}
	return Folding{foldsExactly}
}

// Fold returns the form under which two values are the same entity.
func (f Folding) Fold(value string) string {
	switch f.rule {
	case foldsNothing:
		return value
	case foldsIDs:
		return foldID(value)
	case foldsExactly:
		return FoldExact(value)
	case foldsCase:
	}
	return FoldKey(value)
}

// Append appends the folded value, without another allocation where the value is of ASCII.
func (f Folding) Append(dst, value []byte) []byte {
	if f.rule == foldsNothing {
		return append(dst, value...)
	}
	for _, c := range value {
		if c >= utf8.RuneSelf {
			return append(dst, f.Fold(string(value))...)
		}
	}
	value = bytes.TrimSpace(value)
	switch f.rule {
	case foldsIDs:
		if long, ok := AppendLongID(dst, value); ok {
			return long
		}
	case foldsCase:
		for _, c := range value {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
		}
		return dst
	case foldsExactly, foldsNothing:
	}
	return append(dst, value...)
}
