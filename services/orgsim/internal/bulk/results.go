package bulk

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

// File is one of the three result files.
type File uint8

// The result files.
const (
	SuccessfulFile File = iota
	FailedFile
	UnprocessedFile
)

// Results are the rows of one result file of a finished job, ready to be written.
type Results struct {
	m    *Manager
	j    *Job
	file File
	// blankID leaves sf__Id of failed rows empty, as API versions below 53 do.
	blankID bool
	out     *bytes.Buffer
}

// Results returns a result file; it is refused while the job has not ended. asked is the API version of the request.
func (m *Manager) Results(id string, file File, asked float64) (*Results, error) {
	j, err := m.find(id)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.state.Terminal() {
		return nil, refuse(400, "INVALIDJOBSTATE", "InvalidJobState : Results are available only when the job has ended; it is in state %s", j.state)
	}
	return &Results{m: m, j: j, file: file, blankID: asked < 53, out: &bytes.Buffer{}}, nil
}

// WriteTo streams the file. The rows of an aborted job may still grow by transactions that were under way.
func (r *Results) WriteTo(w io.Writer) (int64, error) {
	var total int64
	send := func() error {
		n, err := w.Write(r.out.Bytes())
		total += int64(n)
		r.out.Reset()
		return err
	}
	u := r.j.upload
	r.header()
	if u == nil {
		return total, send()
	}
	set := r.m.Settings.Get()
	var mix *rand.Rand
	order := make([]int, len(u.blocks))
	for i := range order {
		order[i] = i
	}
	if set.ShuffleResults {
		mix = rand.New(rand.NewPCG(uint64(set.ShuffleSeed), rank(r.j.ID)+uint64(r.file)))
		mix.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
	}
	for _, i := range order {
		if err := r.block(&u.blocks[i], mix); err != nil {
			return total, err
		}
		if err := send(); err != nil {
			return total, err
		}
	}
	if r.file == SuccessfulFile {
		r.foreign()
	}
	return total, send()
}

// header writes the first line: the sf__ columns in quotes, then the header as it was uploaded.
func (r *Results) header() {
	var own []byte
	if u := r.j.upload; u != nil {
		own = trimBreak(u.header)
	}
	d := delimiters[r.j.Spec.ColumnDelimiter]
	if r.file != UnprocessedFile {
		r.out.WriteString(`"sf__Id"`)
		r.out.WriteByte(d)
		if r.file == SuccessfulFile {
			r.out.WriteString(`"sf__Created"`)
		} else {
			r.out.WriteString(`"sf__Error"`)
		}
		if len(own) > 0 {
			r.out.WriteByte(d)
		}
	}
	r.out.Write(own)
	r.out.WriteByte('\n')
}

// block writes the rows of one block that belong into the file.
func (r *Results) block(b *block, mix *rand.Rand) error {
	states, texts := r.states(b)
	wanted := 0
	for _, s := range states {
		if r.belongs(s) {
			wanted++
		}
	}
	if wanted == 0 {
		return nil
	}
	data, err := b.open()
	if err != nil {
		return fmt.Errorf("upload of job %s: %w", r.j.ID, err)
	}
	lines := make([][]byte, 0, wanted)
	rows := make([]int, 0, wanted)
	r.j.upload.lines(data, b.first, func(row int, line []byte) bool {
		if r.belongs(states[row-b.first]) {
			lines, rows = append(lines, line), append(rows, row)
		}
		return true
	})
	if mix != nil {
		mix.Shuffle(len(rows), func(x, y int) {
			lines[x], lines[y] = lines[y], lines[x]
			rows[x], rows[y] = rows[y], rows[x]
		})
	}
	for i, row := range rows {
		s := states[row-b.first]
		r.row(s, texts[row], lines[i])
		if s.flags&doubled != 0 {
			r.row(s, texts[row], lines[i])
		}
	}
	return nil
}

// states copies the outcomes of a block, so that no lock is held while the caller reads slowly.
func (r *Results) states(b *block) ([]rowState, map[int]string) {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	states := make([]rowState, b.rows)
	if r.j.rows == nil { // the file failed as a whole: every row is unprocessed
		return states, nil
	}
	copy(states, r.j.rows[b.first:b.first+b.rows])
	texts := map[int]string{}
	if r.file == FailedFile {
		for i, s := range states {
			if s.result == org.Failed {
				texts[b.first+i] = r.j.errors[b.first+i]
			}
		}
	}
	return states, texts
}

func (r *Results) belongs(s rowState) bool {
	if s.flags&lost != 0 {
		return false
	}
	switch s.result {
	case org.Unprocessed:
		return r.file == UnprocessedFile
	case org.Failed:
		return r.file == FailedFile
	default:
		return r.file == SuccessfulFile
	}
}

// row writes one row: unprocessed ones as they were uploaded, the others with every value quoted.
func (r *Results) row(s rowState, text string, line []byte) {
	line = trimBreak(line)
	if r.file == UnprocessedFile {
		r.out.Write(line)
		r.out.WriteByte('\n')
		return
	}
	d := r.j.upload.delimiter
	id := ""
	if s.flags&hasID != 0 && (r.file == SuccessfulFile || !r.blankID) {
		id = r.m.Store.ID(r.j.object, s.id)
	}
	appendQuoted(r.out, id)
	r.out.WriteByte(d)
	if r.file == SuccessfulFile {
		appendQuoted(r.out, strconv.FormatBool(s.result == org.Created))
	} else {
		appendQuoted(r.out, text)
	}
	columns := r.j.plan.Columns
	cells, _ := parseRow(line, d, make([]string, 0, len(columns)))
	for i, c := range columns {
		cell := ""
		if i < len(cells) && c.Exact { // a column whose case differs from the API name comes back blank
			cell = cells[i]
		}
		r.out.WriteByte(d)
		appendQuoted(r.out, cell)
	}
	r.out.WriteByte('\n')
}

// foreign writes rows that nobody uploaded.
func (r *Results) foreign() {
	r.j.mu.Lock()
	n := r.j.foreign
	r.j.mu.Unlock()
	if r.j.plan == nil {
		return
	}
	for i := range n {
		d := r.j.upload.delimiter
		id := sfid.To18(sfid.Make(r.j.object.KeyPrefix, "zz", uint64(i)))
		appendQuoted(r.out, id)
		r.out.WriteByte(d)
		appendQuoted(r.out, "true")
		for c := range r.j.plan.Columns {
			r.out.WriteByte(d)
			cell := ""
			if c == r.j.plan.Key {
				cell = "foreign-" + r.j.ID + "-" + strconv.Itoa(i+1)
			}
			appendQuoted(r.out, cell)
		}
		r.out.WriteByte('\n')
	}
}
