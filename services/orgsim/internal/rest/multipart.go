package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"bulkhead/services/orgsim/internal/bulk"
)

// jobParts are the parts of a create request: the job as JSON, and in a multipart request the data.
type jobParts struct {
	job  []byte
	data *string // nil when the request brings none
}

// jobParts takes a create request apart. A multipart request has exactly two parts, in this order: job, of type
// application/json, and content, of type text/csv with a file name.
func (ex *exchange) jobParts() (jobParts, error) {
	kind, params, _ := mime.ParseMediaType(ex.r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return jobParts{job: ex.body}, nil
	}
	r := multipart.NewReader(bytes.NewReader(ex.body), params["boundary"])
	job, err := readPart(r, "job", "application/json", false)
	if err != nil {
		return jobParts{}, err
	}
	data, err := readPart(r, "content", "text/csv", true)
	if err != nil {
		return jobParts{}, err
	}
	if _, err := r.NextRawPart(); !errors.Is(err, io.EOF) {
		return jobParts{}, badParts("there must be no part behind content")
	}
	text := string(data)
	return jobParts{job: job, data: &text}, nil
}

// readPart reads the next part, which must have this name and type.
func readPart(r *multipart.Reader, name, want string, file bool) ([]byte, error) {
	p, err := r.NextRawPart()
	if err != nil {
		return nil, badParts("there is no part " + name)
	}
	if p.FormName() != name {
		return nil, badParts("part " + name + " must come where part '" + p.FormName() + "' is")
	}
	if kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type")); err != nil || kind != want {
		return nil, badParts("part " + name + " must have the Content-Type " + want)
	}
	if file && p.FileName() == "" {
		return nil, badParts("part " + name + " must have a filename")
	}
	content, err := io.ReadAll(p)
	if err != nil {
		return nil, badParts("part " + name + " breaks off")
	}
	return content, nil
}

func badParts(what string) error {
	return &bulk.Error{
		Status: http.StatusBadRequest, Code: "CLIENTINPUTERROR", Message: "ClientInputError : the multipart request is not in form: " + what,
	}
}
