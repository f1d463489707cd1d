// Package fault makes the simulated org misbehave as told. A fault is data, a Rule, so a failing run can be repeated.
//
// A rule says what it applies to (Match, Where), how often (Times, TimesPerKey) and what happens (Effect). There are
// four sorts, told apart by the kind of the effect:
//
//	requests  status, latency, drop_before, drop_mid, drop_after, half_reply, truncate, slow, expire_token, org_down,
//	          quota, wrong_type, gzip_garbage, gzip_bomb
//	rows      row_error, lock_storm
//	jobs      job_stall, job_abort, job_fail, job_vanish, job_backwards, batch_timeout
//	results   lose_rows, double_rows, rewrite_rows, foreign_rows
//
// Query jobs know the faults of requests and of jobs; they take no rows in, so those of rows and results never meet them.
//
// As JSON, the form of the control API: the reply of one close is lost, a third of all contacts meet a lock once, five
// rows stand in no result file, and from the second minute on the whole org is down for thirty seconds:
//
//	{"match":{"endpoint":"close"},"effect":{"kind":"drop_after"}}
//	{"match":{"object":"Contact","fraction":0.33,"seed":7},"times_per_key":1,
//	 "effect":{"kind":"row_error","error":"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}}
//	{"times":5,"effect":{"kind":"lose_rows"}}
//	{"match":{"from":"1m","for":"30s"},"effect":{"kind":"org_down","format":"html"}}
//
// A list of rules is a script. Draw makes one out of a seed and a profile.
//
// What always holds: rules are asked in the order in which they were added; a rule that is used up stays listed with
// its hits; a fraction is decided by a hash of the seed with the key (rows, results; rows without a key: with all their
// values; lock storms: with the parent) or with the number of the match (requests, jobs), so equal rules on equal
// traffic do the same. The package decides only: package rest carries request effects out, package bulk the others.
package fault

import "bulkhead/services/orgsim/internal/settings"

// Endpoint is a sort of request, as rules and the call log name it.
type Endpoint string

// The endpoints that rules may name; "" in a rule means every one of them.
const (
	Token       Endpoint = "token"
	SOAP        Endpoint = "soap" // login and logout
	Identity    Endpoint = "identity"
	Versions    Endpoint = "versions"
	Resources   Endpoint = "resources"
	Limits      Endpoint = "limits"
	Describe    Endpoint = "describe"
	Query       Endpoint = "query"
	Records     Endpoint = "record"     // one record
	Collections Endpoint = "collection" // up to 200 records
	Composite   Endpoint = "composite"  // several requests in one
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
	// Query jobs are created, looked at, listed, aborted and deleted under the names that ingest jobs have.
	QueryResults Endpoint = "query_results" // a page of the result of a query job
	ResultPages  Endpoint = "result_pages"  // where its pages are
	Other        Endpoint = "other"         // a path that leads nowhere
)

// Endpoints are all of them.
var Endpoints = []Endpoint{
	Token, SOAP, Identity, Versions, Resources, Limits, Describe, Query, Records, Collections, Composite, Create, Upload, Close, Abort, Info, List,
	Remove, Successful, FailedRows, Unprocessed, QueryResults, ResultPages, Other,
}

// Kind is what an effect does.
type Kind string

// The kinds of effect. Those of requests happen before the request has any effect unless the comment says otherwise.
const (
	Status     Kind = "status"      // answer with Status and a body; When "after": the effect has happened
	Latency    Kind = "latency"     // wait Duration; When "after": between effect and answer; "late": the effect comes although the caller has gone
	DropBefore Kind = "drop_before" // cut the connection
	DropMid    Kind = "drop_mid"    // read Bytes of the request's body, then cut the connection
	DropAfter  Kind = "drop_after"  // reply lost after the effect: do it all, then cut the connection without a byte
	HalfReply  Kind = "half_reply"  // after the effect: send Bytes of the answer's body, then cut the connection
	Truncate   Kind = "truncate"    // after the effect: send Bytes of the answer's body and end it as if it were whole
	Slow       Kind = "slow"        // after the effect: send the answer at BytesPerSecond
	// ExpireToken ends the caller's session before the call is looked at, so that it is answered 401; When "after": the
	// call is answered and the next one meets the 401. Further rules are asked.
	ExpireToken Kind = "expire_token"
	// OrgDown answers 503 everywhere, the token endpoint too: the JSON error SERVER_UNAVAILABLE, or a page by Format "html"
	// or Body. Without match.for or times it is one call.
	OrgDown Kind = "org_down"
	// Quota refuses as a used-up limit does, see Effect.Quota. It never strikes calls that are free: token, soap, versions.
	Quota Kind = "quota"
	// WrongType, after the effect: the whole answer under ContentType, by default text/html.
	WrongType Kind = "wrong_type"
	// GzipGarbage, after the effect: Content-Encoding gzip, but the body is none; with Bytes it begins as a good stream and
	// breaks after that many bytes of the answer.
	GzipGarbage Kind = "gzip_garbage"
	// GzipBomb, after the effect: a good gzip stream of Bytes (absent: 1 GiB) blanks instead of the answer.
	GzipBomb Kind = "gzip_bomb"

	RowError Kind = "row_error" // the row fails with Error and is not saved
	// LockStorm fails rows with UNABLE_TO_LOCK_ROW and saves them not. The rows of one parent share its fate: a fraction is
	// drawn by parent, and the error names it. It needs an end: match.for, times or times_per_key.
	LockStorm Kind = "lock_storm"

	JobStall  Kind = "job_stall"  // after Rows rows the job stays InProgress, for Duration or (0) until it is aborted
	JobAbort  Kind = "job_abort"  // after Rows rows the job is Aborted, as by an administrator
	JobFail   Kind = "job_fail"   // after Rows rows the job is Failed with Message
	JobVanish Kind = "job_vanish" // after Rows rows (absent: all) the job is not found any more
	// JobBackwards: once Rows rows (absent: all) are saved, the first look shows the job as it is, the next Count looks the
	// state before, and all others the truth again. With Rows the job goes on when all that was seen.
	JobBackwards Kind = "job_backwards"
	// BatchTimeout makes the batch that holds row Rows (absent: the first) run out of time Count times; each time it is put
	// back and saved anew, and the retries of the job rise. A query job has one batch, and fails at the sixteenth time.
	BatchTimeout Kind = "batch_timeout"

	LoseRows    Kind = "lose_rows"    // the row stands in no result file
	DoubleRows  Kind = "double_rows"  // the row stands twice in its result file
	RewriteRows Kind = "rewrite_rows" // the row stands in its result file with other texts: Columns
	ForeignRows Kind = "foreign_rows" // the success file gets Rows rows (absent: 1) that nobody uploaded, with Columns
)

// Match says what a rule applies to; every member that is set must agree.
type Match struct {
	Endpoint  Endpoint `json:"endpoint,omitempty"` // requests only
	Method    string   `json:"method,omitempty"`   // of HTTP; requests only
	Object    string   `json:"object,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Job       string   `json:"job,omitempty"` // id in either form
	// Nth applies the rule to the nth thing that matches all else only, After to those behind the first After ones.
	Nth   int `json:"nth,omitempty"`
	After int `json:"after,omitempty"`
	// Fraction applies the rule to this part of what matches, decided by Seed; 0 = all.
	Fraction float64 `json:"fraction,omitempty"`
	Seed     int64   `json:"seed,omitempty"`
	// From and For are a window of the org's time: the rule sleeps for From after it was added, and is over For later;
	// For 0 = never.
	From settings.Duration `json:"from,omitzero"`
	For  settings.Duration `json:"for,omitzero"`
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
	When           string            `json:"when,omitempty"`   // before (default) or after; latency: or late
	Status         int               `json:"status,omitempty"` // HTTP status
	Code           string            `json:"code,omitempty"`   // errorCode of the JSON body
	Message        string            `json:"message,omitempty"`
	Body           string            `json:"body,omitempty"`         // instead of the JSON body, such as HTML
	ContentType    string            `json:"content_type,omitempty"` // default text/html
	Duration       settings.Duration `json:"duration,omitzero"`
	Bytes          int64             `json:"bytes,omitempty"`
	BytesPerSecond int               `json:"bytes_per_second,omitempty"`
	Error          string            `json:"error,omitempty"` // text for sf__Error
	Rows           *int              `json:"rows,omitempty"`
	Count          int               `json:"count,omitempty"`  // default 1
	Format         string            `json:"format,omitempty"` // json (default) or html
	// Quota is the limit that is used up: daily (default; 403 REQUEST_LIMIT_EXCEEDED, TotalRequests), long_txn (403,
	// ConcurrentPerOrgLongTxn) or jobs (400 EXCEEDEDQUOTA, on create only).
	Quota string `json:"quota,omitempty"`
	// Columns are texts by column of the result file, sf__Id, sf__Created and sf__Error too. A column that the file does
	// not have is left out.
	Columns map[string]string `json:"columns,omitempty"`
	// Reset cuts the connection by a reset, as a crash or a firewall does, instead of an orderly end. Clients tell the two apart. Kinds drop_* only.
	Reset bool `json:"reset,omitempty"`
}

// Rule is one fault.
type Rule struct {
	ID    string `json:"id"` // default: fault-<n>
	Match Match  `json:"match,omitzero"`
	Where *Where `json:"where,omitempty"`
	// Times is how often the rule takes effect: requests, jobs or rows; 0 = for ever. Default 1, but 0 for rules with an end
	// by time (match.for) and for rules on rows that name their rows (where, fraction or times_per_key).
	Times *int `json:"times,omitempty"`
	// TimesPerKey bounds how often it takes effect on the same key; 0 = no bound. Rows only.
	TimesPerKey int    `json:"times_per_key,omitempty"`
	Effect      Effect `json:"effect"`

	// Hits is how often it took effect; Matched how often all but nth, after, fraction and times agreed.
	Hits    int `json:"hits"`
	Matched int `json:"matched"`
}
