package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

// integer reads a whole number between least and most.
func (f *fields) integer(key string, fallback, least, most int64) int64 {
	text, at, ok := f.word(key)
	if !ok {
		return fallback
	}
	if !wholeNumber.MatchString(text) {
		f.r.fail(at, "%s: %q is no whole number in plain digits", key, text)
		return fallback
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		f.r.fail(at, "%s is %s, it must be between %d and %d", key, text, least, most)
		return fallback
	}
	return n
}

func (f *fields) boolean(key string, fallback bool) bool {
	at := f.lineOf(key)
	switch n := f.take(key).(type) {
	case nil:
		return fallback
	case *ast.BoolNode:
		return n.Value
	}
	f.r.fail(at, "%s must be true or false", key)
	return fallback
}

// choice reads one of a few words. Words that are only known are refused as not supported yet.
func (f *fields) choice(key, fallback string, supported []string, later ...string) string {
	// null is a word of one of the choices, and stands there without quotes.
	if entry, ok := f.nodes[key]; ok && slices.Contains(supported, "null") {
		if _, isNull := entry.Value.(*ast.NullNode); isNull && entry.Value.GetToken().Value == "null" {
			f.known = append(f.known, key)
			delete(f.nodes, key)
			return "null"
		}
	}
	text, at, ok := f.text(key)
	switch {
	case !ok:
		return fallback
	case slices.Contains(supported, text):
		return text
	case slices.Contains(later, text):
		f.r.fail(at, "%s: %s is not supported yet, only %s", key, text, strings.Join(supported, ", "))
	default:
		said := fmt.Sprintf("%s: %q is not one of %s", key, cutName(text), strings.Join(slices.Concat(supported, later), ", "))
		if near := nearest(text, supported); near != "" {
			said += fmt.Sprintf(": did you mean %q?", near)
		}
		f.r.fail(at, "%s", said)
	}
	return fallback
}

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,12})(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)$`)

var sizeUnits = map[string]int64{
	"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// size reads a number of bytes such as 50MB or 2GiB.
func (f *fields) size(key string, fallback, least, most int64) int64 {
	text, at, ok := f.word(key)
	if !ok {
		return fallback
	}
	parts := sizePattern.FindStringSubmatch(text)
	if parts == nil {
		f.r.fail(at, "%s: %q is no size: a whole number and one of B, kB, MB, GB, KiB, MiB, GiB, TiB, such as 50MB", key, text)
		return fallback
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	unit := sizeUnits[parts[2]]
	if err != nil || n > most/unit || n*unit < least {
		f.r.fail(at, "%s is %s, it must be between %d and %d bytes", key, text, least, most)
		return fallback
	}
	return n * unit
}

var durationPattern = regexp.MustCompile(`^([0-9]{1,9}(ms|s|m|h))+$`)

// duration reads a time such as 10s or 1h30m.
func (f *fields) duration(key string, fallback, least, most time.Duration) time.Duration {
	text, at, ok := f.word(key)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(text)
	if err != nil || !durationPattern.MatchString(text) {
		f.r.fail(at, "%s: %q is no duration: whole numbers with the units ms, s, m, h, such as 10s or 1h30m", key, text)
		return fallback
	}
	if d < least || d > most {
		f.r.fail(at, "%s is %s, it must be between %s and %s", key, text, least, most)
		return fallback
	}
	return d
}
