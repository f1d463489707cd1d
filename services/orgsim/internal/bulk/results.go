package bulk

import (
	"fmt"
	"io"
	"math/rand/v2"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
)

// File is one of the three result files.
type File uint8

// The result files.
const (
	SuccessfulFile File = iota
	FailedFile
	UnprocessedFile
)

// Results are the rows of one result file, ready to be written.
type Results struct {
	m    *Manager
	j    *Job
	file File
	// headerOnly leaves out all rows.
	headerOnly bool

	upload  *Upload   // nil when there is none
	known   *outcomes // nil when no row was looked at: every row is unprocessed
	plan    *org.Plan // nil when the header was refused, or not looked at yet
	foreign []map[string]string
	form    form
	rows    rowWriter

	// Of the block that is being written; used again.
	states   []rowState
	errors   map[int]string
	rewrites map[int]map[string]string
	picked   []pickedRow
	out      []byte
}

// pickedRow is a row that belongs into the file: where its record stands in the text of its block.
type pickedRow struct{ row, from, to int }

// Results returns a result file. While the job has not ended, it is refused or shows part of the rows, as the switch
// unfinished_results says. asked is the API version of the request: failed rows name their record from 53.0 on.
func (m *Manager) Results(id string, file File, asked float64) (*Results, error) {
	j, err := m.find(id)
	if err != nil {
		return nil, err
	}
	r := &Results{m: m, j: j, file: file, form: m.resultForm(&j.Spec)}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.state.Terminal() {
		switch m.Switches.Get(switches.UnfinishedResults) {
		case switches.ResultsHeaderOnly:
			r.headerOnly = true
		case switches.ResultsPartial:
			r.headerOnly = file == UnprocessedFile // nobody knows yet which rows will never be tried
		default:
			return nil, refuse(400, "INVALIDJOBSTATE", "InvalidJobState : Results are available only when the job has ended; it is in state %s", j.state)
		}
	}
	// The file is written from what the job has now, so that it is whole though the job may go while it is read.
	r.upload, r.plan, r.known = j.upload, j.plan, j.out
	if file == SuccessfulFile {
		r.foreign = j.foreign
	}
	if r.plan == nil {
		r.headerOnly = r.headerOnly || file != UnprocessedFile
		return r, nil
	}
	r.rows = newRowWriter(r.form, r.upload, r.plan, m.Store.IDs(j.object))
	r.rows.withID = file == SuccessfulFile || asked >= 53
	return r, nil
}

// WriteTo streams the file. The rows of an aborted job may still grow by transactions that were under way.
func (r *Results) WriteTo(w io.Writer) (int64, error) {
	var total int64
	send := func() error {
		n, err := w.Write(r.out)
		total += int64(n)
		r.out = r.out[:0]
		return err
	}
	r.header()
	if r.upload == nil || r.headerOnly {
		return total, send()
	}
	set := r.m.Settings.Get()
	var mix *rand.Rand
	order := make([]int, len(r.upload.blocks))
	for i := range order {
		order[i] = i
	}
	if set.ShuffleResults {
		mix = rand.New(rand.NewPCG(uint64(set.ShuffleSeed), rank(r.j.ID)+uint64(r.file)))
		mix.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
	}
	for _, i := range order {
		if err := r.block(&r.upload.blocks[i], mix); err != nil {
			return total, err
		}
		if err := send(); err != nil {
			return total, err
		}
	}
	r.foreignRows()
	return total, send()
}

// header writes the first line: the sf__ columns in quotes, then the header as it was uploaded.
func (r *Results) header() {
	if r.file != UnprocessedFile {
		second := "sf__Created"
		if r.file == FailedFile {
			second = "sf__Error"
		}
		r.out = appendQuoted(r.out, "sf__Id")
		r.out = append(r.out, r.form.delimiter)
		r.out = appendQuoted(r.out, second)
	}
	if r.upload != nil {
		own := string(trimBreak(r.upload.header))
		if r.file != UnprocessedFile && own != "" {
			r.out = append(r.out, r.form.delimiter)
		}
		r.out = r.form.appendRaw(r.out, own, r.upload.delimiter)
	}
	r.out = append(r.out, r.form.ending...)
}

// block writes the rows of one block that belong into the file.
func (r *Results) block(b *block, mix *rand.Rand) error {
	if r.look(b) == 0 {
		return nil
	}
	buffer, err := b.open()
	if err != nil {
		return fmt.Errorf("upload of job %s: %w", r.j.ID, err)
	}
	defer giveBack(buffer)
	text := *buffer
	r.picked = r.picked[:0]
	r.upload.lines(text, b.first, func(row, from, to int) bool {
		if r.belongs(r.states[row-b.first]) {
			r.picked = append(r.picked, pickedRow{row, from, to})
		}
		return true
	})
	if mix != nil {
		mix.Shuffle(len(r.picked), func(x, y int) { r.picked[x], r.picked[y] = r.picked[y], r.picked[x] })
	}
	for _, p := range r.picked {
		s := r.states[p.row-b.first]
		from := len(r.out)
		r.row(s, p.row, trimBreak(text[p.from:p.to]))
		if s.flags&doubled != 0 {
			r.out = append(r.out, r.out[from:]...)
		}
	}
	return nil
}

// look copies the outcomes of a block, so that no lock is held while the caller reads slowly, and returns how many of its
// rows belong into the file.
func (r *Results) look(b *block) (wanted int) {
	if cap(r.states) < b.rows {
		r.states = make([]rowState, b.rows)
	}
	r.states = r.states[:b.rows]
	clear(r.states)
	r.errors, r.rewrites = map[int]string{}, map[int]map[string]string{}
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	if r.known != nil {
		copy(r.states, r.known.rows[b.first:b.first+b.rows])
	}
	for i, s := range r.states {
		if !r.belongs(s) {
			continue
		}
		wanted++
		if row := b.first + i; r.file == FailedFile {
			r.errors[row] = r.known.errors[row]
		}
	}
	if r.known != nil && len(r.known.rewrites) > 0 {
		for row := b.first; row < b.first+b.rows; row++ {
			if texts, ok := r.known.rewrites[row]; ok {
				r.rewrites[row] = texts
			}
		}
	}
	return wanted
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
func (r *Results) row(s rowState, row int, record []byte) {
	switch {
	case r.file == UnprocessedFile:
		r.out = r.form.appendRaw(r.out, string(record), r.upload.delimiter)
		r.out = append(r.out, r.form.ending...)
	case r.rewrites[row] != nil:
		r.out = r.rows.appendRewritten(r.out, s, r.errors[row], string(record), r.rewrites[row])
	default:
		r.out = r.rows.append(r.out, s, r.errors[row], record)
	}
}

// foreignRows writes rows that nobody uploaded.
func (r *Results) foreignRows() {
	if r.plan == nil {
		return
	}
	for i, texts := range r.foreign {
		cells := make([]string, len(r.plan.Columns))
		if r.plan.Key >= 0 {
			cells[r.plan.Key] = fmt.Sprintf("foreign-%s-%d", r.j.ID, i+1)
		}
		id := sfid.To18(sfid.Make(r.j.object.KeyPrefix, "zz", uint64(i)))
		r.out = r.rows.appendTexts(r.out, id, "sf__Created", "true", cells, texts)
	}
}
