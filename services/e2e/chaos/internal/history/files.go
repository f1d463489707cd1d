package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Names of the files of a run, within its directory.
const (
	PlanFile      = "plan.json"
	RunFile       = "run.json"
	PublishedFile = "published.ndjson"
	TimelineFile  = "timeline.ndjson"
	SamplesFile   = "samples.ndjson"
	RecordsFile   = "org/records.ndjson"
	JobsFile      = "org/jobs.ndjson"
	RowsFile      = "org/rows.ndjson"
	CallsFile     = "org/calls.ndjson"
	LettersFile   = "letters.ndjson"
	FinalFile     = "final.json"
	LandedFile    = "landed.ndjson"
	PointsFile    = "points.json"
	VerdictFile   = "verdict.json"
	LogsDir       = "logs"
)

// maxLine bounds a line that is read: the largest value is a letter, whose broker takes 1 MiB.
const maxLine = 8 << 20

// Writer appends values to an NDJSON file. It is safe for many goroutines; each value is one write of one whole line, so that a run that
// dies leaves at most its last line unfinished, which [Read] leaves out.
type Writer struct {
	path string
	mu   sync.Mutex
	file *os.File
	n    int
	err  error
}

// Create makes the file at path anew, and its directory.
func Create(path string) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("directory of %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create a history file: %w", err)
	}
	return &Writer{path: path, file: f}, nil
}

// Put appends one value. The first error stays: every later call, and Close, gives it again, so that callers may put without looking and
// look once.
func (w *Writer) Put(v any) error {
	line, err := encode(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
	case err != nil:
		w.err = fmt.Errorf("%s, line %d: %w", w.path, w.n+1, err)
	case w.file == nil:
		w.err = fmt.Errorf("%s is closed", w.path)
	default:
		if _, err := w.file.Write(line); err != nil {
			w.err = fmt.Errorf("append to a history file: %w", err)
			break
		}
		w.n++
	}
	return w.err
}

// Count is how many values were put.
func (w *Writer) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// Close ends the file; it says what went wrong since Create. Closing again does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return errors.Join(w.err, err)
}

// encode writes a value as one line, with < > & as they are: payloads are read by people.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Read gives the values of an NDJSON file, line by line. An error ends it. A last line without a line end is one that a dying writer did not
// finish, and is left out; anything else that is not the value asked for is an error that names file and line. Members that T does not have
// are passed over: an older judge may read a newer run.
func Read[T any](path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		f, err := os.Open(path)
		if err != nil {
			yield(none, fmt.Errorf("open a history file: %w", err))
			return
		}
		defer func() { _ = f.Close() }() // only read
		for v, err := range Lines[T](f) {
			if err != nil {
				err = fmt.Errorf("%s, %w", path, err)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Lines is [Read] of a stream.
func Lines[T any](r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		in := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			line, err := readLine(in)
			switch {
			case errors.Is(err, io.EOF):
				return // what stands behind the last line end was never finished
			case err != nil:
				yield(none, fmt.Errorf("line %d: %w", n, err))
				return
			case len(bytes.TrimSpace(line)) == 0:
				continue
			}
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				yield(none, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// readLine gives one line that ends, without its end. The slice is its caller's.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return line[:len(line)-1], nil
	}
}

// ReadAll is [Read] into a slice. A file that is not there is an error that wraps [fs.ErrNotExist].
func ReadAll[T any](path string) ([]T, error) {
	var all []T
	for v, err := range Read[T](path) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// WriteJSON writes one value to a file of its own, whole or not at all: a reader never sees half of it.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("directory of %s: %w", path, err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write a history file: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("put a history file in its place: %w", err)
	}
	return nil
}

// ReadJSON reads a file of one value.
func ReadJSON[T any](path string) (T, error) {
	var v T
	f, err := os.Open(path)
	if err != nil {
		return v, fmt.Errorf("open a history file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	d := json.NewDecoder(f)
	if err := d.Decode(&v); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, fmt.Errorf("%s: something follows its one value at byte %s", path, strconv.FormatInt(d.InputOffset(), 10))
	}
	return v, nil
}

// All is a whole run.
type All struct {
	Plan      Plan
	Run       Run
	Pipelines []Pipeline
	Published []Publication
	Timeline  []Event
	Samples   []Sample
	Records   []OrgRecord
	Jobs      []OrgJob
	Rows      []OrgRow
	Calls     []OrgCall
	Letters   []Letter
	Final     Final
	Landed    []Landed
	Points    Points
}

// Load reads all of a run from its directory. Every file must be there, but points.json and org/calls.ndjson: a run that was not built to
// have them has none.
func Load(dir string) (*All, error) {
	var (
		a   All
		err error
	)
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	steps := []func() error{
		func() error { a.Plan, err = ReadJSON[Plan](at(PlanFile)); return err },
		func() error { a.Run, err = ReadJSON[Run](at(RunFile)); return err },
		func() error { a.Pipelines, err = ReadJSON[[]Pipeline](at(PipelinesFile)); return err },
		func() error { a.Published, err = ReadAll[Publication](at(PublishedFile)); return err },
		func() error { a.Timeline, err = ReadAll[Event](at(TimelineFile)); return err },
		func() error { a.Samples, err = ReadAll[Sample](at(SamplesFile)); return err },
		func() error { a.Records, err = ReadAll[OrgRecord](at(RecordsFile)); return err },
		func() error { a.Jobs, err = ReadAll[OrgJob](at(JobsFile)); return err },
		func() error { a.Rows, err = ReadAll[OrgRow](at(RowsFile)); return err },
		func() error { a.Calls, err = ReadAll[OrgCall](at(CallsFile)); return absent(err) },
		func() error { a.Letters, err = ReadAll[Letter](at(LettersFile)); return err },
		func() error { a.Final, err = ReadJSON[Final](at(FinalFile)); return err },
		func() error { a.Landed, err = ReadAll[Landed](at(LandedFile)); return err },
		func() error { a.Points, err = ReadJSON[Points](at(PointsFile)); return absent(err) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &a, nil
}

// Store writes all of a run into a directory, as the parts of the instrument do while it runs.
func Store(dir string, a *All) error {
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	return errors.Join(
		WriteJSON(at(PlanFile), a.Plan),
		WriteJSON(at(RunFile), a.Run),
		WriteJSON(at(PipelinesFile), a.Pipelines),
		store(at(PublishedFile), a.Published),
		store(at(TimelineFile), a.Timeline),
		store(at(SamplesFile), a.Samples),
		store(at(RecordsFile), a.Records),
		store(at(JobsFile), a.Jobs),
		store(at(RowsFile), a.Rows),
		store(at(CallsFile), a.Calls),
		store(at(LettersFile), a.Letters),
		WriteJSON(at(FinalFile), a.Final),
		store(at(LandedFile), a.Landed),
		WriteJSON(at(PointsFile), a.Points),
	)
}

func store[T any](path string, values []T) error {
	w, err := Create(path)
	if err != nil {
		return err
	}
	for _, v := range values {
		if w.Put(v) != nil {
			break // Close says it
		}
	}
	return w.Close()
}

func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
