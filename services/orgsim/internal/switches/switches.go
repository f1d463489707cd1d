// Package switches holds the points on which nobody outside Salesforce knows what an org does: each is a question with
// named positions, the best guess being the default. A client that is right must be right in every position.
//
// Start with All, the list that GET /sim/switches shows, then Store. What always holds: a stored position is one that
// its switch has; readers see either the old set or the new one. What a position does is written where it does it.
// Left to others: the org's speed and limits (package settings), and misbehaviour that no org should show (package
// fault).
package switches

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Name names a switch.
type Name string

// The switches; All says what each is about.
const (
	EmbeddedNewlines   Name = "embedded_newlines"
	UnfinishedResults  Name = "unfinished_results"
	CloseWithoutUpload Name = "close_without_upload"
	HeaderOnly         Name = "header_only"
	OversizedUpload    Name = "oversized_upload"
	UploadNotOpen      Name = "upload_not_open"
	CloseTwice         Name = "close_twice"
	OtherState         Name = "other_state"
	ResultDelimiter    Name = "result_delimiter"
	ResultLineEnding   Name = "result_line_ending"
	RepeatedColumn     Name = "repeated_column"
	OpenTooLong        Name = "open_too_long"
	LockFailures       Name = "lock_failures"
	UnprocessedCounted Name = "unprocessed_counted"
	SameKeyTwice       Name = "same_key_twice"
	GzipRequests       Name = "gzip_requests"
	BlankID            Name = "blank_id"
	BlankIDColumn      Name = "blank_id_column"
	SOAPLogin          Name = "soap_login"
	ParallelKeys       Name = "parallel_keys"
)

// Position is a place that a switch can have.
type Position string

// Switch is one open question.
type Switch struct {
	Name     Name   `json:"name"`
	Question string `json:"question"`
	// Positions are all answers with what each means; the first is the guess and the default.
	Positions []Answer `json:"positions"`
}

// Answer is one position and what it means.
type Answer struct {
	Position Position `json:"position"`
	Means    string   `json:"means"`
}

// Store holds the position of every switch. It is safe for concurrent use.
type Store struct {
	changing sync.Mutex
	now      atomic.Pointer[map[Name]Position]
}

// NewStore returns every switch in its default position.
func NewStore() *Store {
	st := &Store{}
	st.Reset()
	return st
}

// Reset returns every switch to its default.
func (st *Store) Reset() {
	st.changing.Lock()
	defer st.changing.Unlock()
	defaults := map[Name]Position{}
	for _, s := range All {
		defaults[s.Name] = s.Positions[0].Position
	}
	st.now.Store(&defaults)
}

// Get returns the position of a switch.
func (st *Store) Get(name Name) Position { return (*st.now.Load())[name] }

// Positions returns the position of every switch.
func (st *Store) Positions() map[Name]Position { return maps.Clone(*st.now.Load()) }

// Set moves one switch.
func (st *Store) Set(name Name, to Position) error {
	return st.change(map[Name]Position{name: to})
}

// Merge moves the switches that a JSON object names, {"same_key_twice":"all_but_first"}, and leaves the others. An
// error changes nothing.
func (st *Store) Merge(body []byte) error {
	var wanted map[Name]Position
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&wanted); err != nil {
		return fmt.Errorf("switches: the body must be an object of names and positions: %w", err)
	}
	return st.change(wanted)
}

func (st *Store) change(wanted map[Name]Position) error {
	st.changing.Lock()
	defer st.changing.Unlock()
	next := st.Positions()
	for name, to := range wanted {
		if err := check(name, to); err != nil {
			return err
		}
		next[name] = to
	}
	st.now.Store(&next)
	return nil
}

// check refuses what is no switch, or no position of it, and names what there is.
func check(name Name, to Position) error {
	i := slices.IndexFunc(All, func(s Switch) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no switch %q; GET /sim/switches lists them", name)
	}
	var there []string
	for _, a := range All[i].Positions {
		if a.Position == to {
			return nil
		}
		there = append(there, string(a.Position))
	}
	return fmt.Errorf("switch %s has no position %q: use %s", name, to, strings.Join(there, " or "))
}
