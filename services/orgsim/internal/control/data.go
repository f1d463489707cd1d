package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
)

const ndjson = "application/x-ndjson"

func (a *API) counts(r *http.Request, w http.ResponseWriter) error {
	return answer(w, a.Store.Counts(flag(r, "digest")))
}

func (a *API) object(r *http.Request) (*org.Object, error) {
	name := r.PathValue("object")
	if o := a.Store.Model().Object(name); o != nil {
		return o, nil
	}
	return nil, refuse(http.StatusNotFound, "the model has no object %q; GET /sim/ lists the objects", name)
}

func (a *API) record(r *http.Request, w http.ResponseWriter) error {
	o, err := a.object(r)
	if err != nil {
		return err
	}
	var found []org.Record
	a.Store.Read(func(rd org.Reader) {
		for _, row := range rd.Find(o, r.PathValue("key")) {
			found = append(found, rd.Record(o, row, true))
		}
	})
	switch len(found) {
	case 0:
		return refuse(http.StatusNotFound, "the org never had a %s with Id, external id or unique value %q, or it was deleted", o.Name, r.PathValue("key"))
	case 1:
		return answer(w, found[0])
	default:
		return refuse(http.StatusConflict, "%d %s have the key %q; ask by Id", len(found), o.Name, r.PathValue("key"))
	}
}

// records streams the rows in portions, so that the org is never locked for long.
func (a *API) records(r *http.Request, w http.ResponseWriter) error {
	o, err := a.object(r)
	if err != nil {
		return err
	}
	limit, err := number(r, "limit")
	if err != nil {
		return err
	}
	history, deleted := r.URL.Query().Get("versions") == "all", flag(r, "deleted")
	field, value := r.URL.Query().Get("field"), r.URL.Query().Get("value")
	if field != "" && o.Field(field) == nil {
		return refuse(http.StatusBadRequest, "field=%q: %s has no such field", field, o.Name)
	}
	next := uint32(0)
	if after := r.URL.Query().Get("after"); after != "" {
		known := false
		a.Store.Read(func(rd org.Reader) {
			if next, known = rd.ByID(o, after); known {
				next++
			}
		})
		if !known {
			return refuse(http.StatusBadRequest, "after=%q is no Id of a %s", after, o.Name)
		}
	}
	w.Header().Set("Content-Type", ndjson)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for sent := int64(0); limit == 0 || sent < limit; {
		var page []org.Record
		more := true
		a.Store.Read(func(rd org.Reader) {
			for ; len(page) < recordPage && (limit == 0 || sent+int64(len(page)) < limit); next++ {
				if next >= rd.Rows(o) {
					more = false
					return
				}
				wanted := field == "" || rd.Value(o, next, o.Readable(field)) == value
				if wanted && (deleted || rd.Live(o, next)) {
					page = append(page, rd.Record(o, next, history))
				}
			}
		})
		for i := range page {
			if err := enc.Encode(&page[i]); err != nil {
				return fmt.Errorf("rows of %s: %w", o.Name, err) // the caller went away
			}
		}
		sent += int64(len(page))
		if !more {
			return nil
		}
	}
	return nil
}

func (a *API) groups(r *http.Request, w http.ResponseWriter) error {
	o, err := a.object(r)
	if err != nil {
		return err
	}
	var names []string
	if list := r.URL.Query().Get("fields"); list != "" {
		names = strings.Split(list, ",")
	}
	groups, unknown := a.Store.Groups(o, names)
	if unknown != "" {
		return refuse(http.StatusBadRequest, "fields: %s has no field %q", o.Name, unknown)
	}
	w.Header().Set("Content-Type", ndjson)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range groups {
		if err := enc.Encode(&groups[i]); err != nil {
			return fmt.Errorf("groups of %s: %w", o.Name, err) // the caller went away
		}
	}
	return nil
}

// seed takes values of any simple JSON type; null and absent are the same.
func (a *API) seed(r *http.Request, w http.ResponseWriter) error {
	var body struct {
		Object  string                       `json:"object"`
		Records []map[string]json.RawMessage `json:"records"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	records := make([]map[string]string, len(body.Records))
	for i, in := range body.Records {
		out := make(map[string]string, len(in))
		for name, raw := range in {
			var text string
			switch {
			case string(raw) == "null":
				continue
			case raw[0] == '"':
				if err := json.Unmarshal(raw, &text); err != nil {
					return refuse(http.StatusBadRequest, "record %d, %s: %v", i, name, err)
				}
			case raw[0] == '{' || raw[0] == '[':
				return refuse(http.StatusBadRequest, "record %d, %s: give a text, a number, true, false or null", i, name)
			default:
				text = string(raw)
			}
			out[name] = text
		}
		records[i] = out
	}
	created, bad, err := a.Store.Seed(body.Object, records)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if bad != nil {
		reply(w, http.StatusUnprocessableEntity, map[string]any{"error": "some records were refused", "created": created, "refused": bad})
		return nil
	}
	return answer(w, map[string]int{"created": created})
}

func (a *API) jobs(_ *http.Request, w http.ResponseWriter) error { return answer(w, a.Jobs.Views()) }

func (a *API) job(r *http.Request, w http.ResponseWriter) error {
	id, want := r.PathValue("id"), r.URL.Query().Get("wait")
	done, err := reached(want)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	if want != "" {
		cancel()
		if ctx, cancel, err = waiting(r, "timeout"); err != nil {
			return err
		}
	}
	defer cancel()
	v, ok := a.Jobs.Await(ctx, id, done)
	if !ok {
		return refuse(http.StatusNotFound, "there never was a job %q", id)
	}
	return answer(w, v)
}

// reached turns the wait member into the question when to stop waiting.
func reached(want string) (func(bulk.View) bool, error) {
	switch strings.ToLower(want) {
	case "":
		return func(bulk.View) bool { return true }, nil
	case "finished":
		return func(v bulk.View) bool { return v.State.Terminal() || v.Gone != "" }, nil
	case "closed":
		return func(v bulk.View) bool { return v.Closed || v.State.Terminal() }, nil
	case "uploaded":
		return func(v bulk.View) bool { return v.Uploaded || v.State != bulk.Open }, nil
	}
	for _, s := range []bulk.State{bulk.Open, bulk.UploadComplete, bulk.InProgress, bulk.JobComplete, bulk.Failed, bulk.Aborted} {
		if strings.EqualFold(want, string(s)) {
			// The state counts as reached also when the job has passed it while nobody looked.
			return func(v bulk.View) bool {
				for _, c := range v.History {
					if c.State == s {
						return true
					}
				}
				return v.State.Terminal()
			}, nil
		}
	}
	return nil, refuse(http.StatusBadRequest, "wait=%q must be finished, closed, uploaded or a state of a job", want)
}

func (a *API) upload(r *http.Request, w http.ResponseWriter) error {
	u, err := a.Jobs.UploadOf(r.PathValue("id"))
	if err != nil {
		return refuse(http.StatusGone, "%v", err)
	}
	if u == nil {
		return refuse(http.StatusNotFound, "job %q was sent no data, or never was", r.PathValue("id"))
	}
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	_, err = u.WriteTo(w)
	return err
}

func (a *API) rows(r *http.Request, w http.ResponseWriter) error {
	switch v, ok := a.Jobs.View(r.PathValue("id")); {
	case !ok:
		return refuse(http.StatusNotFound, "there never was a job %q", r.PathValue("id"))
	case v.Dropped:
		return refuse(http.StatusGone, "%v", bulk.ErrDropped)
	case v.Query != "":
		return refuse(http.StatusNotFound, "job %q is a query job: it was sent no rows", v.ID)
	}
	w.Header().Set("Content-Type", ndjson)
	return a.Jobs.WriteRows(w, r.PathValue("id"))
}
