// Package fault makes the simulated org misbehave as told. A fault is data, a Rule, so a failing run can be repeated.
//
// A rule says what it applies to (Match, Where), how often (Times, TimesPerKey) and what happens (Effect). There are
// four sorts, told apart by the kind of the effect:
//
//	requests  status, latency, drop_before, drop_mid, drop_after, half_reply, truncate, slow
//	rows      row_error
//	jobs      job_stall, job_abort, job_fail, job_vanish
//	results   lose_rows, double_rows, foreign_rows
//
// As JSON, the form of the control API: the reply of one close is lost, a third of all contacts meet a lock once, and
// five rows stand in no result file:
//
//	{"match":{"endpoint":"close"},"effect":{"kind":"drop_after"}}
//	{"match":{"object":"Contact","fraction":0.33,"seed":7},"times_per_key":1,
//	 "effect":{"kind":"row_error","error":"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}}
//	{"times":5,"effect":{"kind":"lose_rows"}}
//
// What always holds: rules are asked in the order in which they were added; a rule that is used up stays listed with
// its hits; a fraction is decided by a hash of the seed with the key (rows, results; rows without a key: with all their
// values) or with the number of the match (requests, jobs), so equal rules on equal traffic do the same. The package decides only: package rest carries
// request effects out, package bulk the others.
package fault

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bulkhead/services/orgsim/internal/settings"
)

// Endpoint is a sort of request, as rules and the call log name it.
type Endpoint string

// The endpoints that rules may name; "" in a rule means every one of them.
const (
	Token       Endpoint = "token"
	Identity    Endpoint = "identity"
	Versions    Endpoint = "versions"
	Resources   Endpoint = "resources"
	Limits      Endpoint = "limits"
	Describe    Endpoint = "describe"
	Query       Endpoint = "query"
	Records     Endpoint = "record"
	Create      Endpoint = "create"
	Upload      Endpoint = "upload"
	Close       Endpoint = "close"
	Abort       Endpoint = "abort"
	Info        Endpoint = "info"
	List        Endpoint = "list"
	Remove      Endpoint = "delete"
	Successful  Endpoint = "success"
	FailedRows  Endpoint = "failed"
	Unprocessed Endpoint = "unprocessed"
	Other       Endpoint = "other" // a path that leads nowhere
)

// Endpoints are all of them.
var Endpoints = []Endpoint{
	Token, Identity, Versions, Resources, Limits, Describe, Query, Records, Create, Upload, Close, Abort, Info, List,
	Remove, Successful, FailedRows, Unprocessed, Other,
}

// Kind is what an effect does.
type Kind string

// The kinds of effect. Those of requests happen before the request has any effect unless the comment says otherwise.
const (
	Status     Kind = "status"      // answer with Status and a body; When "after": the effect has happened
	Latency    Kind = "latency"     // wait Duration; When "after": between effect and answer
	DropBefore Kind = "drop_before" // cut the connection
	DropMid    Kind = "drop_mid"    // read Bytes of the request's body, then cut the connection
	DropAfter  Kind = "drop_after"  // reply lost after the effect: do it all, then cut the connection without a byte
	HalfReply  Kind = "half_reply"  // after the effect: send Bytes of the answer's body, then cut the connection
	Truncate   Kind = "truncate"    // after the effect: send Bytes of the answer's body and end it as if it were whole
	Slow       Kind = "slow"        // after the effect: send the answer at BytesPerSecond

	RowError Kind = "row_error" // the row fails with Error and is not saved

	JobStall  Kind = "job_stall"  // after Rows rows the job stays InProgress, for Duration or (0) until it is aborted
	JobAbort  Kind = "job_abort"  // after Rows rows the job is Aborted, as by an administrator
	JobFail   Kind = "job_fail"   // after Rows rows the job is Failed with Message
	JobVanish Kind = "job_vanish" // after Rows rows (absent: all) the job is not found any more

	LoseRows    Kind = "lose_rows"    // the row stands in no result file
	DoubleRows  Kind = "double_rows"  // the row stands twice in its result file
	ForeignRows Kind = "foreign_rows" // the success file gets Rows rows (absent: 1) that nobody uploaded
)

// Match says what a rule applies to; every member that is set must agree.
type Match struct {
	Endpoint  Endpoint `json:"endpoint,omitempty"` // requests only
	Object    string   `json:"object,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Job       string   `json:"job,omitempty"` // id in either form
	// Nth applies the rule to the nth thing that matches all else only, After to those behind the first After ones.
	Nth   int `json:"nth,omitempty"`
	After int `json:"after,omitempty"`
	// Fraction applies the rule to this part of what matches, decided by Seed; 0 = all.
	Fraction float64 `json:"fraction,omitempty"`
	Seed     int64   `json:"seed,omitempty"`
}

// Where names rows, for rules on rows and results. Without it every row of a matching job is meant.
type Where struct {
	// Field is a column by API name, relationship columns too; where the upload does not have it and its rows are named
	// by Id (update, delete), the field of that name as the org holds it. In is its values, compared exactly.
	Field string   `json:"field,omitempty"`
	In    []string `json:"in,omitempty"`
	// Keys are external ids, values of unique fields or Ids, without regard to case. They name rows of an update or
	// delete too, although these carry nothing but the Id.
	Keys []string `json:"keys,omitempty"`
}

// Effect is what a rule does. Which members count is said at the kinds.
type Effect struct {
	Kind           Kind              `json:"kind"`
	When           string            `json:"when,omitempty"`   // before (default) or after
	Status         int               `json:"status,omitempty"` // HTTP status
	Code           string            `json:"code,omitempty"`   // errorCode of the JSON body
	Message        string            `json:"message,omitempty"`
	Body           string            `json:"body,omitempty"`         // instead of the JSON body, such as HTML
	ContentType    string            `json:"content_type,omitempty"` // of Body; default text/html
	Duration       settings.Duration `json:"duration,omitzero"`
	Bytes          int64             `json:"bytes,omitempty"`
	BytesPerSecond int               `json:"bytes_per_second,omitempty"`
	Error          string            `json:"error,omitempty"` // text for sf__Error
	Rows           *int              `json:"rows,omitempty"`
}

// Rule is one fault.
type Rule struct {
	ID    string `json:"id"` // default: fault-<n>
	Match Match  `json:"match,omitzero"`
	Where *Where `json:"where,omitempty"`
	// Times is how often the rule takes effect: requests, jobs or rows; 0 = for ever. Default 1, but 0 for rules on rows
	// that name their rows (where, fraction or times_per_key).
	Times *int `json:"times,omitempty"`
	// TimesPerKey bounds how often it takes effect on the same key; 0 = no bound. Rows only.
	TimesPerKey int    `json:"times_per_key,omitempty"`
	Effect      Effect `json:"effect"`

	// Hits is how often it took effect; Matched how often all but nth, after, fraction and times agreed.
	Hits    int `json:"hits"`
	Matched int `json:"matched"`
}

// sort of a rule.
type sort uint8

const (
	onRequests sort = iota
	onRows
	onJobs
	onResults
)

var sorts = map[Kind]sort{
	Status: onRequests, Latency: onRequests, DropBefore: onRequests, DropMid: onRequests, DropAfter: onRequests,
	HalfReply: onRequests, Truncate: onRequests, Slow: onRequests,
	RowError: onRows,
	JobStall: onJobs, JobAbort: onJobs, JobFail: onJobs, JobVanish: onJobs,
	LoseRows: onResults, DoubleRows: onResults, ForeignRows: onResults,
}

var errorForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]+:`)

// check says what is wrong with a rule, and how to put it right.
func (r *Rule) check() error {
	s, ok := sorts[r.Effect.Kind]
	if !ok {
		return fmt.Errorf("effect.kind %q is not known", r.Effect.Kind)
	}
	e := &r.Effect
	switch {
	case r.Match.Endpoint != "" && !slices.Contains(Endpoints, r.Match.Endpoint):
		return fmt.Errorf("match.endpoint %q is not one of %v", r.Match.Endpoint, Endpoints)
	case r.Match.Endpoint != "" && s != onRequests:
		return fmt.Errorf("match.endpoint is for faults of requests, not for %s", e.Kind)
	case r.Match.Nth < 0 || r.Match.After < 0 || r.TimesPerKey < 0 || (r.Times != nil && *r.Times < 0):
		return errors.New("nth, after, times and times_per_key cannot be negative")
	case r.Match.Nth > 0 && r.Match.After > 0:
		return errors.New("give match.nth or match.after, not both")
	case r.Match.Fraction < 0 || r.Match.Fraction > 1:
		return errors.New("match.fraction must be between 0 and 1")
	case (r.Where != nil || r.TimesPerKey > 0) && (s == onRequests || s == onJobs || e.Kind == ForeignRows):
		return fmt.Errorf("where and times_per_key are for faults of rows, not for %s", e.Kind)
	case r.Where != nil && (r.Where.Field == "") != (len(r.Where.In) == 0):
		return errors.New("where.field and where.in belong together")
	case r.Where != nil && r.Where.Field == "" && len(r.Where.Keys) == 0:
		return errors.New("where needs field and in, or keys")
	case e.When != "" && e.When != "before" && e.When != "after":
		return fmt.Errorf("effect.when %q must be before or after", e.When)
	case e.Rows != nil && *e.Rows < 0:
		return errors.New("effect.rows cannot be negative")
	case e.Bytes < 0 || e.BytesPerSecond < 0 || e.Duration < 0:
		return errors.New("effect.bytes, bytes_per_second and duration cannot be negative")
	}
	return e.check()
}

func (e *Effect) check() error {
	switch e.Kind {
	case Status:
		if e.Status < 200 || e.Status > 599 {
			return fmt.Errorf("effect.status %d must be between 200 and 599", e.Status)
		}
	case Latency:
		if e.Duration == 0 {
			return errors.New("latency needs effect.duration, such as \"2s\"")
		}
	case Slow:
		if e.BytesPerSecond == 0 {
			return errors.New("slow needs effect.bytes_per_second")
		}
	case RowError:
		if !errorForm.MatchString(e.Error) {
			return fmt.Errorf("effect.error %q must begin with a code and a colon, such as UNABLE_TO_LOCK_ROW:…", e.Error)
		}
	case JobFail:
		if e.Message == "" {
			e.Message = "InternalServerError : An unexpected error occurred"
		}
	}
	return nil
}

// normal fills in the defaults of a rule that has passed check.
func (r *Rule) normal() {
	if r.Times == nil {
		times := 1
		s := sorts[r.Effect.Kind]
		if (s == onRows || s == onResults) && (r.Where != nil || r.Match.Fraction > 0 || r.TimesPerKey > 0) {
			times = 0
		}
		r.Times = &times
	}
	if r.Where != nil {
		for i, k := range r.Where.Keys {
			r.Where.Keys[i] = strings.ToLower(k)
		}
	}
}
