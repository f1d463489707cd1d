package submit

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/explore"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"

	dto "github.com/prometheus/client_model/go"
)

func TestAFreshChunkGoesUpWholeAndIsHandedOver(t *testing.T) {
	b := newBench(t)
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 250)...)
	b.note(c)
	b.setHook(func(what string) {
		if what == "before close" && !b.announced(c.id, b.text(c, "job_id")) {
			t.Error("the job is closed before job_bound was acknowledged")
		}
	})
	b.untilSubmitted(NewRunner(b.config), c)
	b.landedOnce(c)
	if got := b.holder(0); got.UUID != c.id {
		t.Errorf("the lane is held by %v, want the chunk until its outcome is there", got)
	}
	if calls := len(b.sim.Calls(0, simtest.Create)) + len(b.sim.Calls(0, simtest.Upload)) + len(b.sim.Calls(0, simtest.Close)) + len(b.sim.Calls(0, simtest.Info)); calls != 3 {
		t.Errorf("%d calls, want create, upload and close", calls)
	}
	if n := ask[int](b, `SELECT upload_rows FROM submitter.submissions WHERE chunk = $1`, c.id); n != 250 {
		t.Errorf("upload_rows is %d, want 250", n)
	}
}

// The windows in which a reply is lost, cut or wrong (before, in or after the effect), for each call: nothing lands twice, nothing is lost.
func TestLostReplies(t *testing.T) {
	status := func(code int, name string) simtest.Effect {
		return simtest.Effect{Kind: simtest.Status, Status: code, Code: name}
	}
	effects := map[string]simtest.Effect{
		"the connection is cut before the effect":            {Kind: simtest.DropBefore},
		"the reply is lost after the effect":                 {Kind: simtest.DropAfter},
		"half of the reply comes":                            {Kind: simtest.HalfReply, Bytes: 5},
		"503 comes":                                          status(503, "SERVER_UNAVAILABLE"),
		"503 comes after the effect":                         {Kind: simtest.Status, When: "after", Status: 503, Code: "SERVER_UNAVAILABLE"},
		"a page of the edge comes":                           {Kind: simtest.Status, Status: 502, Body: "<html>Bad Gateway</html>"},
		"the session is refused":                             status(401, "INVALID_SESSION_ID"),
		"the daily limit is reached":                         {Kind: simtest.Status, Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."},
		"a refusal that may pass comes although it happened": {Kind: simtest.Status, When: "after", Status: 400, Code: "TIMEOUT"},
	}
	for _, endpoint := range []simtest.Endpoint{simtest.Create, simtest.Upload, simtest.Close} {
		for name, effect := range effects {
			t.Run(fmt.Sprintf("%s: %s", endpoint, name), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: endpoint}, Times: simtest.Times(2), Effect: effect})
				c := b.seal(record.ChunkFresh, 0, accountRows("a", 20)...)
				b.note(c)
				b.untilSubmitted(NewRunner(b.config), c)
				b.landedOnce(c)
				if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 0 {
					t.Errorf("%d pauses, want none: the fault passes", n)
				}
			})
		}
	}
	t.Run("upload: the connection breaks in the middle", func(t *testing.T) {
		b := newBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Upload}, Effect: simtest.Effect{Kind: simtest.DropMid, Bytes: 300}})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 200)...)
		b.note(c)
		b.untilSubmitted(NewRunner(b.config), c)
		b.landedOnce(c)
	})
	t.Run("info: the look after a lost close fails too", func(t *testing.T) {
		b := newBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Info}, Times: simtest.Times(5), Effect: status(503, "SERVER_UNAVAILABLE")})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 20)...)
		b.note(c)
		b.untilSubmitted(NewRunner(b.config), c)
		b.landedOnce(c)
	})
}

// places counts the places of an undisturbed run.
func places(t *testing.T, kind string) int {
	t.Helper()
	b := newBench(t)
	count := &interrupter{n: -1}
	c := b.seal(kind, 0, accountRows("a", 5)...)
	b.note(c)
	b.setHook(count.at)
	works, err := NewRunner(b.config).Claim(t.Context(), 1)
	if err != nil || len(works) != 1 {
		t.Fatal(works, err)
	}
	NewRunner(b.config).Drive(t.Context(), works[0])
	b.setHook(nil)
	b.landedOnce(c)
	return count.seen
}

// stride is 1, or 3 in race builds, where each place takes several times as long and the plain build tries them all.
func stride(t *testing.T) int {
	t.Helper()
	if explore.Race() {
		return 3
	}
	return 1
}

// A worker dies at every place there is: before and after each statement, commit, call and publish. Another one finishes.
func TestACrashAnywhereIsFinishedByAnother(t *testing.T) {
	for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
		all := places(t, kind)
		b := newBench(t)
		var done []sealed
		for n := 1; n <= all; n += stride(t) {
			c := b.seal(kind, n, accountRows(fmt.Sprintf("%s%d", kind, n), 5)...)
			b.note(c)
			ctx, cancel := context.WithCancel(t.Context())
			stop := &interrupter{n: n, do: cancel}
			b.setHook(stop.at)
			first := NewRunner(b.config)
			if works, err := first.Claim(ctx, 1); err == nil {
				for _, w := range works {
					first.Drive(ctx, w)
				}
			}
			b.setHook(nil)
			cancel()
			b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity'`) // the dead one's lease runs out
			second := b.config
			second.Owner = "two"
			b.untilSubmitted(NewRunner(second), c)
			done = append(done, c)
			if t.Failed() {
				t.Fatalf("%s: after a crash at place %d (%s)", kind, n, stop.what)
			}
		}
		b.landedOnce(done...)
		t.Logf("%s: crashed at %d of %d places", kind, len(done), all)
	}
}

// A worker stops for long at every place there is, another takes over and finishes, then the first goes on: it may write nothing and send
// nothing that lands.
func TestAStaleOwnerStops(t *testing.T) {
	for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
		all := places(t, kind)
		b := newBench(t)
		b.config.Metrics = NewMetrics(nil)
		var done []sealed
		for n := 1; n <= all; n += stride(t) {
			c := b.seal(kind, n, accountRows(fmt.Sprintf("%s%d", kind, n), 5)...)
			b.note(c)
			first := NewRunner(b.config)
			works, err := first.Claim(t.Context(), 1)
			if err != nil || len(works) != 1 {
				t.Fatal(works, err)
			}
			second := b.config
			second.Owner = "two"
			var once sync.Once
			stop := &interrupter{n: n, do: func() {
				once.Do(func() {
					b.setHook(nil)
					b.takeOver(NewRunner(second), c)
				})
			}}
			b.setHook(stop.at)
			first.Drive(t.Context(), works[0])
			b.setHook(nil)
			b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
			b.untilSubmitted(NewRunner(second), c)
			done = append(done, c)
			if t.Failed() {
				t.Fatalf("%s: after a takeover at place %d (%s)", kind, n, stop.what)
			}
		}
		b.landedOnce(done...)
		var refused dto.Metric
		if err := b.config.Metrics.zombies.Write(&refused); err != nil || refused.GetCounter().GetValue() == 0 {
			t.Errorf("no write of a stale owner was refused (%v): the test takes nothing over", err)
		}
		t.Logf("%s: taken over at %d of %d places, %v stale owners were refused a write", kind, len(done), all, refused.GetCounter().GetValue())
	}
}

// takeOver lets the lease run out and the other work as far as it can. Where the first holds row locks, in the middle of a transaction, nobody
// can take over: it goes on.
func (b *bench) takeOver(r *Runner, c sealed) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := b.admin.Exec(ctx, fmt.Sprintf(`SET lock_timeout = '30ms'; UPDATE submitter.submissions SET lease_until = '-infinity' WHERE chunk = '%s'; RESET lock_timeout`, c.id))
	if err != nil {
		_, _ = b.admin.Exec(ctx, `RESET lock_timeout`)
		return
	}
	for range 3 {
		works, err := r.Claim(ctx, 16)
		if err != nil {
			return
		}
		for _, w := range works {
			r.Drive(ctx, w)
		}
	}
}

func TestTwoInstancesShareTheWork(t *testing.T) {
	b := newBench(t)
	var chunks []sealed
	for i := range 24 {
		c := b.seal(record.ChunkFresh, i, accountRows(fmt.Sprintf("c%d", i), 30)...)
		chunks = append(chunks, c)
	}
	b.note(chunks...)
	var wg sync.WaitGroup
	for _, owner := range []string{"one", "two"} {
		config := b.config
		config.Owner = owner
		woken := make(chan struct{}, 1)
		pool := NewPool(NewRunner(config), func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		wg.Go(func() {
			for ask[int](b, `SELECT count(*) FROM submitter.submissions WHERE state <> 'submitted'`) > 0 {
				n, err := pool.Pass(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if n == 0 {
					select {
					case <-woken:
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
			if err := pool.Drain(t.Context(), time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.landedOnce(chunks...)
	if got := len(b.sim.Jobs()); got != len(chunks) {
		t.Errorf("%d jobs were created for %d chunks", got, len(chunks))
	}
}

func TestNothingIsClosedBeforeJobBoundIsAcknowledged(t *testing.T) {
	b := newBench(t)
	b.refuse = errNoBroker
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	r := NewRunner(b.config)
	b.turns(r, 5)
	if got, n := b.stage(c), len(b.closedJobs()); got != StageBound || n != 0 {
		t.Fatalf("without a broker the chunk is %s with %d jobs closed, want bound and none", got, n)
	}
	b.refuse = nil
	b.untilSubmitted(r, c)
	b.landedOnce(c)
}

func TestAJobThatIsUnknownIsLeftToThePoller(t *testing.T) {
	b := newBench(t)
	// The close is lost before it had an effect, and the look is answered 404 although the job is there.
	b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropBefore}})
	b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Info}, Effect: simtest.Effect{Kind: simtest.Status, Status: http.StatusNotFound, Code: "NOT_FOUND"}})
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	r := NewRunner(b.config)
	b.untilSubmitted(r, c)
	if n := len(b.closedJobs()); n != 0 {
		t.Fatalf("%d jobs closed, want none: the job is unknown", n)
	}
	notes := &Notes{Store: b.store, Logger: testLogger(t), Wake: func() {}, DefinitionChanged: func() {}}
	sweep := func() {
		if _, err := notes.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if got := b.stage(c); got != StageSubmitted {
		t.Fatalf("the chunk is %s, want submitted: nobody has seen the job Open", got)
	}
	// The poller sees that it is Open.
	b.insert("poller", "watches", map[string]any{
		"chunk": c.id, "pipeline": accounts, "org": testOrg, "job_id": b.text(c, "job_id"), "rows": 5, "state": "watching", "job_state": "Open",
	})
	sweep()
	if got := b.stage(c); got != StageBound {
		t.Fatalf("the chunk is %s, want bound again: the job is Open and nobody else may close it", got)
	}
	b.exec(`DELETE FROM submitter.outbox`)
	b.untilSubmitted(r, c)
	b.landedOnce(c)
}
