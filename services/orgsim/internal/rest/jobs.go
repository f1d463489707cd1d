package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

// ruleVersion is the first API version whose jobs take an assignment rule.
const ruleVersion = 49

var get = []string{"GET", "HEAD"}

// ingestCalls are the calls of ingest jobs.
var ingestCalls = jobCalls{
	list: listJobs(bulk.V2Ingest), create: (*exchange).createJob, info: (*exchange).jobInfo, patch: (*exchange).patchJob, remove: (*exchange).deleteJob,
	files: map[string]jobFile{
		"batches":            {fault.Upload, []string{"PUT"}, (*exchange).uploadJob},
		"successfulresults":  {fault.Successful, get, results(bulk.SuccessfulFile)},
		"failedresults":      {fault.FailedRows, get, results(bulk.FailedFile)},
		"unprocessedrecords": {fault.Unprocessed, get, results(bulk.UnprocessedFile)},
	},
}

// decodeJSON reads a JSON body, which must be an object; unknown members are ignored, as Salesforce does.
func decodeJSON(body []byte, v any) error {
	var other *json.UnmarshalTypeError
	err := json.Unmarshal(body, v)
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return notJSON("The HTTP entity body is required, but this request has no entity body.")
	case errors.As(err, &other) && other.Field != "":
		return notJSON("Cannot deserialize the value of '" + other.Field + "' from a " + other.Value)
	case errors.As(err, &other), err == nil && bytes.TrimSpace(body)[0] != '{':
		return notJSON("Unexpected start of the document: an object has to come first")
	case err != nil:
		return notJSON(err.Error())
	}
	return nil
}

func (ex *exchange) createJob() error {
	parts, err := ex.jobParts()
	if err != nil {
		return err
	}
	var body struct {
		Object              string `json:"object"`
		Operation           string `json:"operation"`
		ExternalIDFieldName string `json:"externalIdFieldName"`
		ContentType         string `json:"contentType"`
		ColumnDelimiter     string `json:"columnDelimiter"`
		LineEnding          string `json:"lineEnding"`
		AssignmentRuleID    string `json:"assignmentRuleId"`
	}
	if err := decodeJSON(parts.job, &body); err != nil {
		return err
	}
	spec := bulk.Spec{
		Object: body.Object, Operation: org.Operation(body.Operation), ExternalIDFieldName: body.ExternalIDFieldName,
		ContentType: body.ContentType, ColumnDelimiter: body.ColumnDelimiter, LineEnding: body.LineEnding,
		Version: ex.route.version, User: ex.user,
	}
	if spec.Version >= ruleVersion {
		spec.AssignmentRuleID = body.AssignmentRuleID
	}
	var info bulk.CreateInfo
	if parts.data == nil {
		info, err = ex.s.Jobs.Create(spec)
	} else {
		info, err = ex.s.Jobs.CreateWithData(spec, *parts.data)
	}
	if err != nil {
		return err
	}
	ex.route.job = info.ID
	return ex.json(http.StatusOK, info)
}

// permitted says whether the caller may work with the job of the request, and whether there is one.
func (ex *exchange) permitted() error { return ex.s.Jobs.Permit(ex.route.job, ex.user) }

func (ex *exchange) uploadJob() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(ex.r.Header.Get("Content-Type"))
	if err != nil || kind != "text/csv" {
		return &bulk.Error{
			Status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE", Message: "Content-Type of the data must be text/csv",
		}
	}
	if ex.rows, err = ex.s.Jobs.Upload(ex.route.job, ex.r.Body); err != nil {
		return err
	}
	ex.w.WriteHeader(http.StatusCreated)
	return nil
}

func (ex *exchange) patchJob() error {
	var body struct {
		State string `json:"state"`
	}
	if err := ex.permitted(); err != nil {
		return err
	}
	if err := decodeJSON(ex.body, &body); err != nil {
		return err
	}
	var info bulk.ShortInfo
	var err error
	switch bulk.State(body.State) {
	case bulk.UploadComplete:
		info, err = ex.s.Jobs.Close(ex.route.job)
	case bulk.Aborted:
		info, err = ex.s.Jobs.Abort(ex.route.job)
	default:
		err = ex.s.Jobs.OtherState(body.State)
	}
	if err != nil {
		return err
	}
	return ex.json(http.StatusOK, info)
}

func (ex *exchange) jobInfo() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	info, err := ex.s.Jobs.Info(ex.route.job, ex.route.version)
	if err != nil {
		return err
	}
	return ex.json(http.StatusOK, info)
}

func (ex *exchange) deleteJob() error {
	if err := ex.permitted(); err != nil {
		return err
	}
	if err := ex.s.Jobs.Delete(ex.route.job); err != nil {
		return err
	}
	ex.w.WriteHeader(http.StatusNoContent)
	return nil
}

// listJobs answers with a list of jobs: those of one sort, unless the caller asks for another one.
func listJobs(sort bulk.JobType) func(*exchange) error {
	return func(ex *exchange) error {
		out := struct {
			Done           bool            `json:"done"`
			Records        []bulk.ListInfo `json:"records"`
			NextRecordsURL *string         `json:"nextRecordsUrl"`
		}{Done: true, Records: []bulk.ListInfo{}}
		q := ex.r.URL.Query()
		asked := sort
		if name := q.Get("jobType"); name != "" {
			asked = bulk.JobType(name)
		}
		// Only jobs of Bulk API 1.0 are ever listed as chunked by ids, or as serial, and the org has none.
		if strings.EqualFold(q.Get("isPkChunkingEnabled"), "true") || strings.EqualFold(q.Get("concurrencyMode"), "serial") {
			return ex.json(http.StatusOK, out)
		}
		page, err := ex.s.Jobs.List(asked, q.Get("queryLocator"))
		if err != nil {
			return err
		}
		if page.Jobs != nil {
			out.Records = page.Jobs
		}
		if page.Next != "" {
			next := ex.base() + "/jobs/ingest?queryLocator=" + page.Next // for query jobs too, as it is documented
			out.Done, out.NextRecordsURL = false, &next
		}
		return ex.json(http.StatusOK, out)
	}
}

// results answers with one of the three result files.
func results(file bulk.File) func(*exchange) error {
	return func(ex *exchange) error {
		if err := ex.permitted(); err != nil {
			return err
		}
		rows, err := ex.s.Jobs.Results(ex.route.job, file, ex.route.version)
		if err != nil {
			return err
		}
		h := ex.w.Header()
		h.Set("Content-Type", csvType)
		h.Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
		ex.w.WriteHeader(http.StatusOK)
		_, err = rows.WriteTo(ex.w)
		ex.ended(err)
		return nil
	}
}

// ended looks at how the body of an answer went. The status line is out by then: all that is left after an error is to
// cut the connection, so that nobody takes the part for the whole.
func (ex *exchange) ended(err error) {
	if err == nil {
		return
	}
	ex.s.Logger.Warn("answer broke off", "path", ex.r.URL.Path, "error", err)
	if p, ok := ex.w.(*reply); ok {
		p.cut = true
	}
}
