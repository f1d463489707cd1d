package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// View is what the control API shows of a job, whether or not the API itself still shows it.
type View struct {
	ID                  string    `json:"id"`
	Object              string    `json:"object"`
	Operation           string    `json:"operation"`
	ExternalIDFieldName string    `json:"external_id_field_name,omitempty"`
	State               State     `json:"state"`
	Gone                string    `json:"gone,omitempty"`    // deleted, expired or vanished
	Dropped             bool      `json:"dropped,omitempty"` // it is gone, and its upload and outcomes are not kept any more
	CreatedAt           time.Time `json:"created_at"`
	CreatedBy           string    `json:"created_by"` // id of the user
	History             []Change  `json:"history"`
	Closed              bool      `json:"closed"` // a close had its effect, so rows may have been saved
	Uploaded            bool      `json:"uploaded"`
	UploadBytes         int64     `json:"upload_bytes"`
	UploadRows          int       `json:"upload_rows"`
	Processed           int64     `json:"processed"`
	Failed              int64     `json:"failed"`
	Retries             int       `json:"retries"` // how often a batch was put back
	ErrorMessage        string    `json:"error_message,omitempty"`
	// Query is the text of a query job, and ResultBytes the size of its result; it has no upload and no outcomes of rows.
	Query       string `json:"query,omitempty"`
	ResultBytes int64  `json:"result_bytes,omitempty"`
}

func (j *Job) view() View {
	v := View{
		ID: j.ID, Object: j.object.Name, Operation: string(j.Spec.Operation), ExternalIDFieldName: j.Spec.ExternalIDFieldName,
		State: j.state, Gone: j.gone, CreatedAt: j.created, History: append([]Change(nil), j.history...),
		Dropped: j.dropped, Closed: j.closes > 0, Processed: j.processed, Failed: j.failed, Retries: j.retries, CreatedBy: j.Spec.User, ErrorMessage: j.message,
	}
	if j.upload != nil {
		v.Uploaded, v.UploadBytes, v.UploadRows = true, j.upload.Bytes, j.upload.Rows
	}
	return v
}

// Views returns every job there ever was since the last reset, oldest first.
func (m *Manager) Views() []View {
	m.mu.Lock()
	jobs := append([]work(nil), m.order...)
	m.mu.Unlock()
	out := make([]View, 0, len(jobs))
	for _, w := range jobs {
		out = append(out, m.viewOf(w))
	}
	return out
}

func (m *Manager) viewOf(w work) View {
	l := w.common()
	l.mu.Lock()
	defer l.mu.Unlock()
	m.age(w)
	return w.view()
}

// View returns one job; it is false when there never was such a job.
func (m *Manager) View(id string) (View, bool) {
	w := m.lookup(id)
	if w == nil {
		return View{}, false
	}
	return m.viewOf(w), true
}

// Await returns a job as soon as done says yes to it, or as it stands when ctx ends.
func (m *Manager) Await(ctx context.Context, id string, done func(View) bool) (View, bool) {
	for {
		changed, moved := m.changed.Chan(), m.Clock.Moved()
		v, ok := m.View(id)
		if !ok || done(v) {
			return v, ok
		}
		select {
		case <-ctx.Done():
			return v, ok
		case <-changed:
		case <-moved: // time alone ends a job too
		}
	}
}

// UploadOf returns the CSV that a job was sent; nil when there is none. The error is ErrDropped.
func (m *Manager) UploadOf(id string) (*Upload, error) {
	j := m.any(id)
	if j == nil {
		return nil, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped {
		return nil, ErrDropped
	}
	return j.upload, nil
}

// RowView is the truth about one uploaded row, whatever the result files say.
type RowView struct {
	Row     int    `json:"row"` // from 1
	Key     string `json:"key"` // external id or Id
	Outcome string `json:"outcome"`
	ID      string `json:"id,omitempty"`
	Error   string `json:"error,omitempty"`
	Lost    bool   `json:"lost,omitempty"` // stands in no result file
	Doubled bool   `json:"doubled,omitempty"`
	// Rewritten: its result file shows other texts than its own.
	Rewritten bool `json:"rewritten,omitempty"`
}

var outcomeNames = map[org.Result]string{
	org.Unprocessed: "unprocessed", org.Created: "created", org.Updated: "updated", org.Deleted: "deleted", org.Failed: "failed",
}

// WriteRows writes a RowView for every uploaded row of a job as newline-delimited JSON, in upload order. The error is
// ErrDropped before anything is written.
func (m *Manager) WriteRows(w io.Writer, id string) error {
	j := m.any(id)
	if j == nil {
		return ErrNotFound
	}
	t := j.truth()
	switch {
	case t.dropped:
		return ErrDropped
	case t.u == nil:
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var failed error
	err := t.u.rows(0, t.u.Rows, func(n int, line string) bool {
		failed = enc.Encode(m.rowView(j, &t, n, line))
		return failed == nil
	})
	if failed != nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("rows of job %s: %w", id, err)
	}
	return nil
}

// truth is what there is to know about the rows of a job. It holds what the job may let go of meanwhile.
type truth struct {
	u       *Upload // nil when there is none
	plan    *org.Plan
	header  []string
	known   *outcomes // nil when no row was looked at
	dropped bool
}

func (j *Job) truth() truth {
	j.mu.Lock()
	defer j.mu.Unlock()
	t := truth{u: j.upload, plan: j.plan, known: j.out, dropped: j.dropped}
	if t.u != nil {
		t.header, _ = parseHeader(t.u.header, t.u.delimiter)
	}
	return t
}

func (m *Manager) rowView(j *Job, t *truth, n int, line string) RowView {
	v := RowView{Row: n + 1, Outcome: outcomeNames[org.Unprocessed]}
	cells := newRowReader(t.u.delimiter, len(t.header), 1).read(line).Cells
	if t.plan != nil {
		v.Key = t.plan.KeyOf(cells)
	} else { // the job has not begun, or its header was refused
		for i, name := range t.header {
			if name == j.Spec.ExternalIDFieldName || (j.Spec.ExternalIDFieldName == "" && name == "Id") {
				v.Key = cells[i]
			}
		}
	}
	if t.known == nil {
		return v
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s := t.known.rows[n]
	v.Outcome, v.Error = outcomeNames[s.result], t.known.errors[n]
	v.Lost, v.Doubled = s.flags&lost != 0, s.flags&doubled != 0
	v.Rewritten = t.known.rewrites[n] != nil
	if s.flags&hasID != 0 {
		v.ID = m.Store.ID(j.object, s.id)
	}
	return v
}
