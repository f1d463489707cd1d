package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
)

// jsonDepth bounds how deep values may be nested: a record with a parent in a list has five levels.
const jsonDepth = 16

// jsonReader reads a body into values that know their place, as the messages of real orgs name it.
type jsonReader struct {
	text         []byte
	dec          *json.Decoder
	offset       int // up to which line and column are counted
	line, column int // from 1
}

// readJSON reads a request's body, which must be one JSON value. Errors are refusals with the code JSON_PARSER_ERROR.
func readJSON(body []byte) (*org.Member, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, notJSON("The HTTP entity body is required, but this request has no entity body.")
	}
	if !utf8.Valid(body) {
		return nil, notJSON("Invalid UTF-8 in the request body")
	}
	r := &jsonReader{text: body, dec: json.NewDecoder(bytes.NewReader(body)), line: 1, column: 1}
	r.dec.UseNumber() // numbers keep the digits that were sent
	var root org.Member
	if err := r.value(&root, 1); err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, notJSON("Unexpected data behind the end of the document at " + r.at())
	}
	return &root, nil
}

func notJSON(message string) error {
	return &bulk.Error{Status: http.StatusBadRequest, Code: "JSON_PARSER_ERROR", Message: message}
}

// at names the place that the reader has come to.
func (r *jsonReader) at() string {
	line, column := r.place()
	return fmt.Sprintf("[line:%d, column:%d]", line, column)
}

// place is the line and column, from 1, of what comes next. It goes on from where it was, so that a body is walked once.
func (r *jsonReader) place() (line, column int) {
	end := min(int(r.dec.InputOffset()), len(r.text))
	for end < len(r.text) && bytes.IndexByte([]byte(" \t\r\n:,"), r.text[end]) >= 0 {
		end++
	}
	for ; r.offset < end; r.offset++ {
		switch b := r.text[r.offset]; {
		case b == '\n':
			r.line, r.column = r.line+1, 1
		case utf8.RuneStart(b):
			r.column++
		}
	}
	return r.line, r.column
}

func (r *jsonReader) token() (json.Token, error) {
	t, err := r.dec.Token()
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, notJSON("Unexpected end-of-input at " + r.at())
	default:
		return nil, notJSON(fmt.Sprintf("Unexpected character: %v at %s", err, r.at()))
	}
}

// value reads the next value into m.
func (r *jsonReader) value(m *org.Member, depth int) error {
	if depth > jsonDepth {
		return notJSON("The document is nested too deep at " + r.at())
	}
	m.Line, m.Column = r.place()
	t, err := r.token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case nil:
		m.Kind = org.JSONNull
	case string:
		m.Kind, m.Text = org.JSONText, v
	case json.Number:
		m.Kind, m.Text = org.JSONNumber, v.String()
	case bool:
		m.Kind, m.Text = org.JSONBool, fmt.Sprint(v)
	case json.Delim:
		if v == '[' {
			m.Kind = org.JSONArray
			return r.items(m, depth)
		}
		m.Kind = org.JSONObject
		return r.members(m, depth)
	}
	return nil
}

func (r *jsonReader) items(m *org.Member, depth int) error {
	for r.dec.More() {
		var item org.Member
		if err := r.value(&item, depth+1); err != nil {
			return err
		}
		m.Members = append(m.Members, item)
	}
	_, err := r.token()
	return err
}

func (r *jsonReader) members(m *org.Member, depth int) error {
	seen := map[string]struct{}{}
	for r.dec.More() {
		name, err := r.token()
		if err != nil {
			return err
		}
		text, _ := name.(string) // the decoder takes nothing else for a name
		if _, twice := seen[strings.ToLower(text)]; twice {
			return notJSON("Duplicate field '" + text + "' at " + r.at())
		}
		seen[strings.ToLower(text)] = struct{}{}
		member := org.Member{Name: text}
		if err := r.value(&member, depth+1); err != nil {
			return err
		}
		m.Members = append(m.Members, member)
	}
	_, err := r.token()
	return err
}

// readObject reads a body that must be an object.
func readObject(body []byte) (*org.Member, error) {
	root, err := readJSON(body)
	if err == nil && root.Kind != org.JSONObject {
		err = notJSON(fmt.Sprintf("Unexpected start of the document at [line:%d, column:%d]: an object has to come first", root.Line, root.Column))
	}
	return root, err
}
