package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// shownRefusals bounds the refusals in the JSON of mapping test; all are counted.
const shownRefusals = 100

func newMapping(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mapping",
		Short: "Try what a definition makes of records",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMappingTest(g))
	return cmd
}

func newMappingTest(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "test DEFINITION FILE",
		Short: "Print the CSV that a definition makes of the records of a file",
		Long: `Map the records of FILE, newline-delimited JSON, as the definition says, and print the CSV as it would be uploaded. Nothing is sent
anywhere and no server is needed. Records that would be refused are named on stderr with their line. One of the two files may be -,
standard input.

Shown is a row per record. When it is carried out, rows of one entity that meet in a chunk are one row, merged field by field; and
where rows are found by a query, their column becomes Id.

With --json one object: {"header": [...], "rows": n, "refused": n, "refusals": [{"line", "code", "message", "fields"}]}, with the
first ` + fmt.Sprint(shownRefusals) + ` refusals, and no CSV. Exit code 2: the definition is not valid. 3: records are refused. 4: the file holds no record.`,
		Example: `  bulkhead mapping test contacts.yaml contacts.ndjson
  printf '{"id":"C-1","last_name":"Alder"}\n' | bulkhead mapping test contacts.yaml -`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "-" && args[1] == "-" {
				return usage(errors.New("only one of the two can be standard input"))
			}
			text, err := readDefinition(g, args[0])
			if err != nil {
				return usage(err)
			}
			def, warnings, err := pipeline.ParseDefinition(text)
			if err != nil {
				return usage(fmt.Errorf("%s: %w", args[0], err))
			}
			for _, w := range warnings {
				fmt.Fprintf(g.err, "%s: warning: %s\n", args[0], printable(fmt.Sprint(w)))
			}
			in := g.in
			if args[1] != "-" {
				f, err := os.Open(args[1])
				if err != nil {
					return usage(err)
				}
				defer f.Close()
				in = f
			}
			return (&mappingTest{g: g, def: def, file: args[1]}).run(in)
		},
	}
}

// mappingTest maps the records of one file.
type mappingTest struct {
	g        *globals
	def      *pipeline.Definition
	file     string
	rows     int
	refused  int
	refusals []mappingRefusal
}

type mappingRefusal struct {
	Line    int      `json:"line"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

func (m *mappingTest) run(in io.Reader) error {
	to, flush := m.g.exact()
	if m.g.json {
		to = io.Discard
	}
	out := bufio.NewWriter(to)
	if _, err := out.Write(rowfile.AppendRow(nil, m.def.Header())); err != nil {
		return fmt.Errorf("print the CSV: %w", err)
	}
	lines := &lineReader{r: bufio.NewReaderSize(in, 64<<10), most: pipeline.MaxRecordBytes}
	var row []byte
	for {
		line, tooLong, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(usage(fmt.Errorf("%s:%d: %w", m.file, lines.n, err)), out.Flush(), flush())
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue // as in a frame
		}
		if tooLong {
			m.refuse(lines.n, record.Refusal{Code: record.CodeTooLarge, Message: fmt.Sprintf("the record has more than %d bytes", pipeline.MaxRecordBytes)})
			continue
		}
		mapped, refusal := m.def.Map(line)
		if refusal != nil {
			m.refuse(lines.n, *refusal)
			continue
		}
		m.rows++
		row = rowfile.AppendRow(row[:0], mapped.Cells)
		if _, err := out.Write(row); err != nil {
			return fmt.Errorf("print the CSV: %w", err)
		}
	}
	if err := errors.Join(out.Flush(), flush()); err != nil {
		return fmt.Errorf("print the CSV: %w", err)
	}
	return m.end()
}

func (m *mappingTest) refuse(line int, r record.Refusal) {
	m.refused++
	if len(m.refusals) < shownRefusals {
		m.refusals = append(m.refusals, mappingRefusal{Line: line, Code: r.Code, Message: r.Message, Fields: append([]string{}, r.Fields...)})
	}
	if !m.g.json {
		fmt.Fprintf(m.g.err, "%s:%d: %s: %s\n", m.file, line, r.Code, oneLine(r.Message, 300))
	}
}

func (m *mappingTest) end() error {
	if m.g.json {
		enc := json.NewEncoder(m.g.out)
		enc.SetEscapeHTML(false)
		if m.refusals == nil {
			m.refusals = []mappingRefusal{}
		}
		if err := enc.Encode(struct {
			Header   []string         `json:"header"`
			Rows     int              `json:"rows"`
			Refused  int              `json:"refused"`
			Refusals []mappingRefusal `json:"refusals"`
		}{m.def.Header(), m.rows, m.refused, m.refusals}); err != nil {
			return fmt.Errorf("print the answer: %w", err)
		}
	} else {
		fmt.Fprintf(m.g.err, "%s rows, %s refused%s\n", thousands(int64(m.rows)), thousands(int64(m.refused)), m.note())
	}
	switch {
	case m.refused > 0:
		return exitWith(ExitPartly)
	case m.rows == 0:
		return exit(ExitNothing, fmt.Errorf("%s holds no record", m.file))
	}
	return nil
}

// note says what the upload does beyond what is shown.
func (m *mappingTest) note() string {
	if m.def.Resolves() {
		return fmt.Sprintf("; column %s becomes Id, which is looked up when the rows are sent", strings.TrimSpace(m.def.KeyField()))
	}
	return ""
}

// lineReader cuts a stream into lines of bounded length, without their ends. A byte order mark in front is no part of the first.
type lineReader struct {
	r    *bufio.Reader
	most int
	n    int // number of the line that was read last, from 1
	buf  []byte
}

// next reads a line; what is longer than allowed is cut and read over. The bytes are good until the next call.
func (l *lineReader) next() (line []byte, tooLong bool, err error) {
	l.n++
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if room := l.most + 2 - len(l.buf); len(part) > room { // two for the line's end
			part, tooLong = part[:room], true
		}
		l.buf = append(l.buf, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.buf) == 0:
			return nil, false, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, false, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(l.buf, []byte("\n")), []byte("\r"))
		if l.n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		return line, tooLong || len(line) > l.most, nil
	}
}
