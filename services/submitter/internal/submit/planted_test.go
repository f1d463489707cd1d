//go:build planted

package submit

import (
	"context"
	"strings"
	"testing"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// plant switches a bug on for one test. Bugs are the process's, so nothing here is parallel.
func plant(t *testing.T, bug planted.Bug) {
	t.Helper()
	if err := planted.Set(bug); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = planted.Set(planted.None) })
}

// closedWith counts the jobs that were closed and hold a row.
func (b *bench) closedWith(key string) int {
	n := 0
	for _, j := range b.sim.Jobs() {
		if j.Closed && strings.Contains(string(b.sim.UploadOf(j.ID)), key) {
			n++
		}
	}
	return n
}

// again lets whoever comes next take the submission over, until it is handed to the poller.
func (b *bench) again(c sealed) {
	b.t.Helper()
	for range 20 {
		if b.stage(c) == StageSubmitted {
			return
		}
		b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity', next_try_at = '-infinity' WHERE ended_at IS NULL`)
		b.turns(NewRunner(b.config), 1)
	}
}

// closedOverARestore counts the jobs that were closed with a row that was sent, forgotten with its chunk, and read again.
func closedOverARestore(t *testing.T, bug planted.Bug) int {
	t.Helper()
	plant(t, bug)
	b := newBench(t)
	r := NewRunner(b.config)
	lost := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("a", 3)...)
	b.exec(`UPDATE extractor.chunks SET last_seq = 3`)
	b.note(lost)
	b.untilSubmitted(r, lost)
	b.sim.AwaitJob(b.text(lost, "job_id"), "finished")
	b.forget(lost, false)
	b.note(b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("a", 3)...))
	b.turns(r, 3)
	b.recovered(r)
	b.turns(r, 5)
	return b.closedWith("a-1")
}

func TestPlantedBugsOfTheProtocol(t *testing.T) {
	lost := func(endpoint simtest.Endpoint, kind simtest.Effect) simtest.Fault {
		return simtest.Fault{Match: simtest.Match{Endpoint: endpoint}, Times: simtest.Times(1), Effect: kind}
	}
	for _, c := range []struct {
		bug   planted.Bug
		fault []simtest.Fault
		// die ends the worker's context at this place, the first time.
		die          string
		closed, made int // jobs closed and made with the bug
		does         string
	}{
		{planted.NewJobAfterLostClose, []simtest.Fault{lost(simtest.Close, simtest.Effect{Kind: simtest.DropAfter})}, "", 2, 2, "closes two jobs of the same rows when the answer to a close is lost"},
		{planted.SendAgainOn404, []simtest.Fault{
			lost(simtest.Close, simtest.Effect{Kind: simtest.DropAfter}),
			lost(simtest.Info, simtest.Effect{Kind: simtest.Status, Status: 404, Code: "NOT_FOUND"}),
		}, "", 2, 2, "closes two jobs of the same rows when a job that was closed is not found once"},
		{planted.TakeoverAborts, nil, "before close", 1, 2, "aborts the job that a predecessor bound, and makes another one"},
		{planted.JobIDStoredAfterClose, nil, "after close", 2, 2, "closes two jobs of the same rows when it dies after the first close"},
	} {
		t.Run(string(c.bug)+" "+c.does, func(t *testing.T) {
			for _, bug := range []planted.Bug{planted.None, c.bug} {
				plant(t, bug)
				b := newBench(t)
				for _, f := range c.fault {
					b.sim.AddFault(f)
				}
				chunk := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
				b.note(chunk)
				ctx, die := context.WithCancel(t.Context())
				defer die()
				b.setHook(func(what string) {
					if c.die != "" && what == c.die {
						die()
					}
				})
				works, err := b.store.Claim(t.Context(), "dies", b.config.Lease, 1)
				if err != nil || len(works) != 1 {
					t.Fatal(works, err)
				}
				NewRunner(b.config).Drive(ctx, works[0])
				b.setHook(nil)
				b.again(chunk)
				closed, made := 1, 1
				if bug != planted.None {
					closed, made = c.closed, c.made
				}
				if got := b.closedWith("a-1"); got != closed || len(b.sim.Jobs()) != made {
					t.Errorf("with %q %d jobs were closed and %d made, want %d and %d", bug, got, len(b.sim.Jobs()), closed, made)
				}
			}
		})
	}
	t.Run("upload_twice sends the content again into a job whose upload had no answer, which cannot be closed then", func(t *testing.T) {
		plant(t, planted.UploadTwice)
		b := newBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Upload}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		chunk := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
		b.note(chunk)
		b.again(chunk)
		if n := len(b.sim.Calls(0, simtest.Upload)); n < 2 || len(b.sim.Jobs()) != 1 || b.closedWith("a-1") != 0 {
			t.Errorf("%d uploads into %d jobs, %d closed", n, len(b.sim.Jobs()), b.closedWith("a-1"))
		}
	})
	t.Run("no_epoch lets a worker whose claim was taken over close a job of its own", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.NoEpoch} {
			plant(t, bug)
			b := newBench(t)
			chunk := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
			b.note(chunk)
			works, err := b.store.Claim(t.Context(), "zombie", b.config.Lease, 1)
			if err != nil || len(works) != 1 {
				t.Fatal(works, err)
			}
			b.again(chunk) // somebody else carries it to its end
			NewRunner(b.config).Drive(t.Context(), works[0])
			want := map[planted.Bug]int{planted.None: 1, planted.NoEpoch: 2}[bug]
			if got := b.closedWith("a-1"); got != want {
				t.Errorf("with %q %d jobs were closed, want %d", bug, got, want)
			}
		}
	})
	t.Run("restored_ledger_taken_as_whole closes another job of inserts whose first one the ledger has forgotten", func(t *testing.T) {
		for bug, want := range map[planted.Bug]int{planted.None: 1, planted.RestoredLedgerTakenAsWhole: 2} {
			if got := closedOverARestore(t, bug); got != want {
				t.Errorf("with %q %d jobs were closed, want %d", bug, got, want)
			}
		}
	})
	t.Run("doubted_rows_sent_again closes another job of inserts when the forgotten one has ended", func(t *testing.T) {
		for bug, want := range map[planted.Bug]int{planted.None: 1, planted.DoubtedRowsSentAgain: 2} {
			if got := closedOverARestore(t, bug); got != want {
				t.Errorf("with %q %d jobs were closed, want %d", bug, got, want)
			}
		}
	})
	t.Run("stale_check_outside_the_lane asks before the lane is held", func(t *testing.T) {
		stored := Event[string]{Kind: Claimed, Stored: Stored[string]{Stage: StageClaimed}}
		plant(t, planted.None)
		if s := Step(State[string]{}, stored); s.Do != TakeLane {
			t.Fatal(s.Do)
		}
		plant(t, planted.StaleCheckOutsideTheLane)
		if s := Step(State[string]{}, stored); s.Do != Check {
			t.Fatal(s.Do)
		}
	})
	t.Run("supersede_without_covering_fields drops a row for a newer record that names one field of two", func(t *testing.T) {
		own, later := []Said{said(5, 0, 1, 2)}, []Later{sent(9, 0, 1)}
		plant(t, planted.None)
		if v := Supersede(own, later, 0); v.Drop {
			t.Fatal("dropped without the bug")
		}
		plant(t, planted.SupersedeWithoutFields)
		if v := Supersede(own, later, 0); !v.Drop {
			t.Fatal("not dropped")
		}
	})
}
