package rest

import (
	"net/http"
	"net/url"
	"strconv"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
)

// queryCalls are the calls of query jobs.
var queryCalls = jobCalls{
	list: listJobs(bulk.V2Query), create: (*exchange).createQuery, info: (*exchange).queryInfo, patch: (*exchange).patchQuery, remove: (*exchange).deleteQuery,
	files: map[string]jobFile{
		"results":     {fault.QueryResults, get, (*exchange).queryResults},
		"resultpages": {fault.ResultPages, get, (*exchange).resultPages}, // resultPages, but in links as it is documented
	},
}

func (ex *exchange) createQuery() error {
	var body struct {
		Operation       string `json:"operation"`
		Query           string `json:"query"`
		ContentType     string `json:"contentType"`
		ColumnDelimiter string `json:"columnDelimiter"`
		LineEnding      string `json:"lineEnding"`
	}
	if err := decodeJSON(ex.body, &body); err != nil {
		return err
	}
	info, err := ex.s.Jobs.CreateQuery(bulk.QuerySpec{
		Operation: body.Operation, Query: body.Query, ContentType: body.ContentType, ColumnDelimiter: body.ColumnDelimiter, LineEnding: body.LineEnding,
		Version: ex.route.version, User: ex.user,
	})
	if err != nil {
		return err
	}
	ex.route.job = info.ID
	return ex.json(http.StatusOK, info)
}

func (ex *exchange) queryInfo() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	info, err := ex.s.Jobs.QueryInfo(ex.route.job)
	if err != nil {
		return err
	}
	return ex.json(http.StatusOK, info)
}

func (ex *exchange) patchQuery() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	var body struct {
		State string `json:"state"`
	}
	if err := decodeJSON(ex.body, &body); err != nil {
		return err
	}
	if body.State != string(bulk.Aborted) {
		return ex.s.Jobs.OtherQueryState(body.State)
	}
	info, err := ex.s.Jobs.AbortQuery(ex.route.job)
	if err != nil {
		return err
	}
	return ex.json(http.StatusOK, info)
}

func (ex *exchange) deleteQuery() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	if err := ex.s.Jobs.DeleteQuery(ex.route.job); err != nil {
		return err
	}
	ex.w.WriteHeader(http.StatusNoContent)
	return nil
}

// queryResults answers with a page of the result.
func (ex *exchange) queryResults() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	q := ex.r.URL.Query()
	page, err := ex.s.Jobs.QueryResults(ex.route.job, q.Get("locator"), q.Get("maxRecords"), ex.route.version)
	if err != nil {
		return err
	}
	h := ex.w.Header()
	h.Set("Content-Type", csvType)
	// Clients fail without either of them, the second on the last page too.
	h.Set("Sforce-NumberOfRecords", strconv.Itoa(page.Rows))
	h.Set("Sforce-Locator", page.Locator)
	ex.w.WriteHeader(http.StatusOK)
	_, err = page.WriteTo(ex.w)
	ex.ended(err)
	return nil
}

// resultPages answers with the paths of the pages of the result, for those who fetch them side by side.
func (ex *exchange) resultPages() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	pages, next, err := ex.s.Jobs.QueryPages(ex.route.job, ex.r.URL.Query().Get("locator"), ex.route.version)
	if err != nil {
		return err
	}
	type page struct {
		ResultURL string `json:"resultUrl"`
	}
	out := struct {
		ResultPages    []page  `json:"resultPages"`
		NextRecordsURL *string `json:"nextRecordsUrl"`
		Done           bool    `json:"done"`
	}{Done: next == ""}
	job := ex.base() + "/jobs/query/" + ex.route.job
	for _, locator := range pages {
		out.ResultPages = append(out.ResultPages, page{job + "/results?locator=" + url.QueryEscape(locator)})
	}
	if next != "" {
		path := job + "/resultpages?locator=" + url.QueryEscape(next)
		out.NextRecordsURL = &path
	}
	return ex.json(http.StatusOK, out)
}
