package org

import (
	"regexp"
	"strings"
)

// RowError is why a row was refused, in the three parts that every interface of Salesforce shows: as one text in the
// sf__Error column of a result file, as members of an error object in JSON.
type RowError struct {
	Code    string
	Message string
	Fields  []string // API names; empty when the error is about no field in particular
}

// rowError makes a RowError.
func rowError(code, message string, fields ...string) *RowError {
	return &RowError{Code: code, Message: message, Fields: fields}
}

// Error is the text as sf__Error carries it: CODE:message:fields --, or CODE:message:-- without fields; "" when there
// is no error.
func (e *RowError) Error() string {
	if e == nil {
		return ""
	}
	if len(e.Fields) == 0 {
		return e.Code + ":" + e.Message + ":--"
	}
	return e.Code + ":" + e.Message + ":" + strings.Join(e.Fields, ",") + " --"
}

var fieldsForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*(?:,[A-Za-z][A-Za-z0-9_.]*)*$`)

// ParseRowError is the inverse of RowError.Error, for texts that a fault gives. What is in no such form is a message
// without a code.
func ParseRowError(text string) *RowError {
	code, rest, ok := strings.Cut(text, ":")
	if !ok {
		return &RowError{Message: text}
	}
	e := &RowError{Code: code, Message: rest}
	body, ended := strings.CutSuffix(rest, "--")
	if !ended {
		return e
	}
	at := strings.LastIndexByte(body, ':')
	if at < 0 {
		return e
	}
	switch fields := strings.TrimSuffix(body[at+1:], " "); {
	case fields == "":
		e.Message = body[:at]
	case fieldsForm.MatchString(fields):
		e.Message, e.Fields = body[:at], strings.Split(fields, ",")
	}
	return e
}
