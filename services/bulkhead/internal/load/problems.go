package load

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// StateRefused is the state of a row that could not be published.
const StateRefused = "refused"

// Problem is a row that did not land.
type Problem struct {
	// Line is where it begins in the file; 0 = not known.
	Line int64 `json:"line"`
	// State is refused, or a word of the balance.
	State   string `json:"state"`
	Class   string `json:"class,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Key     string `json:"key,omitempty"`
	// Letter is what bulkhead dlq takes.
	Letter string `json:"letter_id,omitempty"`
	// Repeat says that the row is a repeat of this record, and that another run brought it: Run, "" = it was published without one.
	Repeat bool   `json:"repeat,omitempty"`
	Run    string `json:"run,omitempty"`
}

// Count is how many records are in a state for one reason.
type Count struct {
	State   string `json:"state"`
	Class   string `json:"class,omitempty"`
	Code    string `json:"code,omitempty"`
	Records int64  `json:"records"`
}

// problems gathers rows that did not land: counts of all, the first few in the order of the file, and all of them in a file if one is wanted.
type problems struct {
	show     int
	refused  int64
	counts   map[Count]int64
	examples []Problem
	file     *errorsFile // nil = none is wanted
}

func newProblems(show int, path string) (*problems, error) {
	p := &problems{show: show, counts: map[Count]int64{}}
	if path == "" {
		return p, nil
	}
	var err error
	p.file, err = newErrorsFile(path)
	return p, err
}

func (p *problems) refuse(line int64, why string) error {
	p.refused++
	return p.put(Problem{Line: line, State: StateRefused, Message: why})
}

func (p *problems) put(x Problem) error {
	p.counts[Count{State: x.State, Class: x.Class, Code: x.Code}]++
	at, _ := slices.BinarySearchFunc(p.examples, x.Line, func(e Problem, line int64) int { return cmp.Compare(order(e.Line), order(line)) })
	if at < p.show {
		p.examples = slices.Insert(p.examples, at, x)
		p.examples = p.examples[:min(len(p.examples), p.show)]
	}
	if p.file == nil {
		return nil
	}
	return p.file.put(x)
}

// order puts what has no line last.
func order(line int64) uint64 { return uint64(line) - 1 }

// list are the counts, the most first.
func (p *problems) list() []Count {
	out := make([]Count, 0, len(p.counts))
	for c, n := range p.counts {
		c.Records = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.State, b.State), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// errorsFile is written as problems come and put in the order of the file's lines at the end: of each problem a place and a line are kept.
type errorsFile struct {
	path  string
	f     *os.File
	w     *bufio.Writer
	csv   *csv.Writer
	size  int64
	index []place
}

type place struct {
	line int64
	at   int64
	size int32
}

func newErrorsFile(path string) (*errorsFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return nil, usagef("--errors %s: %w", path, err)
	}
	e := &errorsFile{path: path, f: f}
	e.w = bufio.NewWriter(f)
	e.csv = csv.NewWriter(writer(e.write))
	return e, nil
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func (e *errorsFile) write(b []byte) (int, error) {
	n, err := e.w.Write(b)
	e.size += int64(n)
	return n, err
}

func (e *errorsFile) put(x Problem) error {
	from := e.size
	line := ""
	if x.Line > 0 {
		line = strconv.FormatInt(x.Line, 10)
	}
	cells := []string{line, x.State, x.Class, x.Code, x.Message, x.Key, x.Letter, x.Run}
	for i := range cells {
		cells[i] = defused(cells[i])
	}
	if err := e.csv.Write(cells); err != nil {
		return fmt.Errorf("write --errors: %w", err)
	}
	if e.csv.Flush(); e.csv.Error() != nil {
		return fmt.Errorf("write --errors: %w", e.csv.Error())
	}
	e.index = append(e.index, place{x.Line, from, int32(e.size - from)})
	return nil
}

// defused keeps a spreadsheet from taking a value for a formula.
func defused(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '+', '-', '@', '\t', '\r', 0:
		return "'" + s
	}
	return s
}

// finish puts the file in order and in its place; without a good end nothing is left of it.
func (e *errorsFile) finish(good bool) error {
	if e == nil {
		return nil
	}
	defer os.Remove(e.f.Name())
	defer e.f.Close()
	if !good {
		return nil
	}
	if err := e.w.Flush(); err != nil {
		return fmt.Errorf("write --errors: %w", err)
	}
	slices.SortStableFunc(e.index, func(a, b place) int { return cmp.Compare(order(a.line), order(b.line)) })
	to, err := os.CreateTemp(filepath.Dir(e.path), "."+filepath.Base(e.path)+"-*")
	if err != nil {
		return fmt.Errorf("write --errors: %w", err)
	}
	err = e.copyTo(to)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(to.Name(), e.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write --errors: %w", err), os.Remove(to.Name()))
	}
	return nil
}

func (e *errorsFile) copyTo(f *os.File) error {
	w := bufio.NewWriter(f)
	if _, err := w.WriteString("line,state,class,code,message,key,letter_id,run\n"); err != nil {
		return err
	}
	var buf []byte
	for _, p := range e.index {
		buf = slices.Grow(buf[:0], int(p.size))[:p.size]
		if _, err := e.f.ReadAt(buf, p.at); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return w.Flush()
}
