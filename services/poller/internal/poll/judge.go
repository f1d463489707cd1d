package poll

import (
	"time"

	"bulkhead/libs/salesforce"
)

// State is a watch's state, as the table says it.
type State string

// The states of a watch. Watching is moved on by the poller alone; the other two are final.
const (
	// StateWatching: the job has not ended as far as we know.
	StateWatching State = "watching"
	// StateFinished: Salesforce said JobComplete, Failed or Aborted.
	StateFinished State = "finished"
	// StateGone: Salesforce does not know the job any more, confirmed.
	StateGone State = "gone"
)

// CountersUnknown stands for both counters of a job that ended without telling usable ones.
const CountersUnknown = -1

// goneLooks is how many answers 404 in a row it takes, over gone.wait, to believe them: a job may be unknown for a moment to one server of
// an org that moves.
const goneLooks = 3

// Watch is what is known of a job before or after a look. Times are the ledger's.
type Watch struct {
	// Rows is how many rows were sent.
	Rows int
	// JobID is the job's id, 15 or 18 characters.
	JobID string
	// SubmittedAt is when the job left Open, LookedAt when it was last looked at (zero: never).
	SubmittedAt, LookedAt time.Time
	// Looks counts the answered looks, Errors the unanswered ones since.
	Looks, Errors int
	// JobState is the last state seen, as Salesforce writes it; "gone" of a watch that ended so.
	JobState string
	// Processed and Failed are Salesforce's counters at the last look; [CountersUnknown] when a final answer had none.
	Processed, Failed int64
	// ErrorMessage is Salesforce's, of a Failed job.
	ErrorMessage string
	// ProgressedAt is when the state or the counters last moved; zero: never.
	ProgressedAt time.Time
	// NotFound counts the 404s in a row, FirstNotFoundAt is the first of them.
	NotFound        int
	FirstNotFoundAt time.Time
	// LastError says why the last look brought nothing; "" when it did.
	LastError string
}

// Seen is what one look brought: exactly one of an answer, "not found" and a failure.
type Seen struct {
	// Info is the answer, when the two below are empty.
	Info salesforce.JobInfo
	// NotFound: Salesforce answered 404, and the org that answered is the right one.
	NotFound bool
	// Failure says why there is no answer.
	Failure string
	// Hint is how long a failed call asked to wait; 0 = it did not.
	Hint time.Duration
	// GivenTime: the org is, by its circuit, for so long as Hint says. Held: for that reason nothing was sent. It is no error of this watch.
	GivenTime, Held bool
}

// Verdict is what follows from a look.
type Verdict struct {
	// State is the watch's next state, Watch all else that is now known.
	State State
	Watch Watch
	// NextLookAt is when to look again, if it is still watched.
	NextLookAt time.Time
	// Odd says what a person should know of this look; "" = nothing.
	Odd string
	// Stalled: with this look it has been without progress for another whole stall time.
	Stalled bool
}

// Judge decides what a look means. gone is the setting gone.wait, rnd a random number in [0,1).
func Judge(w Watch, seen Seen, now time.Time, rnd float64, pace Pace, gone time.Duration) Verdict {
	before := w
	if seen.Failure == "" && !seen.NotFound && !sameJob(seen.Info.ID, w.JobID) {
		// An answer about another job must not touch this one, however it came about.
		seen = Seen{Failure: "the answer is about job " + seen.Info.ID}
	}
	w.LookedAt = now
	switch {
	case seen.Held:
		wait := seen.Hint
		if w.Errors == 0 {
			w.LastError = seen.Failure
		} else { // it still says of what it failed, and comes after those that have not
			wait = salesforce.Behind(wait, pace.Backoff(w.Errors, 0, rnd))
		}
		v := Verdict{State: StateWatching, Watch: w, NextLookAt: now.Add(wait)}
		v.Stalled = stalled(before, w, now, pace.Stall)
		return v
	case seen.Failure != "":
		w.Errors++
		w.LastError = seen.Failure
		wait := pace.Backoff(w.Errors, seen.Hint, rnd)
		if seen.GivenTime {
			wait = max(wait, salesforce.Behind(seen.Hint, pace.Backoff(w.Errors, 0, rnd)))
		}
		v := Verdict{State: StateWatching, Watch: w, NextLookAt: now.Add(wait)}
		v.Stalled = stalled(before, w, now, pace.Stall)
		return v
	case seen.NotFound:
		return judgeNotFound(w, now, gone)
	}

	w.Looks++
	w.Errors, w.LastError = 0, ""
	w.NotFound, w.FirstNotFoundAt = 0, time.Time{}
	info := seen.Info
	if info.State != w.JobState || info.HasCounters && (info.Processed != w.Processed || info.Failed != w.Failed) {
		w.ProgressedAt = now
	}
	w.JobState, w.ErrorMessage = info.State, info.ErrorMessage
	if info.HasCounters {
		w.Processed, w.Failed = info.Processed, info.Failed
	}
	v := Verdict{State: StateWatching, Watch: w}
	switch info.State {
	case salesforce.StateJobComplete, salesforce.StateFailed, salesforce.StateAborted:
		if !info.HasCounters {
			v.Watch.Processed, v.Watch.Failed = CountersUnknown, CountersUnknown
			v.Odd = "the job ended without usable counters"
		}
		v.State = StateFinished
		return v
	case salesforce.StateUploadComplete, salesforce.StateInProgress:
	case salesforce.StateOpen:
		v.Odd = "the job is shown as Open again although it was closed"
	default:
		v.Odd = "the job is in a state that is not known"
	}
	v.NextLookAt = now.Add(pace.NextLook(w, now, rnd))
	v.Stalled = stalled(before, w, now, pace.Stall)
	return v
}

func judgeNotFound(w Watch, now time.Time, gone time.Duration) Verdict {
	w.Looks++
	w.Errors, w.LastError = 0, ""
	if w.NotFound == 0 {
		w.FirstNotFoundAt = now
	}
	w.NotFound++
	due := w.FirstNotFoundAt.Add(gone)
	if w.NotFound >= goneLooks && !now.Before(due) {
		w.JobState = string(StateGone)
		return Verdict{State: StateGone, Watch: w}
	}
	next := now.Add(gone / (goneLooks - 1))
	if w.NotFound >= goneLooks-1 {
		// The last look that is needed comes no earlier than the whole wait after the first.
		next = later(due, now.Add(gone/10))
	}
	return Verdict{State: StateWatching, Watch: w, NextLookAt: next, Odd: "Salesforce does not know the job"}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stalled says whether the time without progress went past a whole multiple of limit since the look before.
func stalled(before, w Watch, now time.Time, limit time.Duration) bool {
	since := w.ProgressedAt
	if since.IsZero() {
		since = w.SubmittedAt
	}
	last := before.LookedAt
	if last.Before(since) {
		last = since
	}
	return limit > 0 && now.Sub(since)/limit > last.Sub(since)/limit
}

// sameJob compares ids of either length; the last three of eighteen characters carry no identity.
func sameJob(a, b string) bool {
	return len(a) >= 15 && len(b) >= 15 && a[:15] == b[:15]
}
