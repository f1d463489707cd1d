package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"bulkhead/libs/fault/planted"
)

// ResultKind is one of a job's three result files.
type ResultKind int

// The result files of a job. Rows stand in no promised order in any of them.
const (
	// Successful: rows that landed, with their id.
	Successful ResultKind = iota + 1
	// Failed: rows that were refused, with the error.
	Failed
	// Unprocessed: rows that were never tried; as uploaded, without columns of Salesforce.
	Unprocessed
)

// String is the name for logs and labels.
func (k ResultKind) String() string {
	switch k {
	case Successful:
		return "successful"
	case Failed:
		return "failed"
	case Unprocessed:
		return "unprocessed"
	}
	return "ResultKind(" + strconv.Itoa(int(k)) + ")"
}

// resource is the file's name in the path.
func (k ResultKind) resource() string {
	switch k {
	case Successful:
		return "successfulResults"
	case Failed:
		return "failedResults"
	case Unprocessed:
		return "unprocessedrecords"
	}
	return ""
}

// Row is one row of a result file.
type Row struct {
	// ID is sf__Id as it came: of landed rows, and of failed rows of update and delete; it may be empty.
	ID string
	// Created is sf__Created of a landed row: the row was inserted, not updated.
	Created bool
	// Error is sf__Error of a failed row; see [ParseRowError]. It is made by the org, whose code may put anything into it: a NUL and bytes that are no
	// UTF-8 come as U+FFFD, and do not cost the file. In other cells, which are what was sent, they make it [ErrMalformed].
	Error string
	// Cells are the uploaded columns in the order of [ResultReader.Header], values as Salesforce gives them back.
	Cells []string
}

// RawRow is a [Row] whose texts stand in the reader's memory: they are good until the next row is read.
type RawRow struct {
	ID      []byte
	Created bool
	Error   []byte
	Cells   [][]byte
}

// Strings copies the row.
func (r RawRow) Strings() Row {
	row := Row{ID: string(r.ID), Created: r.Created, Error: string(r.Error), Cells: make([]string, len(r.Cells))}
	for i, cell := range r.Cells {
		row.Cells[i] = string(cell)
	}
	return row
}

// ResultReader reads a result file as it arrives. It is not safe for concurrent use.
type ResultReader struct {
	kind    ResultKind
	path    string
	body    *guardedBody // nil for a file without content
	csv     *csvReader
	framed  bool // the transport knows where the body ends, so a missing last line end is not a cut
	header  []string
	columns columns
	cells   [][]byte
	rows    int64
	err     error // sticky
}

// Results starts reading one of a job's result files. Close it. A reply without content has no header and no rows.
//
// The request is sent again until a file begins; what follows the reply's header is not asked for again. A file that breaks off, in its first line or
// later, is [ErrTruncated] here or from [ResultReader.Next], and is to be read from its start: there is no way to go on in the middle.
func (c *Client) Results(ctx context.Context, jobID string, kind ResultKind) (*ResultReader, error) {
	r := request{
		method: http.MethodGet, path: jobsPath + "/" + jobID + "/" + kind.resource(),
		route: jobRoute + "/" + kind.resource(), repeat: true,
	}
	if kind.resource() == "" {
		return nil, &RequestError{Endpoint: r.method + " " + jobRoute, Problem: "there is no result file " + kind.String()}
	}
	if problem := jobIDProblem(jobID); problem != "" {
		return nil, &RequestError{Endpoint: r.method + " " + r.route, Problem: problem}
	}
	var reader *ResultReader
	err := c.withSession(ctx, r, func(ctx context.Context, s *session) error {
		var err error
		reader, err = c.openResults(ctx, s, r, kind)
		return err
	})
	if err != nil {
		return nil, err
	}
	return reader, nil
}

func (c *Client) openResults(ctx context.Context, s *session, r request, kind ResultKind) (*ResultReader, error) {
	body := newGuardedBody(ctx, c.cfg.Timeouts.Idle, c.cfg.MaxResultBytes)
	body.watchFirst(c.cfg.Timeouts.Call)
	hr, err := c.newRequest(body.ctx, s, r, nil)
	if err != nil {
		body.cancel(nil)
		return nil, err
	}
	hr.Header.Set("Accept", "text/csv")
	hr.Header.Set("Accept-Encoding", packing)
	resp, err := c.send(hr, r)
	body.unwatch()
	if err != nil {
		body.cancel(nil)
		return nil, err
	}
	body.src = resp.Body
	reader := &ResultReader{kind: kind, path: r.path, body: body}
	if resp.StatusCode == http.StatusNoContent || resp.ContentLength == 0 {
		reader.err = io.EOF
		return reader, nil
	}
	if err := c.refuseOtherType(r, resp, body); err != nil {
		_ = reader.Close()
		return nil, err
	}
	reader.framed = resp.ContentLength >= 0 || resp.Uncompressed || resp.ProtoMajor >= 2 ||
		len(resp.TransferEncoding) > 0 && resp.TransferEncoding[0] == "chunked"
	reader.csv = newCSVReader(body, MaxRecordBytes)
	if err := reader.readHeader(); err != nil {
		_ = reader.Close()
		return nil, err
	}
	return reader, nil
}

// refuseOtherType turns a 2xx reply that is no CSV into the error that it is: an error array, or a page of the edge.
func (c *Client) refuseOtherType(r request, resp *http.Response, body io.Reader) error {
	declared := resp.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(declared)
	if declared == "" || err == nil && media == "text/csv" {
		return nil
	}
	start, _ := io.ReadAll(io.LimitReader(body, maxErrorBytes))
	e := c.errorFromBody(r.endpoint(), resp, start)
	if e.Code == "" && !e.HTML {
		e.Message = fmt.Sprintf("the reply is %q, not CSV", clip(declared, maxNameRunes))
	}
	return e
}

// readHeader reads the first record and finds the columns of Salesforce in it.
func (r *ResultReader) readHeader() error {
	cells, err := r.csv.next()
	if errors.Is(err, io.EOF) {
		if !r.framed {
			return r.fail(fmt.Errorf("nothing came: %w", ErrTruncated))
		}
		r.err = io.EOF // an empty 200 is how "no rows" has been seen, too
		return nil
	}
	if err != nil {
		return r.fail(err)
	}
	if r.csv.bareEnd && !r.framed {
		return r.fail(fmt.Errorf("the header has no line end: %w", ErrTruncated))
	}
	names := make([]string, len(cells))
	for i, cell := range cells {
		names[i] = string(cell)
	}
	if r.columns, err = findColumns(r.kind, names); err != nil {
		return r.fail(err)
	}
	r.header = split(r.columns, names, nil)
	r.csv.looseAt = r.columns.err
	return nil
}

// Header are the names of the uploaded columns, without those of Salesforce; nil for a file without content.
func (r *ResultReader) Header() []string { return r.header }

// Rows is how many rows Next has returned.
func (r *ResultReader) Rows() int64 { return r.rows }

// Next returns the next row; io.EOF after the last one, if the file ended where a record ends and was whole. Every other error is final
// and voids what was read: [ErrTruncated] (the file was cut, the connection broke, too little came in the time allowed), [ErrMalformed],
// [ErrTooLarge] (these two wrapped in [ErrUnreadableRows]), or the end of the context.
func (r *ResultReader) Next() (Row, error) {
	raw, err := r.NextRaw()
	if err != nil {
		return Row{}, err
	}
	return raw.Strings(), nil
}

// NextRaw is [ResultReader.Next] without a copy of the row: what it returns is good until the next call.
func (r *ResultReader) NextRaw() (RawRow, error) {
	if r.err != nil {
		return RawRow{}, r.err
	}
	for {
		cells, err := r.csv.next()
		if errors.Is(err, io.EOF) {
			r.err = io.EOF
			return RawRow{}, io.EOF
		}
		if err != nil {
			return RawRow{}, r.fail(err)
		}
		if r.columns.total > 1 && len(cells) == 1 && len(cells[0]) == 0 && !r.csv.bareEnd {
			continue // an empty line can be no row of several columns; with one column it is an empty value
		}
		return r.row(cells)
	}
}

func (r *ResultReader) row(cells [][]byte) (RawRow, error) {
	if r.csv.bareEnd && (!r.framed || len(cells) != r.columns.total) {
		return RawRow{}, r.fail(r.csv.truncated("without a line end"))
	}
	if len(cells) != r.columns.total {
		return RawRow{}, r.fail(r.csv.malformed(fmt.Sprintf("has %d cells, the header %d", len(cells), r.columns.total)))
	}
	r.cells = split(r.columns, cells, r.cells[:0])
	r.rows++
	return RawRow{
		ID: r.columns.text(cells, r.columns.id), Error: readable(r.columns.text(cells, r.columns.err)), Created: isTrue(r.columns.text(cells, r.columns.created)),
		Cells: r.cells,
	}, nil
}

// isTrue reads a truth: "true" as documented; some answers have been seen as TRUE or 1.
func isTrue(cell []byte) bool {
	if string(cell) == "true" {
		return true
	}
	is, _ := strconv.ParseBool(strings.ToLower(string(cell)))
	return is
}

// fail makes an error final and says which file it was in.
func (r *ResultReader) fail(err error) error {
	if cause := r.body.failure(); cause != nil {
		err = cause
	}
	if r.columns.total > 0 && (errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLarge)) {
		err = fmt.Errorf("%w: %w", ErrUnreadableRows, err)
	}
	if planted.On(planted.EndOfFileTakenAsComplete) && errors.Is(err, ErrTruncated) {
		r.err = io.EOF
		return r.err
	}
	r.err = fmt.Errorf("salesforce GET %s: %w", r.path, err)
	return r.err
}

// Close ends the reading; what is left of the file is not read. It is safe to call twice.
func (r *ResultReader) Close() error {
	if r.err == nil {
		r.err = fmt.Errorf("salesforce GET %s: reader is closed", r.path)
	}
	return r.body.Close()
}
