package page

import (
	"net/http"
	"slices"

	"bulkhead/services/orgsim/internal/org"
)

const (
	recordsShown = 50
	// columnsShown is how many fields a list of records has; a record's own page has all.
	columnsShown = 8
	// scanned bounds how many deleted rows are passed over under one lock.
	scanned = 20_000
)

func (h *Handler) records(r *http.Request) (view, error) {
	o, err := h.object(r)
	if err != nil {
		return view{}, err
	}
	from, err := place(r, "from")
	if err != nil {
		return view{}, err
	}
	key := r.URL.Query().Get("key")
	data := struct {
		Object  string
		Columns []string
		Rows    []org.Record
		Key     string
		All     int
		From    int
		Next    int
	}{Object: o.Name, Columns: columns(o), Key: key, From: from}
	h.Store.Read(func(rd org.Reader) {
		if key != "" {
			for _, row := range rd.Find(o, key) {
				if len(data.Rows) < recordsShown {
					data.Rows = append(data.Rows, rd.Record(o, row, false))
				}
			}
			return
		}
		all := rd.Rows(o)
		data.All = int(all)
		looked := 0
		for row := uint32(min(from, int(all))); row < all; row++ {
			if len(data.Rows) == recordsShown || looked == scanned {
				data.Next = int(row)
				return
			}
			looked++
			if rd.Live(o, row) {
				data.Rows = append(data.Rows, rd.Record(o, row, false))
			}
		}
	})
	return view{"records", o.Name, data}, nil
}

// columns are the fields that tell rows of an object apart best: keys first.
func columns(o *org.Object) []string {
	var keys, others []string
	for _, f := range o.Fields {
		if f.ExternalID || f.Unique {
			keys = append(keys, f.Name)
		} else {
			others = append(others, f.Name)
		}
	}
	all := slices.Concat(keys, others)
	return all[:min(len(all), columnsShown)]
}

// cell is one field of a record, and its change from the version before.
type cell struct {
	Field, Was, Is string
}

// step is a version with what it changed.
type step struct {
	org.Version
	Number  int
	Changes []cell
}

func (h *Handler) record(r *http.Request) (view, error) {
	o, err := h.object(r)
	if err != nil {
		return view{}, err
	}
	var rec org.Record
	known := false
	h.Store.Read(func(rd org.Reader) {
		var row uint32
		if row, known = rd.ByID(o, r.PathValue("id")); known {
			rec = rd.Record(o, row, true)
		}
	})
	if !known {
		return view{}, refuse(http.StatusNotFound, "The org never had a %s with the Id %q.", o.Name, r.PathValue("id"))
	}
	var fields []cell
	for _, f := range o.Fields {
		fields = append(fields, cell{Field: f.Name, Is: rec.Fields[f.Name]})
	}
	return view{"record", o.Name + " " + rec.ID, struct {
		Record org.Record
		Fields []cell
		Steps  []step
	}{rec, fields, steps(o, rec.Versions)}}, nil
}

// steps says what each version changed, latest first.
func steps(o *org.Object, versions []org.Version) []step {
	var out []step
	before := map[string]string{}
	for i, v := range versions {
		s := step{Version: v, Number: i + 1}
		for _, f := range o.Fields {
			if was, is := before[f.Name], v.Fields[f.Name]; was != is {
				s.Changes = append(s.Changes, cell{f.Name, was, is})
			}
		}
		out, before = append(out, s), v.Fields
	}
	slices.Reverse(out)
	return out
}
