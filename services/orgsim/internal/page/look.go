package page

import (
	"net/http"
	"slices"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

// How much one page shows.
const (
	jobsShown  = 50
	rowsShown  = 100
	callsShown = 100
	fewShown   = 8 // jobs and calls of the overview
)

// objectCount is an object with its rows.
type objectCount struct {
	Name         string
	Rows, Seeded int
	Digest       string
}

func (h *Handler) overview(r *http.Request) (view, error) {
	digest := r.URL.Query().Get("digest") != "" // it reads every row
	counts := h.Store.Counts(digest)
	var objects []objectCount
	for _, o := range h.Store.Model().Objects {
		if c, ok := counts[o.Name]; ok {
			objects = append(objects, objectCount{o.Name, c.Rows, c.Seeded, c.Digest})
		}
	}
	jobs := h.Jobs.Views()
	states := map[bulk.State]int{}
	for i := range jobs {
		states[jobs[i].State]++
	}
	slices.Reverse(jobs)
	return view{"overview", "Overview", struct {
		Digest  bool
		Objects []objectCount
		States  map[bulk.State]int
		Jobs    []bulk.View
		Calls   []calls.Call
	}{digest, objects, states, jobs[:min(len(jobs), fewShown)], h.Calls.List(calls.Filter{Newest: true, Limit: fewShown})}}, nil
}

func (h *Handler) jobs(r *http.Request) (view, error) {
	from, err := place(r, "from")
	if err != nil {
		return view{}, err
	}
	all := h.Jobs.Views()
	slices.Reverse(all)
	from = min(from, len(all))
	to := min(from+jobsShown, len(all))
	return view{"jobs", "Jobs", struct {
		Jobs           []bulk.View
		All            int
		From, To, Next int
	}{all[from:to], len(all), from + 1, to, next(to, len(all))}}, nil
}

// next is the place where the next page begins, 0 when there is none.
func next(to, all int) int {
	if to < all {
		return to
	}
	return 0
}

func (h *Handler) job(r *http.Request) (view, error) {
	id, outcome := r.PathValue("id"), r.URL.Query().Get("outcome")
	from, err := place(r, "from")
	if err != nil {
		return view{}, err
	}
	job, known := h.Jobs.View(id)
	if !known {
		return view{}, refuse(http.StatusNotFound, "There never was a job %q.", id)
	}
	rows, after, _, err := h.Jobs.RowPage(id, outcome, from, rowsShown)
	if err != nil {
		return view{}, err
	}
	return view{"job", "Job " + job.ID, struct {
		Job      bulk.View
		Rows     []bulk.RowView
		Outcome  string
		Outcomes []string
		From     int
		Next     int
		Calls    []calls.Call
	}{
		job, rows, outcome,
		[]string{"created", "updated", "deleted", "failed", "unprocessed"},
		from, after,
		h.Calls.List(calls.Filter{Job: job.ID, Newest: true, Limit: fewShown}),
	}}, nil
}

func (h *Handler) calls(r *http.Request) (view, error) {
	before, err := place(r, "before")
	if err != nil {
		return view{}, err
	}
	f := calls.Filter{
		Before: int64(before), Endpoint: r.URL.Query().Get("endpoint"), Job: r.URL.Query().Get("job"), Newest: true, Limit: callsShown + 1,
	}
	list := h.Calls.List(f)
	more := len(list) > callsShown
	if more {
		list = list[:callsShown]
	}
	data := struct {
		Calls     []calls.Call
		Filter    calls.Filter
		Endpoints []fault.Endpoint
		More      int64
		Lost      int64
	}{Calls: list, Filter: f, Endpoints: fault.Endpoints, Lost: h.Calls.Lost()}
	if more {
		data.More = list[len(list)-1].N
	}
	return view{"calls", "Calls", data}, nil
}

// object finds the object that a path names.
func (h *Handler) object(r *http.Request) (*org.Object, error) {
	if o := h.Store.Model().Object(r.PathValue("object")); o != nil {
		return o, nil
	}
	return nil, refuse(http.StatusNotFound, "The model has no object %q.", r.PathValue("object"))
}
