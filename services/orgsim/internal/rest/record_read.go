package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// several is the answer to a path that names several records: their paths.
type several struct{ urls []string }

func (*several) Error() string { return "the path names several records" }

// unchanged is the answer to a conditional read of a record that did not change.
type unchanged struct{}

func (unchanged) Error() string { return "not modified" }

// only finds the one record that the path names. Its errors are refusals: nothing found, deleted, or several.
func (ex *exchange) only(o *org.Object) (uint32, error) {
	var rows []uint32
	var urls []string
	var live, deleted bool
	ex.s.Store.Read(func(r org.Reader) {
		rows = ex.named(r, o)
		for _, row := range rows {
			urls = append(urls, ex.base()+"/sobjects/"+o.Name+"/"+r.ID(o, row))
		}
		if len(rows) == 1 {
			live, deleted = r.Live(o, rows[0]), r.Binned(o, rows[0])
		}
	})
	switch {
	case len(rows) == 0:
		return 0, bulk.ErrNotFound
	case len(rows) > 1:
		return 0, &several{urls}
	case !live && !deleted:
		return 0, bulk.ErrNotFound
	case deleted:
		return 0, &recordError{http.StatusNotFound, &org.RowError{Code: "ENTITY_IS_DELETED", Message: "entity is deleted"}}
	default:
		return rows[0], nil
	}
}

// named finds the records that the path names, a deleted one too if it is named by its Id.
func (ex *exchange) named(r org.Reader, o *org.Object) []uint32 {
	value := ex.route.rest[len(ex.route.rest)-1]
	if len(ex.route.rest) == 2 || strings.EqualFold(ex.route.rest[1], "Id") {
		if row, ok := r.ByID(o, value); ok {
			return []uint32{row}
		}
		return nil
	}
	f := externalID(o, ex.route.rest[1])
	if f == nil {
		return nil
	}
	rows, _ := r.ByKey(o, f, value)
	return rows
}

// conditions checks the conditional headers against the time of the record's last change.
func (ex *exchange) conditions(o *org.Object, row uint32) error {
	var changed time.Time
	ex.s.Store.Read(func(r org.Reader) {
		changed, _ = time.Parse(org.Stamp, r.Value(o, row, o.Readable("LastModifiedDate"))) // our own form
	})
	if since, err := http.ParseTime(ex.r.Header.Get("If-Unmodified-Since")); err == nil && changed.After(since) {
		return &bulk.Error{Status: http.StatusPreconditionFailed, Code: "PRECONDITION_FAILED", Message: "The record was changed after the time in If-Unmodified-Since"}
	}
	reads := ex.r.Method == http.MethodGet || ex.r.Method == http.MethodHead
	if since, err := http.ParseTime(ex.r.Header.Get("If-Modified-Since")); err == nil && reads && !changed.After(since) {
		return unchanged{}
	}
	return nil
}

// readRecord answers with one record.
func (ex *exchange) readRecord(o *org.Object) error {
	var names []string
	if list := ex.r.URL.Query().Get("fields"); list != "" {
		names = strings.Split(list, ",")
	}
	members, err := wanted(o, names)
	if err != nil {
		return err
	}
	row, err := ex.only(o)
	if err != nil {
		return err
	}
	if err := ex.conditions(o, row); err != nil {
		return err
	}
	var one []byte
	ex.s.Store.Read(func(r org.Reader) { one = ex.appendRecord(nil, r, o, row, members, nil) })
	return ex.json(http.StatusOK, json.RawMessage(one))
}

// wanted is the named fields, all of them when none is named.
func wanted(o *org.Object, names []string) ([]*soql.Member, error) {
	var members []*soql.Member
	for _, name := range names {
		name = strings.TrimSpace(name)
		f := o.Readable(name)
		if f == nil {
			return nil, &bulk.Error{
				Status: http.StatusBadRequest, Code: "INVALID_FIELD", Message: "No such column '" + url.PathEscape(name) + "' on sobject of type " + o.Name,
			}
		}
		members = append(members, &soql.Member{Name: f.Name, Field: f})
	}
	if names != nil {
		return members, nil
	}
	for _, f := range o.AllReadable() {
		members = append(members, &soql.Member{Name: f.Name, Field: f})
	}
	return members, nil
}
