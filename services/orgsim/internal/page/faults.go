package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"bulkhead/services/orgsim/internal/fault"
)

// ruleView is a rule as a table shows it.
type ruleView struct {
	fault.Rule
	Spent bool
	Limit string // how often it may take effect
	Text  string // what it applies to and does, as JSON
}

// examples are rules to begin with.
var examples = []struct{ Says, Rule string }{
	{"the reply of the next close is lost after its effect", `{"match":{"endpoint":"close"},"effect":{"kind":"drop_after"}}`},
	{"the next three uploads are answered 503 with a page", `{"match":{"endpoint":"upload"},"times":3,"effect":{"kind":"status","status":503,"body":"<html></html>"}}`},
	{"the session ends before the next look at a job", `{"match":{"endpoint":"info"},"effect":{"kind":"expire_token"}}`},
	{"the whole org is down for ten seconds", `{"match":{"for":"10s"},"effect":{"kind":"org_down"}}`},
	{"a fifth of the parents is locked for a minute", `{"match":{"fraction":0.2,"seed":1,"for":"1m"},"effect":{"kind":"lock_storm"}}`},
	{"every row fails once", `{"times_per_key":1,"effect":{"kind":"row_error","error":"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}}`},
	{"the next job stalls after 200 rows for a minute", `{"effect":{"kind":"job_stall","rows":200,"duration":"1m"}}`},
	{"five rows stand in no result file", `{"times":5,"effect":{"kind":"lose_rows"}}`},
}

func (h *Handler) faults(*http.Request) (view, error) {
	var rules []ruleView
	for _, r := range h.Faults.List() {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(struct {
			Match       fault.Match  `json:"match,omitzero"`
			Where       *fault.Where `json:"where,omitempty"`
			TimesPerKey int          `json:"times_per_key,omitempty"`
			Effect      fault.Effect `json:"effect"`
		}{r.Match, r.Where, r.TimesPerKey, r.Effect}); err != nil {
			return view{}, err
		}
		v := ruleView{Rule: r, Spent: *r.Times > 0 && r.Hits >= *r.Times, Limit: "any", Text: text.String()}
		if *r.Times > 0 {
			v.Limit = strconv.Itoa(*r.Times)
		}
		rules = append(rules, v)
	}
	return view{"faults", "Faults", struct {
		Rules    []ruleView
		Profiles []fault.Profile
		Calls    int
		Examples any
	}{rules, fault.Profiles, fault.DefaultCalls, examples}}, nil
}

func (h *Handler) addFaults(r *http.Request) error {
	rules, err := fault.Parse([]byte(r.PostForm.Get("rules")))
	if err == nil {
		_, err = h.Faults.Add(rules)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "No fault was added: %v", err)
	}
	return nil
}

func (h *Handler) drawFaults(r *http.Request) error {
	seed, err := strconv.ParseInt(r.PostForm.Get("seed"), 10, 64)
	if err != nil {
		return refuse(http.StatusBadRequest, "The seed %q must be a whole number.", r.PostForm.Get("seed"))
	}
	calls, err := strconv.Atoi(r.PostForm.Get("calls"))
	if err != nil {
		return refuse(http.StatusBadRequest, "The number of calls %q must be a whole number.", r.PostForm.Get("calls"))
	}
	rules, err := fault.Draw(seed, fault.Profile(r.PostForm.Get("profile")), calls)
	if err == nil {
		_, err = h.Faults.Add(rules)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "No fault was added: %v", err)
	}
	return nil
}

// removeFaults removes the rules that the form names; all only when it says so.
func (h *Handler) removeFaults(r *http.Request) error {
	ids := r.PostForm["id"]
	if r.PostForm.Get("all") != "yes" && len(ids) == 0 {
		return refuse(http.StatusBadRequest, "No fault was named.")
	}
	h.Faults.Clear(ids...)
	return nil
}
