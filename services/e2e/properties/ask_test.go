package properties

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/services/e2e/inprocess"
)

// fatal is what ends a case: rapid then looks for a smaller one.
func fatal(rt rapid.TB, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatal(err)
	}
}

// errNotFound is the API's answer when nothing matches.
var errNotFound = errors.New("not found")

type balance struct {
	Balance record.Balance `json:"balance"`
	AddsUp  bool           `json:"adds_up"`
	Repeats int64          `json:"repeats"`
	Unread  struct {
		Messages int64 `json:"messages"`
	} `json:"unread"`
}

// decided is the number of records that were read and judged.
func (b balance) decided() int64 { return b.Balance.Accepted + b.Repeats }

func (b balance) calm() bool {
	x := b.Balance
	return b.Unread.Messages == 0 && x.InFlight+x.Retrying+x.WaitingForParent+x.Unresolved == 0
}

// balance asks for the balance of a pipeline ("" = all) and a run ("" = all), and fails where it does not add up.
func (s *stack) balance(rt rapid.TB, pipeline, run string) balance {
	rt.Helper()
	q := url.Values{}
	if pipeline != "" {
		q.Set("pipeline", pipeline)
	}
	if run != "" {
		q.Set("run", run)
	}
	var b balance
	fatal(rt, s.ask(http.MethodGet, "/v1/balance?"+q.Encode(), nil, &b))
	x := b.Balance
	if sum := x.Landed + x.InFlight + x.Retrying + x.WaitingForParent + x.Unresolved + x.Dead + x.Superseded + x.Discarded + x.RolledBack; !b.AddsUp || sum != x.Accepted {
		rt.Fatalf("the balance of pipeline %q, run %q does not add up: %+v", pipeline, run, x)
	}
	for _, n := range []int64{x.Landed, x.InFlight, x.Retrying, x.WaitingForParent, x.Unresolved, x.Dead, x.Superseded, x.Discarded, x.RolledBack} {
		if n < 0 {
			rt.Fatalf("a term of pipeline %q, run %q is below zero: %+v", pipeline, run, x)
		}
	}
	return b
}

type letter struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Class string `json:"class"`
	Code  string `json:"code"`
}

// letters are the open ones of a pipeline.
func (s *stack) letters(rt rapid.TB, pipeline string) []letter {
	rt.Helper()
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	fatal(rt, s.ask(http.MethodGet, "/v1/dead-letters?page_size=1000&pipeline="+pipeline, nil, &page))
	return page.Letters
}

type history struct {
	Key        string `json:"key"`
	State      string `json:"state"`
	Generation int    `json:"generation"`
	ID         string `json:"salesforce_id"`
	Successor  string `json:"successor"`
	Origin     struct {
		Sequence number `json:"sequence"`
		Index    int    `json:"index"`
	} `json:"origin"`
}

// number is a 64-bit number of the API, in quotes or not.
type number uint64

func (n *number) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(text), `"`), 10, 64)
	*n = number(v)
	return err
}

func (s *stack) histories(rt rapid.TB, pipeline, entity string) []history {
	rt.Helper()
	var r struct {
		Records []history `json:"records"`
	}
	err := s.ask(http.MethodGet, "/v1/records?"+url.Values{"pipeline": {pipeline}, "entity": {entity}}.Encode(), nil, &r)
	if errors.Is(err, errNotFound) {
		return nil
	}
	fatal(rt, err)
	return r.Records
}

// order orders a verb for letters; nothing may be skipped.
func (s *stack) order(rt rapid.TB, verb string, ids []string) {
	rt.Helper()
	if len(ids) == 0 {
		return
	}
	var out struct {
		Replayed  int `json:"replayed"`
		Discarded int `json:"discarded"`
	}
	fatal(rt, s.ask(http.MethodPost, "/v1/dead-letters:"+verb,
		map[string]any{"ids": ids, "reason": "a case of the property", "by": "a test", "idempotency_key": fmt.Sprint(verb, ids[0], time.Now().UnixNano())}, &out))
	if out.Replayed+out.Discarded != len(ids) {
		rt.Fatalf("%s of %d letters: %+v", verb, len(ids), out)
	}
}

// reread reads a part of a stream again, and waits until that is done.
func (s *stack) reread(rt rapid.TB, pipeline string, from uint64) {
	rt.Helper()
	type reread struct {
		Reread struct {
			ID    string `json:"id"`
			Done  bool   `json:"done"`
			Error string `json:"error"`
		} `json:"reread"`
	}
	var r reread
	fatal(rt, s.ask(http.MethodPost, "/v1/pipelines/"+pipeline+":reread",
		map[string]any{"from_seq": from, "reason": "a case of the property", "by": "a test", "idempotency_key": fmt.Sprint(time.Now().UnixNano())}, &r))
	id := r.Reread.ID
	if !inprocess.Within(patience, func() bool {
		r = reread{}
		fatal(rt, s.ask(http.MethodGet, "/v1/rereads/"+id, nil, &r))
		return r.Reread.Done
	}) || r.Reread.Error != "" {
		rt.Fatalf("%s from %d is not read again: %+v", pipeline, from, r)
	}
}
