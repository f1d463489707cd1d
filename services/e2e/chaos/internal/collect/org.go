package collect

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// jobsAtOnce is how many jobs are read at the same time.
const jobsAtOnce = 4

// What the control API says, as far as it is needed. Its words are those of docs/guides/simulator.md.
type (
	simRecord struct {
		ID       string            `json:"id"`
		Object   string            `json:"object"`
		Seeded   bool              `json:"seeded"`
		Deleted  bool              `json:"deleted"`
		Fields   map[string]string `json:"fields"`
		Versions []struct {
			At      time.Time         `json:"at"`
			Job     string            `json:"job"`
			Row     int               `json:"row"`
			Deleted bool              `json:"deleted"`
			Fields  map[string]string `json:"fields"`
		} `json:"versions"`
	}
	simJob struct {
		ID        string    `json:"id"`
		Object    string    `json:"object"`
		Operation string    `json:"operation"`
		State     string    `json:"state"`
		Gone      string    `json:"gone"`
		Dropped   bool      `json:"dropped"`
		CreatedAt time.Time `json:"created_at"`
		CreatedBy string    `json:"created_by"`
		Closed    bool      `json:"closed"`
		Uploaded  bool      `json:"uploaded"`
		Rows      int       `json:"upload_rows"`
		History   []struct {
			State string    `json:"state"`
			At    time.Time `json:"at"`
		} `json:"history"`
	}
	simRow struct {
		Row       int    `json:"row"`
		Outcome   string `json:"outcome"`
		ID        string `json:"id"`
		Error     string `json:"error"`
		Lost      bool   `json:"lost"`
		Doubled   bool   `json:"doubled"`
		Rewritten bool   `json:"rewritten"`
	}
	simCall struct {
		N        int       `json:"n"`
		At       time.Time `json:"at"`
		Endpoint string    `json:"endpoint"`
		Job      string    `json:"job_id"`
		Status   int       `json:"status"`
		Faults   []string  `json:"faults"`
	}
)

func (c *collector) sim(path string) string {
	return strings.TrimRight(c.target.ControlURL, "/") + "/" + path
}

// org dumps what the org holds, held and was sent.
func (c *collector) org(ctx context.Context) error {
	var who struct {
		User    string   `json:"user_id"`
		Objects []string `json:"objects"`
	}
	err := again(ctx, func(int) (err error) {
		who, err = ask[struct {
			User    string   `json:"user_id"`
			Objects []string `json:"objects"`
		}](ctx, c.target, c.sim(""), "")
		return err
	})
	if err != nil {
		return fmt.Errorf("the org: %w", err)
	}
	if who.User == "" || len(who.Objects) == 0 {
		return errors.New("the org does not say who its integration user is, or which objects it has: nothing could be told apart")
	}
	collections, err := c.collections(ctx)
	if err != nil {
		return err
	}
	return atOnce(
		func() error { return c.records(ctx, who.Objects, collections) },
		func() error { return c.jobs(ctx, who.User, collections) },
	)
}

func (c *collector) records(ctx context.Context, objects []string, collections []simCollection) error {
	writers := writersOf(collections)
	out, err := c.create(history.RecordsFile)
	if err != nil {
		return err
	}
	for _, object := range objects {
		address := c.sim("records/" + url.PathEscape(object) + "?versions=all&deleted=1")
		err := read(ctx, c.target, address, "", func(_ http.Header, body io.Reader) error {
			for r, err := range history.Lines[simRecord](body) {
				if err != nil {
					return err
				}
				if err := out.Put(c.record(r, writers)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return errors.Join(fmt.Errorf("rows of the org: %w", err), out.Close())
		}
	}
	return out.Close()
}

func (c *collector) record(r simRecord, writers writers) history.OrgRecord {
	out := history.OrgRecord{Object: r.Object, ID: r.ID, Deleted: r.Deleted, Seeded: r.Seeded}
	for _, v := range r.Versions {
		version := history.OrgVersion{Fields: v.Fields, Job: v.Job, N: max(v.Row-1, 0), At: c.since(v.At), Deleted: v.Deleted}
		if v.Job == "" {
			version.Job, version.N = writers.find(r.ID, v.At)
		}
		out.Versions = append(out.Versions, version)
	}
	return out
}

// jobs dumps calls first, since they say how often each job was sent content.
func (c *collector) jobs(ctx context.Context, user string, collections []simCollection) error {
	uploads, closes, err := c.calls(ctx)
	if err != nil {
		return err
	}
	list, err := ask[[]simJob](ctx, c.target, c.sim("jobs"), "")
	if err != nil {
		return fmt.Errorf("jobs of the org: %w", err)
	}
	jobs, err := c.create(history.JobsFile)
	if err != nil {
		return err
	}
	var closed []simJob
	for _, j := range list {
		if j.Closed {
			closed = append(closed, j)
		}
		_ = jobs.Put(c.job(j, user, uploads[j.ID], closes[j.ID])) // Close says it
	}
	for _, call := range collections {
		_ = jobs.Put(c.calledJob(call, user))
	}
	if err := jobs.Close(); err != nil {
		return err
	}
	rows, err := c.create(history.RowsFile)
	if err != nil {
		return err
	}
	for _, call := range collections {
		for _, row := range call.history() {
			_ = rows.Put(row)
		}
	}
	return errors.Join(each(ctx, closed, jobsAtOnce, func(ctx context.Context, j simJob) error { return c.rows(ctx, j, rows) }), rows.Close())
}

func (c *collector) job(j simJob, user string, uploads int, closed float64) history.OrgJob {
	out := history.OrgJob{
		ID: j.ID, Object: j.Object, Operation: j.Operation, State: j.State, Gone: j.Gone != "", Created: c.since(j.CreatedAt),
		Rows: j.Rows, Uploads: uploads, Foreign: j.CreatedBy != user,
	}
	if j.Closed {
		out.Closed = closed
		for _, h := range j.History {
			if h.State != "Open" { // the first that follows it, whatever it is: a job may be through before its state is asked for
				out.Closed = c.since(h.At)
				break
			}
		}
	}
	switch j.State {
	case "JobComplete", "Failed", "Aborted":
		if n := len(j.History); n > 0 {
			out.Ended = c.since(j.History[n-1].At)
		}
	}
	return out
}

// calls dumps them, and counts by job how often content was sent and when it was first asked to be closed.
func (c *collector) calls(ctx context.Context) (uploads map[string]int, closes map[string]float64, err error) {
	answer, err := ask[struct {
		Calls []simCall `json:"calls"`
		Lost  int64     `json:"lost"`
	}](ctx, c.target, c.sim("calls"), "")
	if err != nil {
		return nil, nil, fmt.Errorf("calls to the org: %w", err)
	}
	if answer.Lost > 0 {
		return nil, nil, fmt.Errorf("the org has forgotten %d calls: a run may not make more than it keeps", answer.Lost)
	}
	out, err := c.create(history.CallsFile)
	if err != nil {
		return nil, nil, err
	}
	uploads, closes = map[string]int{}, map[string]float64{}
	for _, call := range answer.Calls {
		at := c.since(call.At)
		switch call.Endpoint {
		case "upload":
			uploads[call.Job]++
		case "close":
			if _, ok := closes[call.Job]; !ok {
				closes[call.Job] = at
			}
		}
		_ = out.Put(history.OrgCall{ // Close says it
			N: call.N, At: at, Endpoint: call.Endpoint, Job: call.Job, Status: call.Status, Fault: strings.Join(call.Faults, ","),
		})
	}
	return uploads, closes, out.Close()
}

// rows puts what was uploaded to a job beside what became of it.
func (c *collector) rows(ctx context.Context, j simJob, out *history.Writer) error {
	if j.Dropped {
		return fmt.Errorf("the org has let go of the rows of job %s: raise its gone_job_bytes", j.ID)
	}
	if !j.Uploaded {
		return nil
	}
	var header []string
	var cells [][]string
	err := read(ctx, c.target, c.sim("jobs/"+url.PathEscape(j.ID)+"/upload"), "", func(_ http.Header, body io.Reader) error {
		all, err := csv.NewReader(body).ReadAll()
		if err != nil || len(all) == 0 {
			return err
		}
		header, cells = all[0], all[1:]
		return nil
	})
	if err != nil {
		return fmt.Errorf("upload of job %s: %w", j.ID, err)
	}
	n := 0
	err = read(ctx, c.target, c.sim("jobs/"+url.PathEscape(j.ID)+"/rows"), "", func(_ http.Header, body io.Reader) error {
		for r, err := range history.Lines[simRow](body) {
			if err != nil {
				return err
			}
			if r.Row != n+1 || n >= len(cells) {
				return fmt.Errorf("row %d of %d rows that were uploaded comes as number %d", r.Row, len(cells), n+1)
			}
			row := history.OrgRow{Job: j.ID, N: n, Cells: named(header, cells[n]), Outcome: r.Outcome, ID: r.ID, Error: r.Error}
			switch {
			case r.Lost:
				row.Hidden = "lost"
			case r.Doubled:
				row.Hidden = "doubled"
			case r.Rewritten:
				row.Hidden = "rewritten"
			}
			if err := out.Put(row); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rows of job %s: %w", j.ID, err)
	}
	if n != len(cells) {
		return fmt.Errorf("job %s was sent %d rows, and the org tells of %d", j.ID, len(cells), n)
	}
	return nil
}

// named are the cells of a row that hold something, by column.
func named(header, cells []string) map[string]string {
	out := make(map[string]string, len(header))
	for i, name := range header {
		if i < len(cells) && cells[i] != "" {
			out[name] = cells[i]
		}
	}
	return out
}

// text is how an answer without a type of its own is told in a sentence.
func text(v map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if raw, err := json.Marshal(v[name]); err == nil && string(raw) != `""` && string(raw) != "null" {
			parts = append(parts, name+" "+strings.Trim(string(raw), `"`))
		}
	}
	return strings.Join(parts, ", ")
}
