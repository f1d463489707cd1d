package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

const (
	// compositeSize is the largest number of requests in one (Salesforce: Composite resource).
	compositeSize = 25
	// compositeVersion is the first API version that has composite requests.
	compositeVersion = 38

	rolledBack = "The transaction was rolled back since another operation in the same transaction failed."
)

// subrequest is one request inside another.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Headers     map[string]string `json:"httpHeaders"`
	Body        json.RawMessage   `json:"body"`
}

// subreply is the answer to one.
type subreply struct {
	Body        json.RawMessage   `json:"body"` // null when there is none
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

func (r *subreply) failed() bool { return r.Status >= 400 || r.Status == http.StatusMultipleChoices }

// halted is the answer to a request that was not carried out, or was taken back.
func halted(referenceID, message string) subreply {
	body, _ := json.Marshal([]restError{{Message: message, ErrorCode: "PROCESSING_HALTED"}}) // texts always have a JSON form
	return subreply{Body: body, Headers: map[string]string{}, Status: http.StatusBadRequest, ReferenceID: referenceID}
}

// composite serves several requests in one call, in order. Later ones may name what earlier ones answered, and with
// allOrNone one failure takes back what all did.
func (ex *exchange) composite() error {
	var body struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	if err := json.Unmarshal(ex.body, &body); err != nil {
		return notJSON("The body has to be an object with the list compositeRequest: " + err.Error())
	}
	if err := checkSubrequests(body.Requests); err != nil {
		return err
	}
	replies := make([]subreply, len(body.Requests))
	if body.AllOrNone {
		ex.s.Store.Together(func(save org.Saver) bool { return ex.runAll(body.Requests, replies, save, true) })
	} else {
		ex.runAll(body.Requests, replies, nil, false)
	}
	return ex.json(http.StatusOK, map[string]any{"compositeResponse": replies})
}

var referenceForm = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func checkSubrequests(list []subrequest) error {
	refuse := func(code, format string, args ...any) error {
		return &bulk.Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
	}
	if len(list) == 0 {
		return missingArgument("compositeRequest: the list of requests has to be specified")
	}
	if len(list) > compositeSize {
		return refuse("LIMIT_EXCEEDED", "The number of subrequests %d exceeds the limit of %d", len(list), compositeSize)
	}
	seen := map[string]bool{}
	for i, r := range list {
		switch {
		case !referenceForm.MatchString(r.ReferenceID):
			return refuse("INVALID_INPUT", "Request %d: the referenceId has to consist of letters, digits and underscores", i+1)
		case seen[r.ReferenceID]:
			return refuse("INVALID_INPUT", "Duplicate ReferenceId provided (%s).", r.ReferenceID)
		}
		seen[r.ReferenceID] = true
	}
	return nil
}

// runAll carries out requests one after the other; it is false when all are to be taken back.
func (ex *exchange) runAll(list []subrequest, replies []subreply, save org.Saver, allOrNone bool) bool {
	known := map[string]any{} // the bodies that were answered, by reference
	for i, r := range list {
		replies[i] = ex.run(r, known, save)
		if !replies[i].failed() {
			var body any
			if json.Unmarshal(replies[i].Body, &body) == nil {
				known[r.ReferenceID] = body
			}
			continue
		}
		if allOrNone {
			for other := range list {
				if other != i {
					replies[other] = halted(list[other].ReferenceID, rolledBack)
				}
			}
			return false
		}
	}
	return true
}

// run carries out one request as if it had come by itself.
func (ex *exchange) run(r subrequest, known map[string]any, save org.Saver) subreply {
	path, problem := fillIn(r.URL, known, false)
	body, worse := fillIn(string(r.Body), known, true)
	if problem == "" {
		problem = worse
	}
	if problem != "" {
		return halted(r.ReferenceID, problem)
	}
	if body == "null" {
		body = ""
	}
	out := &part{header: http.Header{}}
	req, err := http.NewRequestWithContext(ex.r.Context(), r.Method, "http://"+ex.r.Host+path, strings.NewReader(body))
	if err != nil || !strings.HasPrefix(path, "/services/data/") {
		return halted(r.ReferenceID, "Invalid method or url: "+r.Method+" "+r.URL)
	}
	req.RequestURI = path
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	sub := &exchange{s: ex.s, w: out, r: req, body: []byte(body), user: ex.user, saver: save, route: ex.s.findRoute(req)}
	sub.refineRoute()
	if err := sub.serveInside(); err != nil {
		sub.fail(err)
	}
	reply := subreply{Body: json.RawMessage(out.body.Bytes()), Headers: map[string]string{}, Status: out.status, ReferenceID: r.ReferenceID}
	if location := out.header.Get("Location"); location != "" {
		reply.Headers["Location"] = location
	}
	if len(reply.Body) == 0 {
		reply.Body = json.RawMessage("null")
	}
	return reply
}

// inside is what requests inside another may be about.
var inside = []fault.Endpoint{fault.Records, fault.Collections, fault.Query, fault.Describe}

// serveInside answers a request inside another, whose caller is known already.
func (ex *exchange) serveInside() error {
	switch {
	case ex.route.err != nil:
		return ex.route.err
	case !slices.Contains(inside, ex.route.endpoint):
		return &bulk.Error{Status: http.StatusBadRequest, Code: "INVALID_INPUT", Message: "The resource cannot be used inside a composite request"}
	case !slices.Contains(ex.route.methods, ex.r.Method):
		return &bulk.Error{Status: http.StatusMethodNotAllowed, Code: "METHOD_NOT_ALLOWED", Message: "HTTP Method '" + ex.r.Method + "' not allowed"}
	}
	return ex.route.handle(ex)
}

var (
	placeForm = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[[0-9]{1,4}\])*)\}`)
	stepForm  = regexp.MustCompile(`\.([A-Za-z0-9_]+)|\[([0-9]{1,4})\]`)
)

// fillIn puts what earlier requests answered where a text refers to it, such as @{first.id} or @{all.records[0].Id}.
// problem says which reference leads nowhere, if one does.
func fillIn(text string, known map[string]any, inJSON bool) (out, problem string) {
	out = placeForm.ReplaceAllStringFunc(text, func(place string) string {
		m := placeForm.FindStringSubmatch(place)
		value, ok := known[m[1]]
		for _, step := range stepForm.FindAllStringSubmatch(m[2], -1) {
			if !ok {
				break
			}
			value, ok = follow(value, step[1], step[2])
		}
		var plain string
		switch v := value.(type) {
		case string:
			plain = v
		case float64, bool:
			plain = fmt.Sprint(v)
		default:
			ok = false
		}
		if !ok {
			problem = "Invalid reference specified. No value for " + strings.Trim(place, "@{}") + " found"
			return place
		}
		if inJSON { // it stands inside a text
			quoted := appendJSON(nil, plain)
			return string(quoted[1 : len(quoted)-1])
		}
		return plain
	})
	return out, problem
}

// follow takes one step into a JSON value: a member of an object, or an item of a list.
func follow(value any, member, index string) (any, bool) {
	if list, is := value.([]any); is && index != "" {
		i, err := strconv.Atoi(index)
		if err != nil || i >= len(list) {
			return nil, false
		}
		return list[i], true
	}
	if object, is := value.(map[string]any); is && member != "" {
		v, ok := object[member]
		return v, ok
	}
	return nil, false
}

// part is the writer that a request inside another is answered through.
type part struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer.
func (p *part) Header() http.Header { return p.header }

// WriteHeader notes the status of the answer.
func (p *part) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

// Write keeps the body of the answer.
func (p *part) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}
