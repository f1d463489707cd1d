package poll

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/salesforce"
)

const testJob = "7505g00000abcdEAAQ"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func info(state string, processed, failed int64) Seen {
	return Seen{Info: salesforce.JobInfo{ID: testJob, State: state, Processed: processed, Failed: failed, HasCounters: true}}
}

func TestJudge(t *testing.T) {
	watch := Watch{Rows: 1000, JobID: testJob, SubmittedAt: start}
	judge := func(w Watch, s Seen, at time.Time) Verdict { return Judge(w, s, at, 0, DefaultPace(), 2*time.Minute) }

	for _, state := range []string{salesforce.StateJobComplete, salesforce.StateFailed, salesforce.StateAborted} {
		t.Run(state+" ends the watch with the counters of the answer", func(t *testing.T) {
			v := judge(watch, info(state, 1000, 7), start.Add(time.Minute))
			if v.State != StateFinished || v.Watch.JobState != state || v.Watch.Processed != 1000 || v.Watch.Failed != 7 {
				t.Fatalf("%+v", v)
			}
		})
	}
	for _, state := range []string{salesforce.StateOpen, salesforce.StateUploadComplete, salesforce.StateInProgress, "Hibernating", ""} {
		t.Run("a job in state "+state+" is watched on", func(t *testing.T) {
			v := judge(watch, info(state, 0, 0), start.Add(time.Minute))
			if v.State != StateWatching || !v.NextLookAt.After(start.Add(time.Minute)) {
				t.Fatalf("%+v", v)
			}
			known := state == salesforce.StateUploadComplete || state == salesforce.StateInProgress
			if (v.Odd == "") != known {
				t.Fatalf("odd %q", v.Odd)
			}
		})
	}
	t.Run("a final state without usable counters says so instead of zero", func(t *testing.T) {
		seen := info(salesforce.StateJobComplete, 0, 0)
		seen.Info.HasCounters = false
		v := judge(watch, seen, start.Add(time.Minute))
		if v.State != StateFinished || v.Watch.Processed != CountersUnknown || v.Watch.Failed != CountersUnknown {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("an answer about another job is a failed look", func(t *testing.T) {
		seen := info(salesforce.StateJobComplete, 1000, 0)
		seen.Info.ID = "7505g00000wxyzEAAQ"
		v := judge(watch, seen, start.Add(time.Minute))
		if v.State != StateWatching || v.Watch.Errors != 1 || v.Watch.LastError == "" || v.Watch.JobState != "" {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("the fifteen characters of the short id are the same job", func(t *testing.T) {
		seen := info(salesforce.StateJobComplete, 1000, 0)
		seen.Info.ID = testJob[:15]
		if v := judge(watch, seen, start.Add(time.Minute)); v.State != StateFinished {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("an answer forgets errors and 404s", func(t *testing.T) {
		w := watch
		w.Errors, w.LastError, w.NotFound, w.FirstNotFoundAt = 9, "broken", 2, start
		v := judge(w, info(salesforce.StateInProgress, 10, 0), start.Add(time.Minute))
		if v.Watch.Errors != 0 || v.Watch.LastError != "" || v.Watch.NotFound != 0 || !v.Watch.FirstNotFoundAt.IsZero() {
			t.Fatalf("%+v", v.Watch)
		}
	})
}

func TestJudgeNotFound(t *testing.T) {
	const gone = 2 * time.Minute
	judge := func(w Watch, s Seen, at time.Time) Verdict { return Judge(w, s, at, 0, DefaultPace(), gone) }
	watch := Watch{Rows: 1000, JobID: testJob, SubmittedAt: start}

	t.Run("three answers over the whole wait and nothing less make a job gone", func(t *testing.T) {
		at, w, looks := start, watch, 0
		for {
			v := judge(w, Seen{NotFound: true}, at)
			looks++
			if v.State == StateGone {
				break
			}
			w, at = v.Watch, v.NextLookAt
			if looks > 10 {
				t.Fatal("never gone")
			}
		}
		if looks != 3 || at.Sub(start) < gone {
			t.Fatalf("gone after %d looks over %v", looks, at.Sub(start))
		}
	})
	t.Run("many answers before the wait is over are not enough", func(t *testing.T) {
		w := watch
		for i := range 20 {
			v := judge(w, Seen{NotFound: true}, start.Add(time.Duration(i)*time.Second))
			if v.State != StateWatching {
				t.Fatalf("gone after %d s", i)
			}
			w = v.Watch
		}
	})
	t.Run("a failed look between them neither counts nor starts anew", func(t *testing.T) {
		w := judge(watch, Seen{NotFound: true}, start).Watch
		w = judge(w, Seen{Failure: "timeout"}, start.Add(time.Minute)).Watch
		if w.NotFound != 1 || !w.FirstNotFoundAt.Equal(start) {
			t.Fatalf("%+v", w)
		}
	})
	t.Run("an answer between them starts anew", func(t *testing.T) {
		w := judge(watch, Seen{NotFound: true}, start).Watch
		w = judge(w, info(salesforce.StateInProgress, 5, 0), start.Add(time.Minute)).Watch
		v := judge(w, Seen{NotFound: true}, start.Add(10*time.Minute))
		if v.State != StateWatching || v.Watch.NotFound != 1 {
			t.Fatalf("%+v", v)
		}
	})
}

func TestErrors(t *testing.T) {
	watch := Watch{Rows: 1000, JobID: testJob, SubmittedAt: start}
	t.Run("errors back off and never end a watch", func(t *testing.T) {
		w, at := watch, start
		last := time.Duration(0)
		for range 2000 {
			v := Judge(w, Seen{Failure: "no answer"}, at, 1, DefaultPace(), time.Minute)
			if v.State != StateWatching {
				t.Fatal("an error ended the watch")
			}
			wait := v.NextLookAt.Sub(at)
			if wait < last {
				t.Fatalf("wait fell from %v to %v", last, wait)
			}
			w, at, last = v.Watch, v.NextLookAt, wait
		}
		if last != DefaultPace().Cap {
			t.Fatalf("the last wait is %v", last)
		}
	})
	t.Run("an org that is given time is no error of the watch, and is asked again when its time has come", func(t *testing.T) {
		w := watch
		w.Errors = 0
		v := Judge(w, Seen{Failure: "not called", GivenTime: true, Held: true, Hint: 50 * time.Second}, start, 0.9, DefaultPace(), time.Minute)
		if v.State != StateWatching || v.Watch.Errors != 0 || v.Watch.Looks != w.Looks || v.Watch.LastError != "not called" || v.NextLookAt.Sub(start) != 50*time.Second {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("a look that failed before keeps saying of what, and comes after those that have not", func(t *testing.T) {
		w := watch
		w.Errors, w.LastError = 2, "504"
		v := Judge(w, Seen{Failure: "not called", GivenTime: true, Held: true, Hint: 50 * time.Second}, start, 0.9, DefaultPace(), time.Minute)
		if v.Watch.Errors != 2 || v.Watch.LastError != "504" || v.NextLookAt.Sub(start) <= 51*time.Second || v.NextLookAt.Sub(start) > 53*time.Second {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("a look that was sent and got no answer is an error of the watch, which waits longer than the org's circuit, but for no minute", func(t *testing.T) {
		w := watch
		for n := 1; n < 100; n++ {
			v := Judge(w, Seen{Failure: "504; not tried again", GivenTime: true, Hint: 57 * time.Second}, start, 0.9, DefaultPace(), time.Minute)
			if wait := v.NextLookAt.Sub(start); v.Watch.Errors != n || wait <= 57500*time.Millisecond || wait > 59*time.Second {
				t.Fatalf("%d: %+v in %s", n, v, wait)
			}
			w = v.Watch
		}
		if v := Judge(w, Seen{Failure: "504", GivenTime: true, Hint: time.Second}, start, 0.9, DefaultPace(), time.Minute); v.NextLookAt.Sub(start) < 20*time.Second {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("what the answer asked to wait is waited", func(t *testing.T) {
		v := Judge(watch, Seen{Failure: "503", Hint: 10 * time.Minute}, start, 0, DefaultPace(), time.Minute)
		if v.NextLookAt.Sub(start) != 10*time.Minute {
			t.Fatalf("%v", v.NextLookAt.Sub(start))
		}
	})
}

// run watches a job that processes rows evenly until it ends after took, and returns the number of looks and how late its end was seen.
func run(rows int, took time.Duration, past Past, rnd func() float64) (looks int, late time.Duration) {
	pace := DefaultPace()
	w := Watch{Rows: rows, JobID: testJob, SubmittedAt: start}
	at := start.Add(pace.FirstLook(rows, past))
	for {
		age := at.Sub(start)
		seen := info(salesforce.StateInProgress, int64(float64(rows)*age.Seconds()/took.Seconds()), 0)
		if age >= took {
			seen = info(salesforce.StateJobComplete, int64(rows), 0)
		}
		v := Judge(w, seen, at, rnd(), pace, time.Minute)
		looks++
		if v.State == StateFinished {
			return looks, age - took
		}
		w, at = v.Watch, v.NextLookAt
	}
}

// anyPast draws what may be known of earlier jobs, sensible or not.
func anyPast(t *rapid.T) Past {
	return Past{Rows: rapid.Float64Range(-1, 1e6).Draw(t, "past rows"), Seconds: rapid.Float64Range(-1, 1e5).Draw(t, "past seconds")}
}

func TestPace(t *testing.T) {
	t.Run("a job of three hours is watched to its end with fewer than a hundred looks", func(t *testing.T) {
		looks, late := run(50_000, 3*time.Hour, Past{}, func() float64 { return 0.5 })
		if looks >= 100 || late > 6*time.Minute {
			t.Fatalf("%d looks, %v late", looks, late)
		}
		t.Logf("%d looks, %v late", looks, late)
	})
	t.Run("a pipeline whose speed is known needs one or two looks", func(t *testing.T) {
		if looks, _ := run(10_000, 20*time.Second, Past{Rows: 5_000, Seconds: 10}, func() float64 { return 0 }); looks > 2 {
			t.Fatalf("%d looks", looks)
		}
	})
	t.Run("no job, however long, costs more looks than the logarithm of its time allows", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			took := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour)).Draw(t, "took"))
			rows := rapid.IntRange(1, 1_000_000).Draw(t, "rows")
			looks, late := run(rows, took, anyPast(t), func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "rnd") })
			if looks > 400 {
				t.Fatalf("%d looks", looks)
			}
			if limit := max(35*time.Second, took/10); late > limit {
				t.Fatalf("seen %v late", late)
			}
		})
	})
	t.Run("a wait is never below the floor nor above the ceiling", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			pace := rapid.SampledFrom([]Pace{DefaultPace(), ShortPace()}).Draw(t, "pace")
			age := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "age"))
			w := Watch{
				Rows: rapid.IntRange(0, 1<<30).Draw(t, "rows"), Processed: rapid.Int64Range(-1, 1<<40).Draw(t, "processed"),
				Looks: rapid.IntRange(0, 1<<30).Draw(t, "looks"), SubmittedAt: start,
			}
			wait := pace.NextLook(w, start.Add(age), rapid.Float64Range(0, 0.999).Draw(t, "rnd"))
			if least := clamp(age/2, pace.Least, pace.Floor); wait < least || wait > max(pace.Cap, pace.CapOld)*11/10 {
				t.Fatalf("wait %v", wait)
			}
			first := pace.FirstLook(w.Rows, anyPast(t))
			if first < pace.Least || first > pace.Cap {
				t.Fatalf("first wait %v", first)
			}
		})
	})
}

func TestStall(t *testing.T) {
	t.Run("a job that stands still is reported once per stall time and stays watched", func(t *testing.T) {
		pace := DefaultPace()
		w, at, reports := Watch{Rows: 1000, JobID: testJob, SubmittedAt: start}, start.Add(time.Second), 0
		for at.Sub(start) < 3*time.Hour {
			v := Judge(w, info(salesforce.StateInProgress, 200, 0), at, 0.3, pace, time.Minute)
			if v.State != StateWatching {
				t.Fatal("a stall ended the watch")
			}
			if v.Stalled {
				reports++
			}
			w, at = v.Watch, v.NextLookAt
		}
		if reports != 11 {
			t.Fatalf("%d reports in three hours", reports)
		}
	})
	t.Run("a job that makes progress is never reported", func(t *testing.T) {
		w, at := Watch{Rows: 100_000, JobID: testJob, SubmittedAt: start}, start.Add(time.Second)
		for i := range int64(500) {
			v := Judge(w, info(salesforce.StateInProgress, i*200, 0), at, 0, DefaultPace(), time.Minute)
			if v.Stalled {
				t.Fatalf("stalled at look %d", i)
			}
			w, at = v.Watch, v.NextLookAt
		}
	})
}
