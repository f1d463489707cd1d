//go:build !race

package simulation_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// everyOperation are pipelines that insert, upsert, update and delete.
var everyOperation = []string{"parts", "orders", "phones", "removals"}

// lockedOnce is a script by which some rows are locked when they are sent first, so that the retrier has something to do.
func lockedOnce(at float64) trial.Fault {
	return trial.Fault{ID: "locked", At: at, Kind: trial.Org, Target: "org", OrgKind: "row_error", Script: []byte(lockedRows)}
}

// TestEachServiceStopsAloneForTenMinutes stops one service for ten minutes while records of every kind are published, with the waits of production. Publishers
// notice nothing, what only it can do waits for it, and in the end everything is where it is when nobody stops.
func TestEachServiceStopsAloneForTenMinutes(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	const lasts, from, away = 14 * time.Minute, 2 * time.Minute, 10 * time.Minute
	play := func(t *testing.T, stopped string) (run *trial.All) {
		bubble.Test(t, func(t *testing.T) {
			w := world.Open(t, days(world.Options{Pipelines: everyOperation, Plan: trial.Plan{
				Seed: 21, Records: trial.RecordsFor(40, everyOperation...), FaultsFor: lasting(lasts), Faults: []trial.Fault{lockedOnce(0)},
			}}))
			w.Start()
			go w.Storm()
			published := make(chan struct{})
			go func() {
				defer close(published)
				w.Publish()
			}()
			time.Sleep(from)
			began, ended := w.Since(), 0.0
			if stopped != "" {
				w.Down(stopped)
				time.Sleep(away)
				if moving, err := w.Moving(); err == nil && len(moving) == 0 {
					t.Errorf("nothing waits for the %s", stopped)
				}
				ended = w.Since()
				w.Up(stopped)
			}
			<-published
			w.Heal()
			w.Calm(3 * time.Hour)
			if stopped == "ops" {
				time.Sleep(30 * time.Minute) // the samples that were taken without it have no balance
			}
			run = judge(t, w)
			if stopped != "" {
				takenMeanwhile(t, run, began, ended)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		return run
	}
	whole := play(t, "")
	records := len(fates(whole))
	if records == 0 || len(dead(whole)) == 0 {
		t.Fatalf("%d records, %d of them dead: the load shows nothing", records, len(dead(whole)))
	}
	for _, service := range world.Services() {
		t.Run(fmt.Sprintf("without the %s nothing is lost and nothing dies of it", service), func(t *testing.T) {
			run := play(t, service)
			if got := len(fates(run)); got != records {
				t.Errorf("%d records have an end, %d when nobody stops", got, records)
			}
			if got, want := dead(run), dead(whole); !slices.Equal(got, want) {
				t.Errorf("dead are %v, and %v when nobody stops", got, want)
			}
		})
	}
}

// takenMeanwhile wants publishers to have published in a time, and no message refused.
func takenMeanwhile(t *testing.T, run *trial.All, from, until float64) {
	t.Helper()
	taken := 0
	for _, p := range run.Published {
		if p.Sent < from || p.Sent > until {
			continue
		}
		if p.Answer == trial.Failed {
			t.Errorf("the broker refused %s at %.0f ms: %s", p.Message, p.Sent, p.Refused)
		}
		taken++
	}
	if taken == 0 {
		t.Error("nothing was published meanwhile")
	}
}
