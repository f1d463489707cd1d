package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bulkhead/services/e2e/chaos/internal/history"
)

// What ops' API says, as far as it is needed.
type (
	opsBalance struct {
		Pipelines map[string]struct {
			Balance history.Balance `json:"balance"`
			Repeats int64           `json:"repeats"`
			Unread  struct {
				Messages int64 `json:"messages"`
			} `json:"unread"`
		} `json:"pipelines"`
	}
	opsLetters struct {
		Letters []history.FinalLetter `json:"dead_letters"`
		Next    string                `json:"next_page_token"`
	}
	opsHistories struct {
		Records []struct {
			Pipeline     string        `json:"pipeline"`
			Key          string        `json:"key"`
			State        string        `json:"state"`
			Generation   int           `json:"generation"`
			SalesforceID string        `json:"salesforce_id"`
			Origin       history.Place `json:"origin"`
			Successor    string        `json:"successor"`
		} `json:"records"`
	}
	opsStatus struct {
		Pipelines []struct {
			Name       string           `json:"name"`
			OpenChunks int              `json:"open_chunks"`
			OpenJobs   int              `json:"open_jobs"`
			Stopped    string           `json:"stopped"`
			Pauses     []map[string]any `json:"pauses"`
		} `json:"pipelines"`
		Items []map[string]any `json:"open_items"`
	}
	landedLine struct {
		Key        string `json:"key"`
		Generation int    `json:"generation"`
		ID         string `json:"salesforce_id"`
		Job        string `json:"job_id"`
		Seq        uint64 `json:"sequence"`
		Index      int    `json:"index"`
	}
	failedLine struct {
		Key        string `json:"key"`
		Entity     string `json:"entity"`
		Generation int    `json:"generation"`
		State      string `json:"state"`
		Seq        uint64 `json:"sequence"`
		Index      int    `json:"index"`
	}
)

// Bounds of how much is asked at the same time: an instance refuses a third export.
const (
	exportsAtOnce   = 4
	questionsAtOnce = 8
	letterPage      = 1000
)

// person owns what only an operator moves: letters that wait are no sign of unrest.
const person = "a person"

// ops asks for a path of the API, of either instance.
func ops[T any](ctx context.Context, c *collector, path string) (T, error) {
	var v T
	err := again(ctx, func(n int) (err error) {
		from := int(c.answered.Load())
		v, err = ask[T](ctx, c.target, c.instance(from+n)+path, c.target.Token)
		if err == nil && n > 0 {
			c.answered.Store(int32((from + n) % len(c.target.OpsURLs))) //nolint:gosec // there are two
		}
		return err
	})
	return v, err
}

// instance is one of them, counted round.
func (c *collector) instance(n int) string {
	return strings.TrimRight(c.target.OpsURLs[n%len(c.target.OpsURLs)], "/")
}

// ledger dumps what the API says.
func (c *collector) ledger(ctx context.Context) error {
	if len(c.target.OpsURLs) == 0 {
		return fmt.Errorf("no instance of ops is named: there is nobody to ask")
	}
	var landed, failed accounts
	err := atOnce(
		func() error { return c.balance(ctx) },
		func() error { return c.status(ctx) },
		func() error { return c.policies(ctx) },
		func() (err error) { landed, failed, err = c.exports(ctx); return err },
	)
	if err != nil {
		return err
	}
	return c.others(ctx, landed, failed)
}

func (c *collector) balance(ctx context.Context) error {
	b, err := ops[opsBalance](ctx, c, "/v1/balance")
	if err != nil {
		return fmt.Errorf("the balance: %w", err)
	}
	c.final.Balance = map[string]history.Balance{}
	for name, p := range b.Pipelines {
		p.Balance.Repeats, p.Balance.Unread = p.Repeats, p.Unread.Messages
		c.final.Balance[name] = p.Balance
	}
	return nil
}

// open reads the letters that the API calls open.
func (c *collector) open(ctx context.Context) error {
	c.final.Open = nil
	for token := ""; ; {
		page, err := ops[opsLetters](ctx, c, fmt.Sprintf("/v1/dead-letters?page_size=%d&page_token=%s", letterPage, url.QueryEscape(token)))
		if err != nil {
			return fmt.Errorf("open letters: %w", err)
		}
		c.final.Open = append(c.final.Open, page.Letters...)
		if token = page.Next; token == "" {
			return nil
		}
	}
}

// status notes what the API still calls open, paused or stopped.
func (c *collector) status(ctx context.Context) error {
	s, err := ops[opsStatus](ctx, c, "/v1/status")
	if err != nil {
		return fmt.Errorf("the status: %w", err)
	}
	note := func(format string, args ...any) {
		c.final.Unsettled = append(c.final.Unsettled, fmt.Sprintf(format, args...))
	}
	for _, p := range s.Pipelines {
		if p.OpenChunks > 0 || p.OpenJobs > 0 {
			note("%s: %d chunks and %d jobs are open", p.Name, p.OpenChunks, p.OpenJobs)
		}
		if p.Stopped != "" {
			note("%s: stopped: %s", p.Name, p.Stopped)
		}
		for _, pause := range p.Pauses {
			note("%s: paused: %s", p.Name, text(pause))
		}
	}
	for _, item := range s.Items {
		if item["owner"] != person {
			note("open: %s", text(item))
		}
	}
	return nil
}

// accounts are the records that an export has, by pipeline.
type accounts map[string]*account

type account struct {
	keys   map[string]bool
	places map[history.Place]bool
}

func newAccounts(pipelines []history.Pipeline) accounts {
	a := accounts{}
	for _, p := range pipelines {
		a[p.Name] = &account{keys: map[string]bool{}, places: map[history.Place]bool{}}
	}
	return a
}

func (a *account) add(key string, place history.Place) { a.keys[key], a.places[place] = true, true }

// exports dumps what landed, and takes what did not into the records of final.json.
func (c *collector) exports(ctx context.Context) (landed, failed accounts, err error) {
	out, err := c.create(history.LandedFile)
	if err != nil {
		return nil, nil, err
	}
	landed, failed = newAccounts(c.pipelines), newAccounts(c.pipelines)
	type export struct {
		kind, pipeline string
		n              int
	}
	var todo []export
	for i, p := range c.pipelines {
		todo = append(todo, export{"landed", p.Name, i}, export{"failed", p.Name, i})
	}
	var mu sync.Mutex // of final.Records
	err = each(ctx, todo, exportsAtOnce, func(ctx context.Context, e export) error {
		path := fmt.Sprintf("/v1/exports/%s?format=ndjson&pipeline=%s", e.kind, url.QueryEscape(e.pipeline))
		if e.kind == "landed" {
			lines, err := exported[landedLine](ctx, c, e.n, path)
			for _, l := range lines {
				place := history.Place{Seq: l.Seq, Index: l.Index}
				landed[e.pipeline].add(l.Key, place)
				_ = out.Put(history.Landed{ // Close says it
					Pipeline: e.pipeline, Key: l.Key, Generation: l.Generation, ID: l.ID, Job: l.Job, Origin: place,
				})
			}
			return err
		}
		lines, err := exported[failedLine](ctx, c, e.n, path)
		mu.Lock()
		defer mu.Unlock()
		for _, l := range lines {
			place := history.Place{Seq: l.Seq, Index: l.Index}
			failed[e.pipeline].add(l.Key, place)
			c.final.Records = append(c.final.Records, history.FinalRecord{
				Pipeline: e.pipeline, Key: l.Key, Entity: l.Entity, Generation: l.Generation, State: l.State, Origin: place,
			})
		}
		return err
	})
	if closed := out.Close(); err == nil {
		err = closed
	}
	return landed, failed, err
}

// exported reads an export, from one instance or the other. One that is shorter than it announces is read again;
// one that never comes whole is noted, with as much of it as came.
func exported[T any](ctx context.Context, c *collector, from int, path string) ([]T, error) {
	var lines []T
	err := again(ctx, func(n int) error {
		lines = nil
		return read(ctx, c.target, c.instance(from+n)+path, c.target.Token, func(h http.Header, body io.Reader) error {
			for l, err := range history.Lines[T](body) {
				if err != nil {
					return err
				}
				lines = append(lines, l)
			}
			if want := h.Get("Bulkhead-Records"); want != strconv.Itoa(len(lines)) {
				return fmt.Errorf("%d lines came and %s were announced", len(lines), want)
			}
			return nil
		})
	})
	if errors.Is(err, errNotWhole) && ctx.Err() == nil {
		// ops breaks one off that is not what its own balance says: that is for the judge, with what came.
		c.broken.Lock()
		defer c.broken.Unlock()
		c.final.Broken = append(c.final.Broken, fmt.Sprintf("%s, asked %d times: %s", path, tries, err))
		return lines, nil
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return lines, nil
}

// others asks what became of each published record that no export has: by its key, else by its entity.
func (c *collector) others(ctx context.Context, landed, failed accounts) error {
	var todo []string
	asked := map[string]bool{}
	for _, p := range c.published {
		l, f := landed[p.Pipeline], failed[p.Pipeline]
		if p.Answer == history.Failed || l == nil {
			continue
		}
		place := history.Place{Seq: p.Seq, Index: p.Index}
		q := url.Values{"pipeline": {p.Pipeline}}
		switch {
		case p.Key != "" && (l.keys[p.Key] || f.keys[p.Key]), p.Key == "" && p.Seq > 0 && (l.places[place] || f.places[place]):
			continue
		case p.Key != "":
			q.Set("key", p.Key)
		case p.Entity != "":
			q.Set("entity", p.Entity)
		default:
			continue // nothing names it: it is in an export, or it is lost
		}
		if path := "/v1/records?" + q.Encode(); !asked[path] {
			asked[path] = true
			todo = append(todo, path)
		}
	}
	var mu sync.Mutex
	err := each(ctx, todo, questionsAtOnce, func(ctx context.Context, path string) error {
		answer, err := ops[opsHistories](ctx, c, path)
		if errors.Is(err, errNone) {
			return nil // the ledger knows nothing of it: what that means is for the judge to say
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range answer.Records {
			if l := landed[r.Pipeline]; l == nil || l.keys[r.Key] || failed[r.Pipeline].keys[r.Key] {
				continue // an entity's others
			}
			failed[r.Pipeline].keys[r.Key] = true
			c.final.Records = append(c.final.Records, history.FinalRecord{
				Pipeline: r.Pipeline, Key: r.Key, Generation: r.Generation, State: r.State, Successor: r.Successor, ID: r.SalesforceID, Origin: r.Origin,
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	slices.SortFunc(c.final.Records, func(a, b history.FinalRecord) int {
		return strings.Compare(a.Pipeline+"\x00"+a.Key, b.Pipeline+"\x00"+b.Key)
	})
	return nil
}
