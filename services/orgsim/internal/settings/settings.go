// Package settings holds what a test or an operator may change about the simulated org while it runs: its speed, its
// limits and its features. What is not known about real orgs is a switch instead (package switches).
//
// What always holds: a stored set of settings has been checked whole; readers see either the old set or the new one.
// The JSON form uses Go duration texts ("50ms") and refuses unknown members.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bulkhead/services/orgsim/internal/wake"
)

// Duration is a time.Duration that reads and writes JSON as a Go duration text.
type Duration time.Duration

// MarshalJSON writes the duration as text, such as "1m30s".
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads a Go duration text.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a text such as \"50ms\", not %s", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("a duration is a text such as \"50ms\": %w", err)
	}
	*d = Duration(v)
	return nil
}

// Settings are all adjustable values. Default names each default and why.
type Settings struct {
	// QueueDelay is how long a closed job waits before it is InProgress.
	QueueDelay Duration `json:"queue_delay"`
	// RowsPerSecond is the org's speed over all jobs, in rows saved per second; 0 = as fast as it can.
	RowsPerSecond int `json:"rows_per_second"`
	// ParallelBatches is how many internal batches are saved at the same time, over all jobs.
	ParallelBatches int `json:"parallel_batches"`
	// BatchRows and TransactionRows are the sizes of an internal batch and of one transaction, in rows.
	BatchRows       int `json:"batch_rows"`
	TransactionRows int `json:"transaction_rows"`
	// DailyAPILimit is the number of API calls in any 24 hours.
	DailyAPILimit int `json:"daily_api_limit"`
	// DailyBatchLimit is the number of internal batches in any 24 hours.
	DailyBatchLimit int `json:"daily_batch_limit"`
	// DailyRowLimit is the number of rows that jobs may process in any 24 hours; a job that needs more fails.
	DailyRowLimit int `json:"daily_row_limit"`
	// DailyQueryJobLimit is the number of query jobs in any 24 hours, DailyQueryKilobytes what their results may take, in
	// units of 1,024 bytes; a job that needs more fails.
	DailyQueryJobLimit  int   `json:"daily_query_job_limit"`
	DailyQueryKilobytes int64 `json:"daily_query_kilobytes"`
	// QueryPageRows is where the result of a query job is divided: every so many rows begins a page, and callers may ask for
	// smaller ones.
	QueryPageRows int `json:"query_page_rows"`
	// BatchTime is how long one try of an internal batch may take, on the org's clock; then it is put back, up to 20 times.
	BatchTime Duration `json:"batch_time"`
	// MaxUploadBytes is the largest CSV of one job, counted after base64 (four thirds of the raw bytes).
	MaxUploadBytes int64 `json:"max_upload_bytes"`
	// TokenTTL is how long an access token is good for.
	TokenTTL Duration `json:"token_ttl"`
	// ShuffleResults mixes the rows of result files; ShuffleSeed makes the mix repeatable.
	ShuffleResults bool  `json:"shuffle_results"`
	ShuffleSeed    int64 `json:"shuffle_seed"`
	// GzipReplies compresses CSV and large JSON for callers that accept it.
	GzipReplies bool `json:"gzip_replies"`
	// HardDelete grants the permission "Bulk API Hard Delete".
	HardDelete bool `json:"hard_delete"`
	// LockWait switches lock contention on when above zero: a transaction holds the parents of its rows for as long as
	// it takes; another batch that needs one of them waits this long, then its row fails with UNABLE_TO_LOCK_ROW.
	LockWait Duration `json:"lock_wait"`
	// GoneJobBytes is how much memory the uploads and outcomes of jobs that were deleted, expired or vanished may take: the
	// control API shows them until newer ones need the room.
	GoneJobBytes int64 `json:"gone_job_bytes"`
}

// Default returns the settings a fresh org starts with.
func Default() Settings {
	return Settings{
		QueueDelay:      Duration(50 * time.Millisecond), // a real queue takes seconds; tests have none to spare
		RowsPerSecond:   20_000,                          // slow enough that InProgress can be seen
		ParallelBatches: 5,                               // not published by Salesforce; a guess
		BatchRows:       10_000,                          // Salesforce: one internal batch
		TransactionRows: 200,                             // Salesforce: one transaction
		DailyAPILimit:   100_000,                         // Salesforce: Enterprise Edition without licences
		DailyBatchLimit: 15_000,                          // Salesforce: shared by Bulk 1.0 and 2.0
		DailyRowLimit:   150_000_000,                     // Salesforce: ingest rows in 24 hours
		BatchTime:       Duration(5 * time.Minute),       // Salesforce: the limit of one batch

		DailyQueryJobLimit:  10_000,        // Salesforce: query jobs in 24 hours
		DailyQueryKilobytes: 1_000_000_000, // Salesforce: 1 TB of results in 24 hours
		QueryPageRows:       100_000,       // Salesforce: the usual size of a chunk; where results are divided is not published

		MaxUploadBytes: 150_000_000,             // Salesforce: 150 MB after base64
		TokenTTL:       Duration(2 * time.Hour), // Salesforce: the usual session setting
		ShuffleResults: true,                    // order is not promised, so callers must not rely on it
		ShuffleSeed:    1,
		GzipReplies:    true,
		GoneJobBytes:   256_000_000, // some two and a half million rows of 250 bytes
	}
}

// Check names the first setting that makes no sense.
func (s Settings) Check() error {
	switch {
	case s.QueueDelay < 0:
		return errors.New("queue_delay is negative: give 0s or more")
	case s.RowsPerSecond < 0:
		return errors.New("rows_per_second is negative: give 0 for no limit")
	case s.ParallelBatches < 1:
		return errors.New("parallel_batches is below 1")
	case s.TransactionRows < 1:
		return errors.New("transaction_rows is below 1")
	case s.BatchRows < s.TransactionRows || s.BatchRows%s.TransactionRows != 0:
		return errors.New("batch_rows must be a multiple of transaction_rows")
	case s.DailyAPILimit < 0:
		return errors.New("daily_api_limit is negative")
	case s.DailyBatchLimit < 0:
		return errors.New("daily_batch_limit is negative")
	case s.DailyRowLimit < 0:
		return errors.New("daily_row_limit is negative")
	case s.DailyQueryJobLimit < 0:
		return errors.New("daily_query_job_limit is negative")
	case s.DailyQueryKilobytes < 0:
		return errors.New("daily_query_kilobytes is negative")
	case s.QueryPageRows < 1:
		return errors.New("query_page_rows is below 1")
	case s.BatchTime <= 0:
		return errors.New("batch_time must be above 0s")
	case s.MaxUploadBytes < 1:
		return errors.New("max_upload_bytes is below 1")
	case s.TokenTTL <= 0:
		return errors.New("token_ttl must be above 0s")
	case s.LockWait < 0:
		return errors.New("lock_wait is negative: give 0s for no contention")
	case s.GoneJobBytes < 0:
		return errors.New("gone_job_bytes is negative: give 0 to keep nothing of jobs that are gone")
	}
	return nil
}

// Store holds the settings in force.
type Store struct {
	initial Settings
	now     atomic.Pointer[Settings]
	changed wake.Signal
}

// NewStore checks initial and makes it the settings in force.
func NewStore(initial Settings) (*Store, error) {
	if err := initial.Check(); err != nil {
		return nil, err
	}
	st := &Store{initial: initial}
	st.now.Store(&initial)
	return st, nil
}

// Get returns the settings in force.
func (st *Store) Get() Settings { return *st.now.Load() }

// Merge changes the members that the JSON object names and leaves the others. An error changes nothing.
func (st *Store) Merge(body []byte) (Settings, error) {
	next := st.Get()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&next); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if err := next.Check(); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	st.set(next)
	return next, nil
}

// Reset returns to the initial settings.
func (st *Store) Reset() {
	st.set(st.initial)
}

func (st *Store) set(s Settings) {
	st.now.Store(&s)
	st.changed.Broadcast()
}

// Changed is closed when the settings change next, so that who waits by them can look again.
func (st *Store) Changed() <-chan struct{} { return st.changed.Chan() }
