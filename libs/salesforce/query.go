package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strings"
)

const (
	// MaxSOQLRunes is the longest query text, MaxSOQLLiteralRunes the longest text in a WHERE, as Salesforce allows them. [MaxURIBytes] is
	// often reached first.
	MaxSOQLRunes        = 100_000
	MaxSOQLLiteralRunes = 4_000
	// MaxQueryPages bounds one walk over a query's result: two million rows at 2,000 a page.
	MaxQueryPages = 1_000
)

// QueryRecord is one row of a query: field name to JSON value, without the member "attributes".
type QueryRecord map[string]json.RawMessage

// Text is the value of a field as text: a string without its quotes, other values as JSON writes them, "" for null. The name may be
// dotted for a parent's field; its case does not count. ok is false if the field is not in the row.
func (r QueryRecord) Text(field string) (text string, ok bool) {
	name, rest, nested := strings.Cut(field, ".")
	raw, ok := r[name]
	if !ok {
		for n, v := range r {
			if strings.EqualFold(n, name) {
				raw, ok = v, true
			}
		}
	}
	if !ok {
		return "", false
	}
	if string(raw) == "null" {
		return "", true
	}
	if nested {
		var parent QueryRecord
		if json.Unmarshal(raw, &parent) != nil {
			return "", false
		}
		return parent.Text(rest)
	}
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}

// QueryPage is one page of a query's result.
type QueryPage struct {
	// TotalSize is the number of rows of the whole result; for SELECT COUNT() the count.
	TotalSize int
	// Records are the rows of this page, at most 2,000.
	Records []QueryRecord
	// Next is the locator of the next page, good for two days; empty on the last.
	Next string
}

// QueryFirst runs a query and returns the first page of its result. It may be sent again.
func (c *Client) QueryFirst(ctx context.Context, soql string) (QueryPage, error) {
	r := request{method: http.MethodGet, path: "query", route: "query", repeat: true, query: url.Values{"q": {soql}}}
	if strings.TrimSpace(soql) == "" || len([]rune(soql)) > MaxSOQLRunes {
		return QueryPage{}, &RequestError{Endpoint: r.endpoint(), Problem: fmt.Sprintf("the query is empty or above %d characters", MaxSOQLRunes)}
	}
	return c.queryPage(ctx, r)
}

// QueryNext returns the page that [QueryPage.Next] named. It may be sent again.
func (c *Client) QueryNext(ctx context.Context, locator string) (QueryPage, error) {
	if !queryLocator.MatchString(locator) {
		return QueryPage{}, &RequestError{Endpoint: "GET query/{locator}", Problem: fmt.Sprintf("%q is no locator", clip(locator, maxNameRunes))}
	}
	return c.queryPage(ctx, request{method: http.MethodGet, path: "query/" + locator, route: "query/{locator}", repeat: true})
}

func (c *Client) queryPage(ctx context.Context, r request) (QueryPage, error) {
	var reply struct {
		TotalSize      *int          `json:"totalSize"`
		Done           *bool         `json:"done"`
		NextRecordsURL string        `json:"nextRecordsUrl"`
		Records        []QueryRecord `json:"records"`
	}
	if err := c.call(ctx, r, &reply); err != nil {
		return QueryPage{}, err
	}
	if reply.TotalSize == nil || reply.Done == nil {
		return QueryPage{}, unusable(r, "the reply is no query result")
	}
	page := QueryPage{TotalSize: *reply.TotalSize, Records: reply.Records}
	for _, record := range page.Records {
		delete(record, "attributes")
	}
	if *reply.Done {
		return page, nil
	}
	// Only the locator is taken from the link: its host and path are not ours to follow.
	next, err := url.Parse(reply.NextRecordsURL)
	if err != nil || !queryLocator.MatchString(path.Base(next.Path)) || path.Base(path.Dir(next.Path)) != "query" {
		return QueryPage{}, unusable(r, "the result is not done but names no next page")
	}
	page.Next = path.Base(next.Path)
	return page, nil
}

// Query walks over all rows of a query, page by page as they are asked for, at most [MaxQueryPages]. An error ends the walk; rows
// before it were good. Each page may be asked for again.
func (c *Client) Query(ctx context.Context, soql string) iter.Seq2[QueryRecord, error] {
	return func(yield func(QueryRecord, error) bool) {
		page, err := c.QueryFirst(ctx, soql)
		for pages := 1; ; pages++ {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, record := range page.Records {
				if !yield(record, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if pages == MaxQueryPages {
				yield(nil, fmt.Errorf("salesforce GET query: more than %d pages, narrow the query: %w", MaxQueryPages, ErrTooLarge))
				return
			}
			page, err = c.QueryNext(ctx, page.Next)
		}
	}
}

// Count runs a SELECT COUNT() query and returns the count. It may be sent again.
func (c *Client) Count(ctx context.Context, soql string) (int, error) {
	page, err := c.QueryFirst(ctx, soql)
	return page.TotalSize, err
}

var soqlEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// QuoteSOQL writes a text as a literal of a query, quotes included.
func QuoteSOQL(text string) string { return "'" + soqlEscapes.Replace(text) + "'" }
