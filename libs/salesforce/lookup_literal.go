package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// described is what the org said of an object, and when.
type described struct {
	d  Describe
	at time.Time
}

// fieldKind is the type of a field. What describe says is kept for a while, since a Lookup is often one of many.
func (c *Client) fieldKind(ctx context.Context, object, field string) (string, error) {
	key := strings.ToLower(object)
	if kept, ok := c.described.Load(key); ok {
		known := kept.(described)
		if f, ok := known.d.Field(field); ok && c.cfg.Now().Sub(known.at) < describeAge {
			return f.Type, nil
		}
	}
	d, err := c.Describe(ctx, object)
	if err != nil {
		return "", err
	}
	c.described.Store(key, described{d: d, at: c.cfg.Now()})
	f, ok := d.Field(field)
	if !ok {
		return "", &RequestError{
			Endpoint: http.MethodGet + " query",
			Problem:  fmt.Sprintf("object %s has no field %s, or the integration user may not see it", d.Name, field),
		}
	}
	return f.Type, nil
}

// How SOQL writes numbers, dates and moments: without quotes (SOQL and SOSL Reference).
var (
	soqlNumber = regexp.MustCompile(`^[+-]?[0-9]{1,18}(\.[0-9]{1,18})?$`)
	soqlDate   = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// literalOf writes a value as a literal of a field type. It is false for a value that no field of the type can hold; an id that is none
// would fail the whole query.
func literalOf(kind, value string) (string, bool) {
	value = strings.TrimSpace(value)
	switch kind {
	case "int", "long", "double", "currency", "percent":
		return strings.TrimPrefix(value, "+"), soqlNumber.MatchString(value)
	case "date":
		_, err := time.Parse(time.DateOnly, value)
		return value, err == nil && soqlDate.MatchString(value)
	case "datetime":
		t, err := time.Parse(time.RFC3339, value)
		return t.UTC().Format("2006-01-02T15:04:05.000Z"), err == nil
	case "boolean":
		value = strings.ToLower(value)
		return value, value == "true" || value == "false"
	case "id", "reference":
		full, err := ID18(value)
		return QuoteSOQL(full), err == nil
	}
	return QuoteSOQL(value), utf8.RuneCountInString(value) <= MaxSOQLLiteralRunes && utf8.ValidString(value)
}
