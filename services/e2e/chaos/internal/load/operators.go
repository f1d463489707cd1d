package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// How an operator deals with an ops that does not answer: the same order, with the same idempotency key, to the same instance, then to the
// other one, for a few seconds.
const (
	orderTries = 16
	ownTries   = 3
	orderPause = 300 * time.Millisecond
)

// person acts through one instance of ops.
type person struct {
	target history.Target
	ops    int // index of the instance
	name   string
	record func(history.Event)
}

func people(t history.Target, record func(history.Event)) []*person {
	return []*person{{t, 0, "ada", record}, {t, len(t.OpsURLs) - 1, "bea", record}}
}

// errNobody is told when no instance of ops answered.
var errNobody = errors.New("ops does not answer")

// ask calls an instance, and when that does not answer the others too, until one does, a few times. What it refuses is an answer.
func (p *person) ask(ctx context.Context, method, path string, in, out any) (int, string, error) {
	var last error
	for try := range orderTries {
		if try > 0 && !sleep(ctx, orderPause) {
			return 0, "", ctx.Err()
		}
		at := p.ops
		if try >= ownTries {
			at += try - ownTries + 1
		}
		status, answer, err := call(ctx, p.target, method, p.target.OpsURLs[at%len(p.target.OpsURLs)]+path, p.target.Token, in)
		switch {
		case err != nil:
			last = err
			continue
		case status >= http.StatusInternalServerError:
			last = fmt.Errorf("%d: %.300s", status, answer)
			continue
		case status == http.StatusOK && out != nil:
			if err := json.Unmarshal(answer, out); err != nil {
				return status, "", fmt.Errorf("%s %s: %w: %.300s", method, path, err, answer)
			}
		}
		return status, fmt.Sprintf("%.600s", answer), nil
	}
	return 0, "", fmt.Errorf("%w: %s %s: %w", errNobody, method, path, last)
}

// tell writes what became of an action into the timeline.
func (p *person) tell(what string, status int, answer string, err error) {
	p.record(p.told(what, status, answer, err))
}

// told is a line of the timeline about an action.
func (p *person) told(what string, status int, answer string, err error) history.Event {
	text := fmt.Sprintf("%s %s: ", p.name, what)
	if err != nil {
		text += err.Error()
	} else {
		text += fmt.Sprintf("%d %s", status, strings.Join(strings.Fields(answer), " "))
	}
	return history.Event{
		At: p.target.Since(), What: "operator", Target: fmt.Sprintf("ops-%d", p.ops+1), Text: text, Done: err == nil && status == http.StatusOK,
	}
}

// letter is one that the API lists.
type letter struct {
	ID       string `json:"id"`
	Pipeline string `json:"pipeline"`
	Entity   string `json:"entity"`
	Class    string `json:"class"`
	Code     string `json:"code"`
}

// dropped says whether an operator discards it.
func (l letter) dropped() bool { return strings.HasPrefix(l.Entity, dropPrefix) }

// hopeless says that the org refuses the record whatever happens.
func (l letter) hopeless() bool { return strings.HasPrefix(l.Entity, refusedPrefix) }

// maxLetters is the API's largest page: more letters than an operator looks at.
const maxLetters = 1000

// corrected are codes whose letters a person does not send again, because a replay sends what the letter says must be put right by whoever
// published it: another version or key, or a frame that is whole.
var corrected = []string{"VERSION_CONFLICT", "KEY_REUSED", "FRAME_UNREADABLE"}

// letters are open ones that a person sends again.
func (p *person) letters(ctx context.Context, query url.Values) ([]letter, error) {
	query.Set("page_size", fmt.Sprint(maxLetters))
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	status, answer, err := p.ask(ctx, http.MethodGet, "/v1/dead-letters?"+query.Encode(), nil, &page)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("list letters: %d: %s", status, answer)
	}
	return slices.DeleteFunc(page.Letters, func(l letter) bool { return l.Class == "unresolved" || slices.Contains(corrected, l.Code) }), nil
}

// order replays or discards letters.
func (p *person) order(ctx context.Context, verb, key string, in map[string]any) {
	in["idempotency_key"], in["by"], in["reason"] = key, p.name, "chaos: "+verb
	status, answer, err := p.ask(ctx, http.MethodPost, "/v1/dead-letters:"+verb, in, nil)
	e := p.told(verb+" "+key, status, answer, err)
	e.Order, e.Key = verb, key
	if m := actionID.FindStringSubmatch(answer); m != nil && e.Done {
		e.Action = m[1]
	}
	e.Letters, _ = in["ids"].([]string)
	if f, ok := in["filter"].(map[string]any); ok {
		e.Filter = fmt.Sprintf("%s/%s/%s", f["pipeline"], f["class"], f["code"])
	}
	p.record(e)
}

// actionID finds in an answer what the API calls an order.
var actionID = regexp.MustCompile(`"action_id"\s*:\s*"([^"]+)"`)

func idsOf(letters []letter) []string {
	out := make([]string, len(letters))
	for i, l := range letters {
		out[i] = l.ID
	}
	return out
}

// Replay is two operators at their desks who replay the same letters at the same moment, each through another instance of ops: some with one
// idempotency key, some with two, some by a filter; and one who discards the letters that are marked for it. Every answer goes into the
// timeline, refusals too. An error says that nothing could be ordered, because ops did not answer.
func Replay(ctx context.Context, t history.Target, p history.Plan, record func(history.Event)) error {
	both := people(t, record)
	open, err := both[0].letters(ctx, url.Values{})
	if err != nil {
		if open, err = both[1].letters(ctx, url.Values{}); err != nil {
			return err
		}
	}
	stem := fmt.Sprintf("%d-%.0f", p.Seed, t.Since())
	drop := slices.Clone(open)
	rest := slices.DeleteFunc(open, letter.dropped)
	drop = slices.DeleteFunc(drop, func(l letter) bool { return !l.dropped() })
	half := len(rest) / 2
	var wg sync.WaitGroup
	at := func(who int, verb, key string, in map[string]any) {
		wg.Go(func() { both[who].order(ctx, verb, key, in) })
	}
	if half > 0 {
		for who := range both {
			at(who, "replay", stem+"-same", map[string]any{"ids": idsOf(rest[:half])})
			at(who, "replay", fmt.Sprintf("%s-own-%d", stem, who), map[string]any{"ids": idsOf(rest[half:])})
		}
	}
	if len(drop) > 0 {
		at(0, "discard", stem+"-drop", map[string]any{"ids": idsOf(drop)})
		at(1, "discard", stem+"-drop", map[string]any{"ids": idsOf(drop)})
	}
	wg.Wait()
	both[0].filter(ctx, both[1], stem)
	return nil
}

// filter has two people replay the largest class of what is left by a filter, both with the number that they saw.
func (p *person) filter(ctx context.Context, other *person, stem string) {
	open, err := p.letters(ctx, url.Values{"pipeline": {parts}, "class": {"data"}})
	if err != nil {
		p.tell("letters of "+parts, 0, "", err)
		return
	}
	open = slices.DeleteFunc(open, letter.dropped)
	if len(open) == 0 {
		return
	}
	var wg sync.WaitGroup
	for who, x := range []*person{p, other} {
		wg.Go(func() {
			x.order(ctx, "replay", fmt.Sprintf("%s-filter-%d", stem, who), map[string]any{
				"filter": map[string]any{"pipeline": parts, "class": "data", "code": open[0].Code}, "expected_count": count(open, open[0].Code),
			})
		})
	}
	wg.Wait()
}

func count(letters []letter, code string) int {
	n := 0
	for _, l := range letters {
		if l.Code == code {
			n++
		}
	}
	return n
}

// Heals replays what only waited for something else: records whose parent came late, but not those whose parent never comes, and those with a
// member that the definition takes by now; and discards the letters that are marked for it. It is what an operator does when the storm is over; an error says that ops does not
// answer.
func Heals(ctx context.Context, t history.Target, record func(history.Event)) error {
	who := people(t, record)[0]
	for _, q := range []url.Values{{"pipeline": {children}, "class": {"reference"}}, {"pipeline": {parts}, "code": {"UNKNOWN_MEMBER"}}} {
		open, err := who.letters(ctx, q)
		if err != nil {
			return err
		}
		// What the org refuses for good would only be tried as often as its class allows once more.
		if open = slices.DeleteFunc(open, letter.hopeless); len(open) > 0 {
			who.order(ctx, "replay", fmt.Sprintf("heals-%s-%.0f", q.Get("pipeline"), t.Since()), map[string]any{"ids": idsOf(open)})
		}
	}
	drop, err := who.letters(ctx, url.Values{"pipeline": {parts}, "class": {"data"}})
	if err != nil {
		return err
	}
	if drop = slices.DeleteFunc(drop, func(l letter) bool { return !l.dropped() }); len(drop) > 0 {
		who.order(ctx, "discard", fmt.Sprintf("drops-%.0f", t.Since()), map[string]any{"ids": idsOf(drop)})
	}
	return nil
}

// Pause is what ops tells of a pause.
type Pause struct{ Service, Class, Code, Message string }

// Resume lifts every pause that stands, as an operator does who has read why and done away with the cause. It says so in the timeline. An
// error says that ops does not answer.
func Resume(ctx context.Context, t history.Target, record func(history.Event)) error {
	return Lift(ctx, t, record, func(context.Context, Pause) error { return nil })
}

// Lift is Resume by somebody who first does away with the cause of each pause. What they cannot do away with stays paused, and is told of as
// an error.
func Lift(ctx context.Context, t history.Target, record func(history.Event), cause func(context.Context, Pause) error) error {
	who := people(t, record)[0]
	var status struct {
		Pipelines []struct {
			Name   string
			Pauses []Pause
		}
	}
	code, answer, err := who.ask(ctx, http.MethodGet, "/v1/status", nil, &status)
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("status: %d: %s", code, answer)
	}
	var left []error
	for _, p := range status.Pipelines {
		if len(p.Pauses) == 0 {
			continue
		}
		var why []string
		var stays error
		for _, x := range p.Pauses {
			stays = errors.Join(stays, cause(ctx, x))
			why = append(why, fmt.Sprintf("%s %s %s: %.200s", x.Service, x.Class, x.Code, x.Message))
		}
		if stays != nil {
			left = append(left, fmt.Errorf("%s stays paused: %w", p.Name, stays))
			continue
		}
		code, answer, err := who.ask(ctx, http.MethodPost, "/v1/pipelines/"+p.Name+":resume",
			map[string]any{"reason": "chaos: the cause is gone", "by": who.name}, nil)
		who.tell("resume "+p.Name+" ("+strings.Join(why, "; ")+")", code, answer, err)
	}
	return errors.Join(left...)
}
