package poll_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/poller/internal/poll"
	"bulkhead/services/poller/internal/store"
)

// bundle is a poller on a database of its own, with a clock that the test moves.
type bundle struct {
	t      testing.TB
	admin  pg.DB
	store  *store.Store
	now    time.Time
	config poll.Config
}

func setup(t testing.TB) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	b := &bundle{t: t, admin: db.AdminPool(t), store: store.New(db.Pool(t, "poller")), now: time.Now().UTC().Truncate(time.Millisecond)}
	b.config = poll.Config{
		Owner: "one", Clock: func(context.Context) (time.Time, error) { return b.now, nil }, Random: func() float64 { return 0.5 }, Logger: testkit.Logger(t),
	}
	return b
}

// poller returns a poller that asks org.
func (b *bundle) poller(org poll.Org, change ...func(*poll.Config)) *poll.Poller {
	c := b.config
	c.Org = func(context.Context, string) (poll.Org, error) { return org, nil }
	for _, f := range change {
		f(&c)
	}
	return poll.New(b.store, c)
}

// submitted puts a submission into the submitter's ledger.
func (b *bundle) submitted(jobID string, rows int, state string) uuid.UUID {
	b.t.Helper()
	chunk := uuid.New()
	b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id, upload_rows, submitted_at)
		VALUES ($1, 'contacts', 1, 'fresh', 'main', 'main/Contact/External_Id__c', 0, 1, $2, $3, $4, $5)`, chunk, state, jobID, rows, b.now)
	return chunk
}

// reconciled puts an outcome into the reconciler's ledger.
func (b *bundle) reconciled(chunk uuid.UUID) {
	b.t.Helper()
	b.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded,
			row_states, row_ids, created_rows, standing)
		VALUES ($1, 'contacts', 'main', '', '', 0, 0, 0, 0, 0, 0, '', '', 0, 'open')`, chunk)
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.admin.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

// watch is what the ledger holds of a chunk's job.
type watch struct {
	state, jobState, lastError string
	processed, failed          int64
	looks, errors, notFound    int
	next                       time.Time
	reconciled                 bool
}

func (b *bundle) watch(chunk uuid.UUID) watch {
	b.t.Helper()
	var w watch
	err := b.admin.QueryRow(b.t.Context(), `SELECT state, job_state, last_error, processed, failed, looks, errors, not_found, next_look_at, reconciled_at IS NOT NULL
		FROM poller_pub.watches WHERE chunk = $1`, chunk).Scan(&w.state, &w.jobState, &w.lastError, &w.processed, &w.failed, &w.looks, &w.errors,
		&w.notFound, &w.next, &w.reconciled)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// facts are the job_finished facts in the outbox.
func (b *bundle) facts() []*flowv1.JobFinished {
	b.t.Helper()
	rows, err := b.admin.Query(b.t.Context(), `SELECT subject, body FROM poller.outbox ORDER BY id`)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var out []*flowv1.JobFinished
	for rows.Next() {
		var subject string
		var body []byte
		if err := rows.Scan(&subject, &body); err != nil {
			b.t.Fatal(err)
		}
		env, err := bus.ParseEnvelope(body)
		if err != nil || subject != "flow.contacts.job_finished" {
			b.t.Fatalf("%s: %v", subject, err)
		}
		out = append(out, env.GetJobFinished())
	}
	return out
}

func (b *bundle) note(p *poll.Poller) int {
	b.t.Helper()
	n, err := p.Note(b.t.Context(), uuid.NullUUID{})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) pass(p *poll.Poller) int {
	b.t.Helper()
	n, err := p.Pass(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// orgFunc answers looks without HTTP.
type orgFunc func(ctx context.Context, id string) (salesforce.JobInfo, error)

func (f orgFunc) Job(ctx context.Context, id string) (salesforce.JobInfo, error) { return f(ctx, id) }

func (f orgFunc) OrgID(context.Context) (string, error) { return "00D5g000000AbCdEAK", nil }

// unprovenOrg answers 404 and cannot prove to be the right org.
type unprovenOrg struct{ orgFunc }

func (unprovenOrg) OrgID(context.Context) (string, error) {
	return "", &salesforce.OrgMismatchError{Want: "00D5g000000AbCdEAK", Got: "00D5g000000WxYzEAK"}
}

const jobID = "7505g00000abcdEAAQ"

func answer(state string, processed, failed int64) orgFunc {
	return func(_ context.Context, id string) (salesforce.JobInfo, error) {
		return salesforce.JobInfo{ID: id, State: state, Processed: processed, Failed: failed, HasCounters: true}, nil
	}
}

func refuse(err error) orgFunc {
	return func(context.Context, string) (salesforce.JobInfo, error) { return salesforce.JobInfo{}, err }
}

var errNotFound = &salesforce.Error{Status: 404, Code: "NOT_FOUND", Message: "The requested resource does not exist", Endpoint: "GET job"}

// client is the product's own client of a simulated org, without patience.
func client(t testing.TB, sim *simtest.Sim) *salesforce.Client {
	t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: sim.URL, ClientID: sim.ClientID, ClientSecret: func() (string, error) { return sim.Secret, nil }, AllowInsecureLoopback: true,
		Retry: salesforce.Retry{Tries: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closedJob sends a job to the org and returns its id.
func closedJob(t testing.TB, c *salesforce.Client, csv string) string {
	t.Helper()
	job, err := c.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"})
	if err == nil {
		err = c.Upload(t.Context(), job.ID, int64(len(csv)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(csv)), nil })
	}
	if err == nil {
		_, err = c.CloseJob(t.Context(), job.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return job.ID
}

func TestPollerOnTheSimulator(t *testing.T) {
	t.Parallel()
	t.Run("a job is watched to its end, and the fact goes out with the watch's last move", func(t *testing.T) {
		t.Parallel()
		b, sim := setup(t), simtest.Start(t)
		c := client(t, sim)
		id := closedJob(t, c, "External_Id__c,Name\na-1,Acme\na-2,\n")
		chunk := b.submitted(id, 2, "submitted")
		p := b.poller(c)
		if n := b.note(p); n != 1 {
			t.Fatalf("%d noted", n)
		}
		if n := b.note(p); n != 0 {
			t.Fatalf("%d noted twice", n)
		}
		if n := b.pass(p); n != 0 {
			t.Fatal("looked before it was due")
		}
		sim.AwaitJob(id, "finished")
		for b.watch(chunk).state == "watching" {
			b.now = b.watch(chunk).next
			b.pass(p)
		}
		w := b.watch(chunk)
		if w.state != "finished" || w.jobState != "JobComplete" || w.processed != 2 || w.failed != 1 || w.looks > 2 {
			t.Fatalf("%+v", w)
		}
		facts := b.facts()
		if len(facts) != 1 || facts[0].GetChunk() != chunk.String() || facts[0].GetJobId() != id || facts[0].GetJobState() != "JobComplete" ||
			facts[0].GetProcessed() != 2 || facts[0].GetFailed() != 1 {
			t.Fatalf("%v", facts)
		}
		if b.now = b.now.Add(time.Hour); b.pass(p) != 0 {
			t.Fatal("a finished watch was looked at")
		}
	})
	t.Run("a job that vanishes is gone after three answers over the whole wait", func(t *testing.T) {
		t.Parallel()
		b, sim := setup(t), simtest.Start(t)
		c := client(t, sim)
		sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Status, Status: 404, Code: "NOT_FOUND", Message: "The requested resource does not exist"}, Match: simtest.Match{Endpoint: simtest.Info}})
		chunk := b.submitted(closedJob(t, c, "External_Id__c,Name\na-1,Acme\n"), 1, "submitted")
		p := b.poller(c)
		b.note(p)
		begin, looks := time.Time{}, 0
		for b.watch(chunk).state == "watching" {
			b.now = b.watch(chunk).next
			if begin.IsZero() {
				begin = b.now
			}
			looks += b.pass(p)
		}
		if w := b.watch(chunk); w.state != "gone" || w.jobState != "gone" || looks != 3 || b.now.Sub(begin) < 2*time.Minute {
			t.Fatalf("%+v after %d looks over %v", w, looks, b.now.Sub(begin))
		}
		if facts := b.facts(); len(facts) != 1 || facts[0].GetJobState() != "gone" {
			t.Fatalf("%v", facts)
		}
	})
	t.Run("answers of every bad kind only make it look again", func(t *testing.T) {
		t.Parallel()
		b, sim := setup(t), simtest.Start(t)
		c := client(t, sim)
		id := closedJob(t, c, "External_Id__c,Name\na-1,Acme\n")
		sim.AwaitJob(id, "finished")
		chunk := b.submitted(id, 1, "submitted")
		p := b.poller(c, func(c *poll.Config) { c.CallTimeout = 2 * time.Second })
		b.note(p)
		for i, effect := range []simtest.Effect{
			{Kind: simtest.Status, Status: 503, Body: "<html>down</html>"},
			{Kind: simtest.Status, Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "oops"},
			{Kind: simtest.DropBefore},
			{Kind: simtest.DropAfter},
			{Kind: simtest.HalfReply},
			{Kind: simtest.Status, Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."},
		} {
			// For ever, until it is cleared: net/http itself repeats a GET whose kept connection was closed.
			rule := sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Info}, Times: simtest.Times(0), Effect: effect})
			b.now = b.watch(chunk).next
			b.pass(p)
			sim.ClearFaults(rule)
			if w := b.watch(chunk); w.state != "watching" || w.errors != i+1 || w.lastError == "" || !w.next.After(b.now) {
				t.Fatalf("%s: %+v", effect.Kind, w)
			}
		}
		sim.ExpireTokens()
		b.now = b.watch(chunk).next
		b.pass(p)
		if w := b.watch(chunk); w.state != "finished" || w.errors != 0 || w.lastError != "" {
			t.Fatalf("%+v", w)
		}
	})
}

func TestPoller(t *testing.T) {
	t.Parallel()
	t.Run("a job of three hours still ends finished", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		begin := b.now
		chunk := b.submitted(jobID, 100_000, "submitted")
		p := b.poller(orgFunc(func(ctx context.Context, id string) (salesforce.JobInfo, error) {
			age := b.now.Sub(begin)
			if age >= 3*time.Hour {
				return answer("JobComplete", 100_000, 0)(ctx, id)
			}
			return answer("InProgress", int64(100_000*age/(3*time.Hour)), 0)(ctx, id)
		}))
		b.note(p)
		for b.watch(chunk).state == "watching" {
			wait, something, err := p.NextDue(t.Context())
			if err != nil || !something {
				t.Fatalf("%v %v", something, err)
			}
			b.now = b.now.Add(wait + time.Millisecond)
			b.pass(p)
		}
		if w := b.watch(chunk); w.state != "finished" || w.looks > 100 {
			t.Fatalf("%+v", w)
		}
	})
	t.Run("a 404 of an org that cannot prove to be the right one does not count", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		p := b.poller(unprovenOrg{refuse(errNotFound)})
		b.note(p)
		for range 10 {
			b.now = b.now.Add(time.Hour)
			b.pass(p)
		}
		if w := b.watch(chunk); w.state != "watching" || w.notFound != 0 || w.errors != 10 || !strings.Contains(w.lastError, "another") && !strings.Contains(w.lastError, "org") {
			t.Fatalf("%+v", w)
		}
	})
	t.Run("a 404 of another org than the one that jobs were made in does not count, and those of the right one do", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		b.exec(`INSERT INTO submitter.orgs (name, org_id) VALUES ('main', '00D000000000009EAA')`)
		p := b.poller(refuse(errNotFound))
		b.note(p)
		for range 5 {
			b.now = b.now.Add(time.Hour)
			b.pass(p)
		}
		if w := b.watch(chunk); w.state != "watching" || w.notFound != 0 || !strings.Contains(w.lastError, "00D000000000009EAA") {
			t.Fatalf("%+v", w)
		}
		b.exec(`UPDATE submitter.orgs SET org_id = '00D5g000000AbCdEAK'`)
		for range 4 {
			b.now = b.now.Add(time.Hour)
			b.pass(p)
		}
		if w := b.watch(chunk); w.state != "gone" {
			t.Fatalf("%+v", w)
		}
	})
	t.Run("two pollers share the work and look once each at a job", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 20 {
			b.submitted("750"+uuid.NewString()[:15], 10, "submitted")
		}
		var calls atomic.Int64
		org := orgFunc(func(ctx context.Context, id string) (salesforce.JobInfo, error) {
			calls.Add(1)
			return answer("JobComplete", 10, 0)(ctx, id)
		})
		one := b.poller(org, func(c *poll.Config) { c.Batch = 3 })
		two := b.poller(org, func(c *poll.Config) { c.Owner, c.Batch = "two", 3 })
		b.note(one)
		b.now = b.now.Add(time.Hour)
		done := make(chan error, 2)
		for _, p := range []*poll.Poller{one, two} {
			go func() {
				for {
					n, err := p.Pass(t.Context())
					if n == 0 || err != nil {
						done <- err
						return
					}
				}
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if calls.Load() != 20 || len(b.facts()) != 20 {
			t.Fatalf("%d calls, %d facts", calls.Load(), len(b.facts()))
		}
	})
	t.Run("a poller whose claim was taken over stores nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		two := b.poller(answer("JobComplete", 10, 1), func(c *poll.Config) { c.Owner = "two" })
		one := b.poller(orgFunc(func(ctx context.Context, id string) (salesforce.JobInfo, error) {
			// While the call lasts the lease runs out and somebody else finishes the watch.
			b.exec(`UPDATE poller.watches SET lease_until = '-infinity'`)
			b.pass(two)
			return answer("Aborted", 3, 3)(ctx, id)
		}))
		b.note(two)
		b.now = b.now.Add(time.Hour)
		b.pass(one)
		if w := b.watch(chunk); w.jobState != "JobComplete" || len(b.facts()) != 1 {
			t.Fatalf("%+v, %d facts", w, len(b.facts()))
		}
	})
	t.Run("a claim is renewed while a slow call lasts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		leases := map[time.Time]bool{}
		p := b.poller(orgFunc(func(ctx context.Context, id string) (salesforce.JobInfo, error) {
			for len(leases) < 3 {
				var until time.Time
				if err := b.admin.QueryRow(ctx, `SELECT lease_until FROM poller.watches WHERE chunk = $1`, chunk).Scan(&until); err != nil {
					return salesforce.JobInfo{}, err
				}
				leases[until] = true
			}
			return answer("JobComplete", 10, 0)(ctx, id)
		}), func(c *poll.Config) { c.Lease = 3 * time.Second })
		b.note(p)
		b.now = b.now.Add(time.Hour)
		b.pass(p)
		if w := b.watch(chunk); w.state != "finished" {
			t.Fatalf("%+v", w)
		}
	})
	t.Run("a poller that is stopped in the middle of a call hands the watch back at once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		ctx, stop := context.WithCancel(t.Context())
		p := b.poller(orgFunc(func(call context.Context, _ string) (salesforce.JobInfo, error) {
			stop()
			<-call.Done()
			return salesforce.JobInfo{}, call.Err()
		}))
		b.note(p)
		b.now = b.now.Add(time.Hour)
		if _, err := p.Pass(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if w := b.watch(chunk); w.state != "watching" || w.errors != 0 {
			t.Fatalf("%+v", w)
		}
		if n := b.pass(b.poller(answer("JobComplete", 10, 0), func(c *poll.Config) { c.Owner = "two" })); n != 1 {
			t.Fatal("the watch was not handed back")
		}
	})
	t.Run("a watch of a poller that died is taken up when its lease has run out, not before", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		p := b.poller(answer("JobComplete", 10, 0))
		b.note(p)
		b.now = b.now.Add(time.Hour)
		if _, err := b.store.ClaimDue(t.Context(), "dead", b.now, time.Hour, 10); err != nil {
			t.Fatal(err)
		}
		if b.pass(p) != 0 {
			t.Fatal("a held watch was taken")
		}
		if wait, something, err := p.NextDue(t.Context()); err != nil || !something || wait < 59*time.Minute {
			t.Fatalf("%v %v %v", wait, something, err)
		}
		b.exec(`UPDATE poller.watches SET lease_until = now() - interval '1 s'`)
		if b.pass(p) != 1 || b.watch(chunk).state != "finished" {
			t.Fatalf("%+v", b.watch(chunk))
		}
	})
	t.Run("only submitted jobs are noted, and a late fact about a chunk that is history does nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, state := range []string{"claimed", "created", "bound", "reconciled", "nothing_sent"} {
			b.submitted("750"+uuid.NewString()[:15], 1, state)
		}
		p := b.poller(answer("JobComplete", 1, 0))
		if n := b.note(p); n != 0 {
			t.Fatalf("%d noted", n)
		}
	})
	t.Run("the first look comes when the pipeline's last jobs suggest", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		p := b.poller(answer("JobComplete", 10_000, 0))
		b.submitted("750"+uuid.NewString()[:15], 10_000, "submitted")
		b.note(p)
		b.now = b.now.Add(20 * time.Second)
		b.pass(p)
		second := b.submitted(jobID, 5_000, "submitted")
		b.note(p)
		// 500 rows a second were seen: ten seconds for 5,000, and two for the queue.
		if wait := b.watch(second).next.Sub(b.now); wait < 11*time.Second || wait > 13*time.Second {
			t.Fatalf("%v", wait)
		}
	})
	t.Run("facts note jobs and mark outcomes, and a fact that names no chunk is dropped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		p := b.poller(answer("JobComplete", 10, 0))
		woken := 0
		handle := p.Handler(func() { woken++ })
		for _, fact := range []bus.Fact{
			&flowv1.JobSubmitted{Chunk: "no uuid"}, &flowv1.JobSubmitted{Chunk: uuid.NewString()},
			&flowv1.JobSubmitted{Chunk: chunk.String()}, &flowv1.JobSubmitted{Chunk: chunk.String()}, &flowv1.ChunkReconciled{Chunk: "\x00"},
		} {
			if err := handle(t.Context(), bus.NewEnvelope("contacts", 1, fact)); err != nil {
				t.Fatal(err)
			}
		}
		if woken != 1 || b.watch(chunk).state != "watching" {
			t.Fatalf("woken %d times, %+v", woken, b.watch(chunk))
		}
		b.now = b.now.Add(time.Hour)
		b.pass(p)
		early := handle(t.Context(), bus.NewEnvelope("contacts", 1, &flowv1.ChunkReconciled{Chunk: chunk.String()}))
		if early != nil || b.watch(chunk).reconciled {
			t.Fatalf("marked without an outcome, %v", early)
		}
		b.reconciled(chunk)
		if err := handle(t.Context(), bus.NewEnvelope("contacts", 1, &flowv1.ChunkReconciled{Chunk: chunk.String()})); err != nil {
			t.Fatal(err)
		}
		if !b.watch(chunk).reconciled {
			t.Fatal("not marked")
		}
	})
	t.Run("a renewal that comes after a watch was given back does not take it again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		b.note(b.poller(answer("InProgress", 0, 0)))
		b.now = b.now.Add(time.Hour)
		for name, give := range map[string]func(store.Claim) error{
			"kept":     func(c store.Claim) error { return b.store.Keep(t.Context(), c, store.Look{NextLookAt: b.now}) },
			"released": func(c store.Claim) error { return b.store.Release(t.Context(), c) },
		} {
			held, err := b.store.ClaimDue(t.Context(), "one", b.now, time.Minute, 1)
			if err != nil || len(held) != 1 {
				t.Fatalf("%s: %v %v", name, held, err)
			}
			claim := store.Claim{Chunk: chunk, Epoch: held[0].Epoch, Owner: "one"}
			if err := give(claim); err != nil {
				t.Fatal(err)
			}
			if err := b.store.Renew(t.Context(), claim, time.Hour); !errors.Is(err, pg.ErrLost) {
				t.Errorf("renewing what was %s: %v, want %v", name, err, pg.ErrLost)
			}
			if again, err := b.store.ClaimDue(t.Context(), "two", b.now, 0, 1); err != nil || len(again) != 1 {
				t.Errorf("what was %s is claimed as %v, %v; want it at once", name, again, err)
			}
		}
	})
	t.Run("every move is refused to a claim that is not the present one", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		p := b.poller(answer("JobComplete", 10, 0))
		b.note(p)
		b.now = b.now.Add(time.Hour)
		held, err := b.store.ClaimDue(t.Context(), "one", b.now, time.Minute, 1)
		if err != nil || len(held) != 1 {
			t.Fatalf("%v %v", held, err)
		}
		good := store.Claim{Chunk: chunk, Epoch: held[0].Epoch, Owner: "one"}
		moves := map[string]func(store.Claim) error{
			"renew":   func(c store.Claim) error { return b.store.Renew(t.Context(), c, time.Minute) },
			"release": func(c store.Claim) error { return b.store.Release(t.Context(), c) },
			"keep":    func(c store.Claim) error { return b.store.Keep(t.Context(), c, store.Look{NextLookAt: b.now}) },
			"finish":  func(c store.Claim) error { return b.store.Finish(t.Context(), c, store.Look{NextLookAt: b.now}) },
			"lose":    func(c store.Claim) error { return b.store.Lose(t.Context(), c, store.Look{NextLookAt: b.now}) },
		}
		for name, move := range moves {
			for what, c := range map[string]store.Claim{
				"older epoch": {Chunk: chunk, Epoch: good.Epoch - 1, Owner: "one"},
				"other owner": {Chunk: chunk, Epoch: good.Epoch, Owner: "two"},
				"other chunk": {Chunk: uuid.New(), Epoch: good.Epoch, Owner: "one"},
			} {
				if err := move(c); !errors.Is(err, pg.ErrLost) {
					t.Errorf("%s with %s: %v", name, what, err)
				}
			}
		}
		if err := b.store.Finish(t.Context(), good, store.Look{NextLookAt: b.now}); err != nil {
			t.Fatal(err)
		}
		for name, move := range moves {
			if err := move(good); !errors.Is(err, pg.ErrLost) {
				t.Errorf("%s of a finished watch: %v", name, err)
			}
		}
	})
}
