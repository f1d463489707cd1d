// Package calls is the record of every request that the simulated org was sent, for tests that ask what a client really
// did and at which moment.
//
// What always holds: a call is numbered and visible when it begins, and completed when it ends, also when a fault cut
// its connection; numbers rise by one without gaps. At least the newest Keep calls are kept; Log.Lost says how
// many are not.
package calls

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	// Keep is how many calls are kept, some 300 bytes each.
	Keep = 200_000
	// maxPath bounds the path that a call keeps, in bytes, so that nobody fills the memory with long ones.
	maxPath = 512
)

// Call is one request.
type Call struct {
	N        int64     `json:"n"` // from 1
	At       time.Time `json:"at"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Endpoint string    `json:"endpoint"`
	Object   string    `json:"object,omitempty"`
	Job      string    `json:"job_id,omitempty"`
	// Done is false while the request is being served; all members below are set with it.
	Done bool `json:"done"`
	// Status is what the caller was answered, 0 when its connection was cut before a status line.
	Status int `json:"status"`
	// Applied says that the request had its effect, that is, the org answered below 400, whatever the caller learnt of it.
	Applied bool  `json:"applied"`
	Rows    int   `json:"rows,omitempty"`       // of an upload
	Sent    int64 `json:"bytes_sent,omitempty"` // of the answer's body, before compression
	// Received counts the bytes of the request's body as they came over the wire, as far as they were read.
	Received int64 `json:"bytes_received,omitempty"`
	// Took is how long the org was busy with the request, in real time, waits that a fault asked for included.
	Took settings.Duration `json:"took"`
	// User is the Id of the user whose session the request carried; "" without a session.
	User string `json:"user,omitempty"`
	// Faults are the ids of the fault rules that took effect.
	Faults []string `json:"faults,omitempty"`
}

// Log is safe for concurrent use; its zero value is empty.
type Log struct {
	mu      sync.Mutex
	calls   []Call
	first   int64 // number of calls[0]
	lost    int64
	changed wake.Signal

	saved     []Saved
	savedRows int
	lostSaved int64
}

// Begin adds a call and returns its number. A long path is shortened.
func (l *Log) Begin(c Call) int64 {
	if len(c.Path) > maxPath {
		c.Path = strings.ToValidUTF8(c.Path[:maxPath], "") + "…"
	}
	c.Path = strings.Clone(c.Path) // the request it is a part of may go
	l.mu.Lock()
	if len(l.calls) == 0 && l.first == 0 {
		l.first = 1
	}
	if len(l.calls) >= Keep+Keep/10 { // in portions, so that the cost is spread
		drop := len(l.calls) - Keep
		l.calls = append([]Call(nil), l.calls[drop:]...)
		l.first += int64(drop)
		l.lost += int64(drop)
	}
	c.N = l.first + int64(len(l.calls))
	l.calls = append(l.calls, c)
	l.mu.Unlock()
	l.changed.Broadcast()
	return c.N
}

// End completes a call by changing it in place.
func (l *Log) End(n int64, change func(*Call)) {
	l.mu.Lock()
	if i := n - l.first; i >= 0 && i < int64(len(l.calls)) {
		change(&l.calls[i])
		l.calls[i].Done = true
	}
	l.mu.Unlock()
	l.changed.Broadcast()
}

// Filter chooses calls; empty members choose all.
type Filter struct {
	Since    int64 // numbers above this
	Before   int64 // numbers below this; 0 = no bound
	Endpoint string
	Job      string
	Done     bool // completed calls only
	Newest   bool // latest first, and Limit keeps the latest
	Limit    int  // 0 = no limit
}

func (f Filter) wants(c *Call) bool {
	return (f.Endpoint == "" || c.Endpoint == f.Endpoint) && (f.Job == "" || c.Job == f.Job) && (!f.Done || c.Done)
}

// List returns copies of the chosen calls, oldest first unless the filter says otherwise.
func (l *Log) List(f Filter) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	chosen := l.calls[min(max(f.Since+1-l.first, 0), int64(len(l.calls))):]
	if f.Before > 0 {
		chosen = chosen[:max(min(f.Before-f.Since-1, f.Before-l.first, int64(len(chosen))), 0)]
	}
	out := []Call{}
	take := func(c *Call) bool {
		if f.wants(c) {
			out = append(out, *c)
		}
		return f.Limit == 0 || len(out) < f.Limit
	}
	if f.Newest {
		for i := range slices.Backward(chosen) {
			if !take(&chosen[i]) {
				break
			}
		}
		return out
	}
	for i := range chosen {
		if !take(&chosen[i]) {
			break
		}
	}
	return out
}

// Await returns the chosen calls as soon as there is one, or none when ctx ends.
func (l *Log) Await(ctx context.Context, f Filter) []Call {
	for {
		changed := l.changed.Chan()
		if out := l.List(f); len(out) > 0 {
			return out
		}
		select {
		case <-ctx.Done():
			return []Call{}
		case <-changed:
		}
	}
}

// Lost is the number of calls that are not kept any more.
func (l *Log) Lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Reset forgets all calls. Numbers go on, so a call that is under way is never taken for a later one.
func (l *Log) Reset() {
	l.mu.Lock()
	l.first += int64(len(l.calls))
	l.calls, l.lost = nil, 0
	l.saved, l.savedRows, l.lostSaved = nil, 0, 0
	l.mu.Unlock()
	l.changed.Broadcast()
}
