package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bulkhead/libs/record"
)

// encode writes the body of a call. Every value is a text, as in an upload: Salesforce's reader takes texts for numbers, booleans and dates, and the
// digits stay as they were published.
func (call Collection) encode() []byte {
	b := make([]byte, 0, len(call.Rows)*len(call.Columns)*16)
	b = append(b, `{"allOrNone":false,"records":[`...)
	for i, row := range call.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"attributes":{"type":"`...)
		b = append(b, call.Object...)
		b = append(b, `"}`...)
		for at, cell := range row {
			if cell != "" {
				b = append(b, ',')
				b = appendMember(b, call.Columns[at], cell)
			}
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// appendMember writes one member: "Field":"value", or "Relationship":{"Field":"value"}.
func appendMember(b []byte, column, cell string) []byte {
	member, key, kind, _ := columnParts(column)
	if strings.EqualFold(member, fieldID) && key == "" {
		member = "id"
	}
	b = append(append(append(b, '"'), member...), `":`...)
	switch {
	case cell == nullCell:
		return append(b, "null"...)
	case key == "":
		return appendText(b, cell)
	}
	b = append(b, '{')
	if kind != "" {
		b = append(append(append(b, `"attributes":{"type":"`...), kind...), `"},`...)
	}
	b = append(append(append(b, '"'), key...), `":`...)
	return append(appendText(b, cell), '}')
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON text. Nothing but what JSON asks for is escaped; bytes that are no UTF-8 are left to be refused.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// CollectionRecordBytes is at most how many bytes a row takes of a call's body.
func CollectionRecordBytes(object string, columns, cells []string) int {
	n := len(`,{"attributes":{"type":""}}`) + len(object)
	for i, cell := range cells {
		if cell != "" {
			// A member's punctuation, and that of a parent with its type; six bytes for each one that is escaped.
			n += len(columns[i]) + len(`,"":{"attributes":{"type":""},"":""}`) + len(cell) + 5*strings.Count(cell, "\"") + 5*countEscaped(cell)
		}
	}
	return n
}

func countEscaped(text string) int {
	n := 0
	for i := range len(text) {
		if text[i] < ' ' || text[i] == '\\' {
			n++
		}
	}
	return n
}

// collectionReply is one item of the reply. Salesforce writes statusCode here, and errorCode where it refuses a whole call.
type collectionReply struct {
	ID      *string `json:"id"`
	Success *bool   `json:"success"`
	Created bool    `json:"created"`
	Errors  []struct {
		StatusCode string          `json:"statusCode"`
		Message    string          `json:"message"`
		Fields     json.RawMessage `json:"fields"`
	} `json:"errors"`
}

// decodeItems reads a reply, which must tell of as many rows as were sent.
func (c *Client) decodeItems(ctx context.Context, r request, resp *http.Response, rows int) ([]CollectionItem, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJSONBytes+1))
	if err != nil {
		return nil, transportError(ctx, r.endpoint(), fmt.Errorf("the reply broke off: %w", err))
	}
	if len(body) > maxJSONBytes {
		return nil, badItems(r, "the reply is larger than %d bytes", maxJSONBytes)
	}
	var reply []collectionReply
	if looksLikeHTML(body) || json.Unmarshal(bytes.TrimPrefix(body, utf8BOM), &reply) != nil {
		failed := c.errorFromBody(r.endpoint(), resp, body)
		failed.Code, failed.Class = "", record.ClassTransient
		return nil, failed
	}
	if len(reply) != rows {
		return nil, badItems(r, "the reply tells of %d rows, and %d were sent", len(reply), rows)
	}
	items := make([]CollectionItem, rows)
	for i, it := range reply {
		if it.Success == nil {
			return nil, badItems(r, "the reply does not say what became of row %d", i)
		}
		items[i] = CollectionItem{Saved: *it.Success, Created: *it.Success && it.Created}
		if it.ID != nil {
			items[i].ID = *it.ID
		}
		if !*it.Success {
			items[i].Error = it.rowError()
		}
	}
	return items, nil
}

// rowError is the first error, with the others behind its message.
func (it collectionReply) rowError() RowError {
	var out RowError
	for n, e := range it.Errors {
		if n == 0 {
			out = RowError{Code: e.StatusCode, Message: e.Message}
			if json.Unmarshal(e.Fields, &out.Fields) != nil {
				out.Fields = nil // null, or a text: the message repeats the names
			}
			continue
		}
		out.Message += "; " + e.StatusCode + ": " + e.Message
	}
	return out
}
