package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/services/reconciler/internal/reconcile"
	"bulkhead/services/reconciler/internal/store"
)

func TestDecideStops(t *testing.T) {
	t.Parallel()
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	const days = 24 * time.Hour
	at := func(d time.Duration) *time.Time { then := noon.Add(d); return &then }
	old := func(org string, oldest, newest time.Duration) store.Overdue {
		return store.Overdue{Org: org, Jobs: 1, Oldest: noon.Add(-oldest), Newest: noon.Add(-newest)}
	}
	stop := func(org, pipeline string, lifted *time.Time) store.Stop {
		return store.Stop{ID: uuid.New(), Org: org, Pipeline: pipeline, LiftedAt: lifted}
	}
	whole := map[string]reconcile.Writers{"main": {Names: []string{"accounts", "contacts"}}, "other": {Names: []string{"orders"}}}
	for name, test := range map[string]struct {
		overdue []store.Overdue
		writers map[string]reconcile.Writers // nil = all
		stated  []store.Stop
		state   []string // org/pipeline
		end     []string
		stopped int
	}{
		"nothing is overdue and nothing stated":                        {},
		"one overdue job stops every pipeline of its org and no other": {overdue: []store.Overdue{old("main", 5*days, 5*days)}, state: []string{"main/accounts", "main/contacts"}, stopped: 1},
		"two orgs are stopped for their own jobs": {
			overdue: []store.Overdue{old("main", 6*days, 6*days), old("other", 5*days, 5*days)},
			state:   []string{"main/accounts", "main/contacts", "other/orders"}, stopped: 2,
		},
		"a stop that holds is not stated again": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stated: []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", nil)}, stopped: 1,
		},
		"a pipeline that is new to a stopped org is stopped too": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stated: []store.Stop{stop("main", "accounts", nil)}, state: []string{"main/contacts"}, stopped: 1,
		},
		"a stop of another org keeps nobody from being stopped": {
			overdue: []store.Overdue{old("main", 6*days, 5*days), old("other", 6*days, 6*days)},
			stated:  []store.Stop{stop("other", "orders", nil)}, state: []string{"main/accounts", "main/contacts"}, stopped: 2,
		},
		"what a person lifted stays lifted for every job that was handed over by then, though it became overdue later": {
			overdue: []store.Overdue{old("main", 7*days, 5*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-time.Minute)), stop("main", "contacts", at(-5*days))},
		},
		"a job that was handed over after the lift stops its org anew when it is overdue": {
			overdue: []store.Overdue{old("main", 10*days, 5*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-5*days-time.Second)), stop("main", "contacts", at(-5*days))}, state: []string{"main/accounts"}, stopped: 1,
		},
		"a stop stated again after a lift holds": {
			overdue: []store.Overdue{old("main", 10*days, 5*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-6*days)), stop("main", "accounts", nil), stop("main", "contacts", nil)}, stopped: 1,
		},
		"a pipeline that does not write to the org any more is let go": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stopped: 1,
			stated: []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", nil), stop("main", "orders", nil)}, end: []string{"main/orders"},
		},
		"a stop of a pipeline that comes back to its org is still lifted": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stopped: 1,
			stated: []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", nil), stop("main", "orders", at(0))},
		},
		"while not all pipelines of an org are known, the known ones are stopped and none of its stops ends": {
			overdue: []store.Overdue{old("main", 6*days, 5*days), old("other", 6*days, 5*days)}, stopped: 2,
			writers: map[string]reconcile.Writers{"main": {Names: []string{"accounts"}, Partly: true}, "other": {Names: []string{"orders"}}},
			stated:  []store.Stop{stop("main", "contacts", nil), stop("other", "invoices", nil), stop("third", "visits", nil)},
			state:   []string{"main/accounts", "other/orders"}, end: []string{"other/invoices", "third/visits"},
		},
		"where nothing is overdue any more stops end, lifted ones too": {
			overdue: []store.Overdue{old("other", 6*days, 6*days)},
			stated:  []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", at(-days)), stop("other", "orders", nil)},
			end:     []string{"main/accounts", "main/contacts"}, stopped: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.writers == nil {
				test.writers = whole
			}
			do := reconcile.DecideStops(test.overdue, test.writers, test.stated)
			var state, end []string
			for org, names := range do.State {
				for _, n := range names {
					state = append(state, org+"/"+n)
				}
			}
			for _, s := range do.End {
				end = append(end, s.Org+"/"+s.Pipeline)
			}
			slices.Sort(state)
			slices.Sort(end)
			if !slices.Equal(state, test.state) || !slices.Equal(end, test.end) {
				t.Errorf("state %v, want %v; end %v, want %v", state, test.state, end, test.end)
			}
			if do.Stopped != test.stopped {
				t.Errorf("%d orgs are stopped, want %d", do.Stopped, test.stopped)
			}
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.script()
	c := b.scripted(1, "JobComplete", 1, 0)
	pipelines, unread := []string{"accounts", "contacts"}, error(nil)
	r := b.reconciler(func(c *reconcile.Config) {
		c.Pipelines = func(_ context.Context, org string) ([]string, error) {
			if unread != nil {
				return nil, unread
			}
			if org == "main" {
				return pipelines, nil
			}
			return nil, nil
		}
	})
	handedOver := func(ago string) {
		t.Helper()
		b.exec(`UPDATE submitter.submissions SET submitted_at = $1::timestamptz - $2::interval WHERE chunk = $3`, b.now, ago, c.id)
	}
	holding := func() (pipelines, message string) {
		t.Helper()
		var names []string
		rows, err := b.admin.Query(t.Context(), `SELECT p.pipeline, p.message FROM reconciler_pub.pauses p
			WHERE p.code = 'RESULTS_OVERDUE' AND NOT EXISTS (SELECT FROM ops_pub.lifts l WHERE l.pause_id = p.id) ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name, &message); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " "), message
	}
	look := func(what, want string, changes int) {
		t.Helper()
		n, err := r.Stop(t.Context())
		got, _ := holding()
		if n != changes || err != nil || got != want {
			t.Errorf("%s: %d changes, %v, paused %q; want %d and %q", what, n, err, got, changes, want)
		}
	}

	handedOver("119 hours")
	look("a job that is a little less than five days old", "", 0)
	handedOver("121 hours")
	look("one that is older", "accounts contacts", 2)
	look("another look", "accounts contacts", 0)
	if _, message := holding(); !strings.Contains(message, "org main: 1 jobs") || !strings.Contains(message, "chunk "+c.id.String()) || !strings.Contains(message, "resume") {
		t.Errorf("it says %q", message)
	}
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason, at) SELECT id, 'someone', 'known', $1::timestamptz FROM reconciler.pauses WHERE pipeline = 'accounts'`, b.now)
	look("after a person lifted one", "contacts", 0)
	b.now = b.now.Add(48 * time.Hour)
	handedOver("121 hours")
	look("a job that became overdue after the lift and was handed over before it", "contacts", 0)
	b.now = b.now.Add(100 * time.Hour)
	handedOver("121 hours")
	look("a job that was handed over after the lift", "accounts contacts", 1)

	// A chunk that was bound and never said to be submitted may have been closed as well.
	b.exec(`UPDATE submitter.submissions SET submitted_at = NULL, state = 'bound', bound_at = $1::timestamptz - interval '122 hours' WHERE chunk = $2`, b.now, c.id)
	look("bound and unheard of for as long", "accounts contacts", 0)
	b.exec(`UPDATE submitter.submissions SET submitted_at = bound_at, state = 'submitted' WHERE chunk = $1`, c.id)

	pipelines, unread = []string{"accounts"}, errors.New("one definition cannot be read")
	if n, err := r.Stop(t.Context()); n != 0 || !errors.Is(err, unread) {
		t.Errorf("a pipeline that may have moved to another org: %d changes, %v", n, err)
	}
	unread = nil
	look("a pipeline that has moved to another org", "accounts", 1)
	b.exec(`INSERT INTO reconciler.pauses (id, pipeline, class, code, message, org) VALUES ($1, 'orders', 'unclassified', 'RESULTS_OVERDUE', 'why', 'other')`, uuid.New())
	b.exec(`DELETE FROM reconciler.pauses WHERE pipeline = 'accounts'`)
	unread = errors.New("one definition cannot be read")
	n, err := r.Stop(t.Context())
	if got, _ := holding(); n != 2 || !errors.Is(err, unread) || got != "accounts" {
		t.Errorf("while definitions cannot be read, the pipeline with work is stopped and another org's stop ends: %d changes, %v, paused %q", n, err, got)
	}
	unread = nil

	b.run(b.reconciler(), time.Hour) // to its outcome
	look("when it has its outcome", "", 1)
	if n := b.pauses(); len(n) != 0 {
		t.Errorf("%v are left", n)
	}
}

func TestTwoInstancesStopAPipelineOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.script()
	c := b.scripted(1, "JobComplete", 1, 0)
	b.exec(`UPDATE submitter.submissions SET submitted_at = $1::timestamptz - interval '6 days' WHERE chunk = $2`, b.now, c.id)
	state := func(pipeline string, newest time.Time) bool {
		pause := store.Pause{ID: uuid.New(), Pipeline: pipeline, Class: "unclassified", Code: "RESULTS_OVERDUE", Message: "why"}
		fresh, err := b.store.StateStop(t.Context(), "main", newest, pause)
		if err != nil {
			t.Error(err)
		}
		return fresh
	}
	for i, want := range []bool{true, false} {
		if fresh := state("accounts", b.now); fresh != want {
			t.Errorf("%d. time: stated %t", i+1, fresh)
		}
	}
	stops, err := b.store.Stops(t.Context())
	if err != nil || len(stops) != 1 {
		t.Fatalf("%+v, %v", stops, err)
	}
	// Decided before another instance's stop was stated and lifted, stated after it.
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason, at) VALUES ($1, 'someone', 'known', $2::timestamptz)`, stops[0].ID, b.now)
	if state("accounts", b.now) {
		t.Error("a job that was handed over by the time of the lift stopped the pipeline again")
	}
	if !state("accounts", b.now.Add(time.Second)) {
		t.Error("a job that was handed over after the lift did not stop the pipeline")
	}
	for i, want := range []bool{true, false} {
		if ended, err := b.store.EndStop(t.Context(), stops[0].ID); ended != want || err != nil {
			t.Errorf("end %d: %t, %v", i, ended, err)
		}
	}
	// A pause of one pipeline for a cause of its own is none of these.
	b.exec(`INSERT INTO reconciler.pauses (id, pipeline, class, code, message) VALUES ($1, 'accounts', 'quota', 'X', 'why')`, stops[0].ID)
	if ended, err := b.store.EndStop(t.Context(), stops[0].ID); ended || err != nil {
		t.Errorf("a pause of a pipeline's own was ended: %v", err)
	}
}

func TestManyInstancesStopAPipelineAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const rounds, instances = 25, 4
	for round := range rounds {
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range instances {
			all.Go(func() {
				pause := store.Pause{ID: uuid.New(), Pipeline: fmt.Sprintf("p%d", round), Class: "unclassified", Code: "RESULTS_OVERDUE", Message: "why"}
				<-begin
				if _, err := b.store.StateStop(t.Context(), "main", b.now, pause); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
	}
	stops, err := b.store.Stops(t.Context())
	if err != nil || len(stops) != rounds {
		t.Errorf("%d stops of %d pipelines, %v", len(stops), rounds, err)
	}
}
