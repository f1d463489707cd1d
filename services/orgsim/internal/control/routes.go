package control

import (
	"net/http"
	"strings"
)

// Route is one thing that the control API can be asked, as GET /sim/ describes it.
type Route struct {
	Method string `json:"method"`
	Path   string `json:"path"` // segments in braces stand for any text
	Does   string `json:"does"`
	// Query are the members of the query string, Body is an example of the request's JSON. "" = it takes none.
	Query string `json:"query,omitempty"`
	Body  string `json:"body,omitempty"`

	serve func(*API, *http.Request, http.ResponseWriter) error
}

// pattern is the path as the mux wants it.
func (r Route) pattern() string {
	switch {
	case strings.HasSuffix(r.Path, "/"):
		return r.Path + "{$}"
	case strings.HasSuffix(r.Path, "/{key}"):
		return strings.TrimSuffix(r.Path, "/{key}") + "/{key...}" // keys may hold slashes
	default:
		return r.Path
	}
}

// routes are all of them. Lists that may be long are newline-delimited JSON.
func routes() []Route {
	return []Route{
		{"GET", "/sim/", "who the org is, its time, its objects and these routes; for a browser the page", "", "", (*API).index},
		{"GET", "/sim/counts", "per object: rows, how many of them were seeded, and a digest of their content", "digest=1", "", (*API).counts},
		{
			"GET", "/sim/records/{object}", "the rows of an object, one a line; field and value for those that hold it (exactly; empty for none)",
			"after=ID limit=N versions=all deleted=1 field=F value=V", "", (*API).records,
		},
		{"GET", "/sim/records/{object}/{key}", "one row by Id, external id or unique value, with every version it ever had", "", "", (*API).record},
		{"GET", "/sim/groups/{object}", "how many live rows hold the same values, one group a line", "fields=A,B", "", (*API).groups},
		{
			"GET", "/sim/calls", "the requests it was sent, tokens left out; wait for the first that fits",
			"since=N before=N endpoint=E job=ID done=1 newest=1 limit=N wait=5s", "", (*API).calls,
		},
		{"GET", "/sim/collections", "what calls of collections did to each of their rows, a call a line", "", "", (*API).collections},
		{"GET", "/sim/jobs", "every job there was, those that were deleted too", "", "", (*API).jobs},
		{"GET", "/sim/jobs/{id}", "one job; wait until it is finished, closed, uploaded or in a state", "wait=finished timeout=30s", "", (*API).job},
		{"GET", "/sim/jobs/{id}/upload", "the CSV that it was sent, byte for byte", "", "", (*API).upload},
		{"GET", "/sim/jobs/{id}/rows", "the truth about each of its rows, one a line", "", "", (*API).rows},
		{"POST", "/sim/seed", "adds rows that were always there", "", `{"object":"Account","records":[{"Name":"Acme"}]}`, (*API).seed},
		{"GET", "/sim/faults", "the fault rules with their hits", "", "", (*API).faults},
		{"POST", "/sim/faults", "adds a rule, or a list of them: a script", "", `[{"match":{"endpoint":"close"},"effect":{"kind":"drop_after"}}]`, (*API).addFaults},
		{
			"POST", "/sim/faults/seeded", "draws a script from a seed and a profile (calm, rough, awful) for a number of calls, and adds it", "",
			`{"seed":7,"profile":"rough","calls":500}`, (*API).drawFaults,
		},
		{"DELETE", "/sim/faults", "removes the rules with these ids, or all", "id=ID", "", (*API).clearFaults},
		{"GET", "/sim/settings", "the settings in force", "", "", (*API).settings},
		{"POST", "/sim/settings", "changes the named ones", "", `{"queue_delay":"2s"}`, (*API).changeSettings},
		{"GET", "/sim/switches", "the open questions about real orgs, their answers, and which holds", "", "", (*API).switches},
		{"POST", "/sim/switches", "moves the named ones", "", `{"same_key_twice":"all_but_first"}`, (*API).moveSwitches},
		{"GET", "/sim/clock", "the org's time", "", "", (*API).clock},
		{"POST", "/sim/clock", "moves the org's time: by a duration, or to a time", "", `{"advance":"25h"}`, (*API).moveClock},
		{"GET", "/sim/users", "who may sign in", "", "", (*API).users},
		{"POST", "/sim/users", "changes a user, or makes one", "", `{"username":"x@org.example","active":false}`, (*API).putUser},
		{"POST", "/sim/tokens/expire", "ends every session", "", "", (*API).expireTokens},
		{"POST", "/sim/tokens/restrict", "makes every session one that is not valid for use with the REST API", "", "", (*API).restrictTokens},
		{"POST", "/sim/tokens/refresh", "hands out a refresh token for a user", "", `{"username":"x@org.example"}`, (*API).grantRefresh},
		{"POST", "/sim/reset", "empties the org: rows, jobs, calls, faults, settings, switches, clock; sessions live on", "", "", (*API).reset},
	}
}
