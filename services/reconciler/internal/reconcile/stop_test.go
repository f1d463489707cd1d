package reconcile_test

import (
	"context"
	"slices"
	"strings"
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
	writes := map[string][]string{"main": {"accounts", "contacts"}, "other": {"orders"}}
	for name, test := range map[string]struct {
		overdue []store.Overdue
		stated  []store.Stop
		state   []string // org/pipeline
		end     []string
	}{
		"nothing is overdue and nothing stated":                        {},
		"one overdue job stops every pipeline of its org and no other": {overdue: []store.Overdue{old("main", 5*days, 5*days)}, state: []string{"main/accounts", "main/contacts"}},
		"two orgs are stopped for their own jobs": {
			overdue: []store.Overdue{old("main", 6*days, 6*days), old("other", 5*days, 5*days)},
			state:   []string{"main/accounts", "main/contacts", "other/orders"},
		},
		"a stop that holds is not stated again": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stated: []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", nil)},
		},
		"a pipeline that is new to a stopped org is stopped too": {
			overdue: []store.Overdue{old("main", 6*days, 5*days)}, stated: []store.Stop{stop("main", "accounts", nil)}, state: []string{"main/contacts"},
		},
		"a stop of another org keeps nobody from being stopped": {
			overdue: []store.Overdue{old("main", 6*days, 5*days), old("other", 6*days, 6*days)},
			stated:  []store.Stop{stop("other", "accounts", nil), stop("other", "orders", nil)}, state: []string{"main/accounts", "main/contacts"},
		},
		"what a person lifted stays lifted for the jobs that were overdue then": {
			overdue: []store.Overdue{old("main", 7*days, 6*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-days+time.Hour)), stop("main", "contacts", at(-days))},
		},
		"a job that became overdue after the lift stops its org anew": {
			overdue: []store.Overdue{old("main", 7*days, 5*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-time.Hour)), stop("main", "contacts", at(0))}, state: []string{"main/accounts"},
		},
		"a stop stated again after a lift holds": {
			overdue: []store.Overdue{old("main", 7*days, 5*days)},
			stated:  []store.Stop{stop("main", "accounts", at(-days)), stop("main", "accounts", nil), stop("main", "contacts", nil)},
		},
		"where nothing is overdue any more stops end, lifted ones too": {
			overdue: []store.Overdue{old("other", 6*days, 6*days)},
			stated:  []store.Stop{stop("main", "accounts", nil), stop("main", "contacts", at(-days)), stop("other", "orders", nil)},
			end:     []string{"main/accounts", "main/contacts"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do := reconcile.DecideStops(test.overdue, writes, test.stated)
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
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.script()
	c := b.scripted(1, "JobComplete", 1, 0)
	r := b.reconciler(func(c *reconcile.Config) {
		c.Pipelines = func(_ context.Context, org string) ([]string, error) {
			if org == "main" {
				return []string{"accounts", "contacts"}, nil
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
	look("a job that became overdue after the lift", "accounts contacts", 1)

	// A chunk that was bound and never said to be submitted may have been closed as well.
	b.exec(`UPDATE submitter.submissions SET submitted_at = NULL, state = 'bound', bound_at = $1::timestamptz - interval '122 hours' WHERE chunk = $2`, b.now, c.id)
	look("bound and unheard of for as long", "accounts contacts", 0)
	b.exec(`UPDATE submitter.submissions SET submitted_at = bound_at, state = 'submitted' WHERE chunk = $1`, c.id)

	b.run(b.reconciler(), time.Hour) // to its outcome
	look("when it has its outcome", "", 3)
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
	for range 2 {
		pause := store.Pause{ID: uuid.New(), Pipeline: "accounts", Class: "unclassified", Code: "RESULTS_OVERDUE", Message: "why"}
		if _, err := b.store.StateStop(t.Context(), "main", pause); err != nil {
			t.Fatal(err)
		}
	}
	stops, err := b.store.Stops(t.Context())
	if err != nil || len(stops) != 1 {
		t.Fatalf("%+v, %v", stops, err)
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
