package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
)

// The API versions that the org serves. Salesforce retired 7.0 to 30.0, which answer 410.
const (
	MinVersion = 31
	MaxVersion = 68

	// ingestVersion is the first that has ingest jobs of Bulk API 2.0, queryVersion the first that has query jobs, and
	// pagesVersion the first that names the pages of their results.
	ingestVersion = 41
	queryVersion  = 47
	pagesVersion  = 58
)

// route is where a request leads.
type route struct {
	endpoint  fault.Endpoint
	methods   []string
	handle    func(*exchange) error
	err       error // answered instead of handle, once the caller is known
	open      bool  // needs no session, is not counted
	bulk      bool  // errors in the form of Bulk API 2.0
	jobs      *jobCalls
	soap      bool // errors are SOAP faults
	version   float64
	object    string
	operation string
	job       string
	rest      []string // segments behind the resource
}

var (
	versionForm     = regexp.MustCompile(`^v([0-9]{1,3})\.0$`)
	soapVersionForm = regexp.MustCompile(`^([0-9]{1,3})(?:\.0)?$`)
)

func versionText(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func missing(bulkForm bool) route {
	return route{endpoint: fault.Other, bulk: bulkForm, err: bulk.ErrNotFound}
}

// findRoute reads the path of a request.
func (s *Server) findRoute(r *http.Request) route {
	if len(r.RequestURI) > maxURI {
		return route{endpoint: fault.Other, open: true, err: &bulk.Error{
			Status: http.StatusRequestURITooLong, Code: "URI_TOO_LONG", Message: "The length of the URI exceeds the 16,384-byte limit",
		}}
	}
	if headerBytes(r) > maxHeader {
		return route{endpoint: fault.Other, open: true, err: &bulk.Error{
			Status: http.StatusRequestHeaderFieldsTooLarge, Code: "REQUEST_HEADER_FIELDS_TOO_LARGE", Message: "The length of the headers exceeds the 16,384-byte limit",
		}}
	}
	path := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	segments := strings.Split(strings.TrimSuffix(path[1:], "/"), "/")
	for i, seg := range segments {
		plain, err := url.PathUnescape(seg)
		if err != nil || plain == "" {
			return missing(false)
		}
		segments[i] = plain
	}
	switch {
	case len(segments) == 3 && segments[0] == "id":
		return route{endpoint: fault.Identity, methods: []string{"GET", "POST"}, handle: (*exchange).identity, rest: segments[1:]}
	case len(segments) < 2 || segments[0] != "services":
		return missing(false)
	case segments[1] == "Soap":
		return soapRoute(segments[2:])
	case segments[1] == "async": // Bulk API 1.0, which has its own way to carry a session
		return route{endpoint: fault.Other, open: true, err: bulk.ErrNotFound}
	case segments[1] == "oauth2" && len(segments) == 3:
		return oauthRoute(segments[2])
	case segments[1] != "data":
		return missing(false)
	case len(segments) == 2:
		return route{endpoint: fault.Versions, methods: []string{"GET", "HEAD"}, open: true, handle: (*exchange).versions}
	}
	m := versionForm.FindStringSubmatch(segments[2])
	if m == nil {
		return missing(false)
	}
	version, _ := strconv.ParseFloat(m[1], 64) // three digits at most
	switch {
	case version > MaxVersion || version < 7:
		return missing(false)
	case version < MinVersion:
		return route{endpoint: fault.Other, err: &bulk.Error{
			Status: http.StatusGone, Code: "UNSUPPORTED_API_VERSION", Message: "The API version is retired: versions 7.0 through 30.0 are not supported any more",
		}}
	}
	rt := resourceRoute(version, segments[3:])
	rt.version = version
	return rt
}

func oauthRoute(name string) route {
	switch name {
	case "token":
		return route{endpoint: fault.Token, methods: []string{"POST"}, open: true, handle: (*exchange).token}
	case "revoke":
		return route{endpoint: fault.Token, methods: []string{"POST", "GET"}, open: true, handle: (*exchange).revoke}
	case "userinfo":
		return route{endpoint: fault.Identity, methods: []string{"GET", "POST"}, handle: (*exchange).userInfo}
	default:
		return missing(false)
	}
}

// soapRoute finds the partner API of a version; a client that has signed in puts the id of the org behind it.
func soapRoute(seg []string) route {
	if len(seg) < 2 || len(seg) > 3 || seg[0] != "u" {
		return missing(false)
	}
	m := soapVersionForm.FindStringSubmatch(seg[1])
	if m == nil {
		return missing(false)
	}
	rt := route{endpoint: fault.SOAP, methods: []string{"POST"}, open: true, soap: true, handle: (*exchange).soap}
	rt.version, _ = strconv.ParseFloat(m[1], 64) // three digits at most
	if rt.version < MinVersion || rt.version > MaxVersion {
		rt.err = &soapError{"UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL"}
	}
	return rt
}

// resourceRoute finds the resource below /services/data/vXX.0.
func resourceRoute(version float64, seg []string) route {
	get := []string{"GET", "HEAD"}
	switch {
	case len(seg) == 0:
		return route{endpoint: fault.Resources, methods: get, handle: (*exchange).resources}
	case seg[0] == "limits" && len(seg) == 1:
		return route{endpoint: fault.Limits, methods: get, handle: (*exchange).limits}
	case (seg[0] == "query" || seg[0] == "queryAll") && len(seg) <= 2:
		return route{endpoint: fault.Query, methods: get, handle: (*exchange).query, rest: seg}
	case seg[0] == "composite" && len(seg) == 1 && version >= compositeVersion:
		return route{endpoint: fault.Composite, methods: []string{http.MethodPost}, handle: (*exchange).composite}
	case seg[0] == "composite" && len(seg) >= 2 && seg[1] == "sobjects":
		return collectionRoute(version, get, seg[2:])
	case seg[0] == "sobjects":
		return objectRoute(version, get, seg[1:])
	case seg[0] == "jobs" && len(seg) >= 2 && seg[1] == "ingest" && version >= ingestVersion:
		return jobRoute(&ingestCalls, seg[2:])
	case seg[0] == "jobs" && len(seg) >= 2 && seg[1] == "query" && version >= queryVersion:
		rt := jobRoute(&queryCalls, seg[2:])
		if rt.endpoint == fault.ResultPages && version < pagesVersion {
			return missing(true)
		}
		return rt
	default:
		return missing(seg[0] == "jobs")
	}
}

func objectRoute(version float64, get, seg []string) route {
	switch {
	case len(seg) == 0:
		return route{endpoint: fault.Describe, methods: get, handle: (*exchange).objects}
	case len(seg) == 2 && seg[1] == "describe":
		return route{endpoint: fault.Describe, object: seg[0], methods: get, handle: (*exchange).describe, rest: seg}
	case len(seg) <= 3:
		return recordRoute(version, get, seg)
	default:
		return missing(false)
	}
}

// jobCalls are the calls that both sorts of jobs have, and what is below a job.
type jobCalls struct {
	list, create, info, patch, remove func(*exchange) error
	// files are by name in lower case: clients differ in the case of these names.
	files map[string]jobFile
}

// jobFile is a resource below a job.
type jobFile struct {
	endpoint fault.Endpoint
	methods  []string
	handle   func(*exchange) error
}

func jobRoute(calls *jobCalls, seg []string) route {
	rt := route{bulk: true, jobs: calls}
	if len(seg) > 0 {
		rt.job = seg[0]
	}
	switch {
	case len(seg) == 0:
		rt.endpoint, rt.methods, rt.handle = fault.List, []string{"GET", "HEAD", "POST"}, calls.list
	case len(seg) == 1:
		rt.endpoint, rt.methods, rt.handle = fault.Info, []string{"GET", "HEAD", "PATCH", "DELETE"}, calls.info
	case len(seg) > 2:
		return missing(true)
	default:
		file, known := calls.files[strings.ToLower(seg[1])]
		if !known {
			return missing(true)
		}
		rt.endpoint, rt.methods, rt.handle = file.endpoint, file.methods, file.handle
	}
	return rt
}

// refineRoute tells apart what shares a path: by method, and for a PATCH and a create by the body.
func (ex *exchange) refineRoute() {
	rt := &ex.route
	switch {
	case rt.endpoint == fault.Records || rt.endpoint == fault.Collections:
		rt.operation = recordOperation(rt, ex.r.Method)
		if rt.object == "" {
			rt.object = ex.firstObject()
		}
	case rt.endpoint == fault.List && ex.r.Method == http.MethodPost:
		rt.endpoint, rt.handle = fault.Create, rt.jobs.create
		var body struct {
			Object    string `json:"object"`
			Operation string `json:"operation"`
			Query     string `json:"query"`
		}
		parts, _ := ex.jobParts()            // the handler says what is wrong with it
		_ = json.Unmarshal(parts.job, &body) // the same
		rt.object, rt.operation = body.Object, body.Operation
		if rt.jobs == &queryCalls {
			rt.object = bulk.QueriedObject(body.Query)
		}
	case rt.endpoint == fault.Info && ex.r.Method == http.MethodDelete:
		rt.endpoint, rt.handle = fault.Remove, rt.jobs.remove
	case rt.endpoint == fault.Info && ex.r.Method == http.MethodPatch:
		rt.endpoint, rt.handle = fault.Close, rt.jobs.patch
		var body struct {
			State string `json:"state"`
		}
		_ = json.Unmarshal(ex.body, &body)
		if body.State == string(bulk.Aborted) {
			rt.endpoint = fault.Abort
		}
	}
}
