package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"bulkhead/libs/record"
)

const (
	jobsPath  = "jobs/ingest"
	jobsRoute = "jobs/ingest"
	jobRoute  = "jobs/ingest/{id}"
)

// Operations of an ingest job.
const (
	OperationInsert     = "insert"
	OperationUpdate     = "update"
	OperationUpsert     = "upsert"
	OperationDelete     = "delete"
	OperationHardDelete = "hardDelete"
)

// JobSpec is what a new job needs. Files are CSV with comma and LF.
type JobSpec struct {
	// Object is the API name, Operation one of the Operation… constants.
	Object, Operation string
	// ExternalIDField is the key of an upsert (it may be Id), and empty otherwise.
	ExternalIDField string
}

// apiName is an API name of an object or field, with namespace and suffix.
var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

func (s JobSpec) problem() string {
	if !apiName.MatchString(s.Object) {
		return fmt.Sprintf("object %q is not an API name", clip(s.Object, maxNameRunes))
	}
	switch s.Operation {
	case OperationUpsert:
		if !apiName.MatchString(s.ExternalIDField) {
			return fmt.Sprintf("an upsert needs the API name of its external id field, got %q", clip(s.ExternalIDField, maxNameRunes))
		}
	case OperationInsert, OperationUpdate, OperationDelete, OperationHardDelete:
		if s.ExternalIDField != "" {
			return fmt.Sprintf("operation %s takes no external id field", s.Operation)
		}
	default:
		return fmt.Sprintf("operation %q is none of insert, update, upsert, delete, hardDelete", clip(s.Operation, maxNameRunes))
	}
	return ""
}

// CreateJob creates an Open job. It is sent once. When the reply is lost ([Definite] says no), a job may exist that nobody knows: it has no effect
// on the org's data, and stands in the list of [Client.Jobs].
func (c *Client) CreateJob(ctx context.Context, spec JobSpec) (JobInfo, error) {
	r := request{method: http.MethodPost, path: jobsPath, route: jobsRoute}
	if problem := spec.problem(); problem != "" {
		return JobInfo{}, &RequestError{Endpoint: r.endpoint(), Problem: problem}
	}
	body := map[string]string{
		"object": spec.Object, "operation": spec.Operation,
		"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	}
	if spec.ExternalIDField != "" {
		body["externalIdFieldName"] = spec.ExternalIDField
	}
	var err error
	if r.body, err = json.Marshal(body); err != nil {
		return JobInfo{}, &RequestError{Endpoint: r.endpoint(), Problem: "the job cannot be written as JSON"}
	}
	var info JobInfo
	if err := c.call(ctx, r, &info); err != nil {
		return JobInfo{}, err
	}
	if !plausibleID(info.ID) || info.State != StateOpen {
		// Without an id nothing can be done with the job; as Open it is harmless.
		return JobInfo{}, unusable(r, "the reply names no open job")
	}
	return info, nil
}

// CloseJob says that the upload is complete: the step that lets the org's data change. It is sent once. A lost reply leaves open whether it did;
// look with [Client.Job].
func (c *Client) CloseJob(ctx context.Context, jobID string) (JobInfo, error) {
	return c.setState(ctx, jobID, StateUploadComplete)
}

// AbortJob stops a job. Rows that are already saved stay saved. It is sent once; after a lost reply look with [Client.Job].
func (c *Client) AbortJob(ctx context.Context, jobID string) (JobInfo, error) {
	return c.setState(ctx, jobID, StateAborted)
}

func (c *Client) setState(ctx context.Context, jobID, state string) (JobInfo, error) {
	r := request{
		method: http.MethodPatch, path: jobsPath + "/" + jobID, route: jobRoute,
		body: []byte(`{"state":"` + state + `"}`),
	}
	return c.jobCall(ctx, r, jobID)
}

// DeleteJob removes a job that has ended, and its result files with it; rows that landed stay. A job that has not ended is refused. It is sent
// once: after a lost reply look with [Client.Job], which says [IsNotFound] if it went.
func (c *Client) DeleteJob(ctx context.Context, jobID string) error {
	r := request{method: http.MethodDelete, path: jobsPath + "/" + jobID, route: jobRoute}
	if problem := jobIDProblem(jobID); problem != "" {
		return &RequestError{Endpoint: r.method + " " + r.route, Problem: problem}
	}
	return c.call(ctx, r, nil)
}

// Job is what Salesforce says of a job now. It may be sent again.
func (c *Client) Job(ctx context.Context, jobID string) (JobInfo, error) {
	return c.jobCall(ctx, request{method: http.MethodGet, path: jobsPath + "/" + jobID, route: jobRoute, repeat: true}, jobID)
}

func (c *Client) jobCall(ctx context.Context, r request, jobID string) (JobInfo, error) {
	if problem := jobIDProblem(jobID); problem != "" {
		return JobInfo{}, &RequestError{Endpoint: r.method + " " + jobRoute, Problem: problem}
	}
	var info JobInfo
	if err := c.call(ctx, r, &info); err != nil {
		return JobInfo{}, err
	}
	if !sameID(info.ID, jobID) {
		return JobInfo{}, unusable(r, "the reply is about another job")
	}
	if info.State == "" {
		return JobInfo{}, unusable(r, "the reply names no state")
	}
	return info, nil
}

func jobIDProblem(id string) string {
	if plausibleID(id) {
		return ""
	}
	return fmt.Sprintf("%q is no job id: it has 15 or 18 letters and digits", clip(id, maxNameRunes))
}

// unusable is a 2xx reply that says nothing of what was asked: its effect is unknown.
func unusable(r request, message string) error {
	return &Error{Status: http.StatusOK, Endpoint: r.endpoint(), Message: message, Class: record.ClassTransient}
}

// JobPage is one page of the list of jobs.
type JobPage struct {
	// Jobs are at most 1,000, in no promised order, of all users; they have no counters.
	Jobs []JobInfo
	// Next is the locator of the next page, empty on the last.
	Next string
}

// queryLocator is what locators of lists and queries look like; they go into URLs.
var queryLocator = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// Jobs is a page of the org's Bulk API 2.0 ingest jobs: the first for an empty locator, else the one that [JobPage.Next] named. It may be sent
// again.
func (c *Client) Jobs(ctx context.Context, locator string) (JobPage, error) {
	r := request{method: http.MethodGet, path: jobsPath, route: jobsRoute, repeat: true, query: url.Values{}}
	switch {
	case locator == "":
		r.query.Set("jobType", "V2Ingest")
	case queryLocator.MatchString(locator):
		r.query.Set("queryLocator", locator)
	default:
		return JobPage{}, &RequestError{Endpoint: r.endpoint(), Problem: fmt.Sprintf("%q is no locator", clip(locator, maxNameRunes))}
	}
	var reply struct {
		Done           bool      `json:"done"`
		Records        []JobInfo `json:"records"`
		NextRecordsURL string    `json:"nextRecordsUrl"`
	}
	if err := c.call(ctx, r, &reply); err != nil {
		return JobPage{}, err
	}
	page := JobPage{Jobs: reply.Records}
	if reply.Done {
		return page, nil
	}
	// Only the locator is taken from the link: its host and path are not ours to follow.
	next, err := url.Parse(reply.NextRecordsURL)
	if err != nil || !queryLocator.MatchString(next.Query().Get("queryLocator")) {
		return JobPage{}, unusable(r, "the list is not done but names no next page")
	}
	page.Next = next.Query().Get("queryLocator")
	if strings.EqualFold(page.Next, locator) {
		return JobPage{}, unusable(r, "the list names the same page as the next one")
	}
	return page, nil
}
