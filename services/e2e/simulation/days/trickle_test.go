//go:build !race

package days_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// trickle publishes records one by one, a hundred a second, and says when each key was published.
func (w *world) trickle(pipeline, template string, d time.Duration) map[string]time.Time {
	w.t.Helper()
	const every = 10 * time.Millisecond
	out := map[string]time.Time{}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(every) {
		key := fmt.Sprintf("t-%06d", len(out))
		w.publish(pipeline, records(template, key)...)
		out[key] = time.Now()
	}
	return out
}

// landed says when the org took each row first, by what a field of it holds.
func (w *world) landedAt(object, field string) map[string]time.Time {
	w.t.Helper()
	reply := httptest.NewRecorder()
	w.sim.Handler().ServeHTTP(reply, w.request(http.MethodGet, "/sim/records/"+object+"?versions=all", http.NoBody))
	if reply.Code != http.StatusOK {
		w.t.Fatalf("rows of %s: %d: %s", object, reply.Code, reply.Body)
	}
	out := map[string]time.Time{}
	for rows := json.NewDecoder(reply.Body); rows.More(); {
		var row struct {
			Fields   map[string]string `json:"fields"`
			Versions []struct {
				At time.Time `json:"at"`
			} `json:"versions"`
		}
		w.must(rows.Decode(&row))
		out[row.Fields[field]] = row.Versions[0].At
	}
	return out
}

// latencies are how long records took from their publish to the org, the shortest first.
func latencies(published, landed map[string]time.Time) []time.Duration {
	out := make([]time.Duration, 0, len(published))
	for key, at := range published {
		out = append(out, landed[key].Sub(at))
	}
	slices.Sort(out)
	return out
}

// quantile of what is sorted.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

// histogram reads one of a service's: how many were counted up to each bound, and in all.
func (w *world) histogram(service, name string) (upTo map[float64]int, all int) {
	w.t.Helper()
	families, err := w.running[service].metrics.Gather()
	w.must(err)
	for _, f := range families {
		if f.GetName() != name || len(f.GetMetric()) != 1 {
			continue
		}
		upTo = map[float64]int{}
		h := f.GetMetric()[0].GetHistogram()
		for _, b := range h.GetBucket() {
			upTo[b.GetUpperBound()] = int(b.GetCumulativeCount())
		}
		return upTo, int(h.GetSampleCount())
	}
	w.t.Fatalf("%s has no metric %s of one pipeline", service, name)
	return nil, 0
}

// A trickle is a hundred records a second, published one by one, with chunks of half a second and an org that takes no time. What lands is seen by the org's
// own times, and by the histogram that a person would look at, which ends when the outcome is written.
func TestATrickle(t *testing.T) {
	t.Parallel()
	const jobCalls, collectionCalls = 7, 1 // of a chunk: two looks at most; a call takes 200 rows
	for _, test := range []struct {
		name, pipeline, template, object, field, bulk string
		calls                                         int
	}{
		{"of upserts by jobs", "contacts", contact, "Contact", "External_Id__c", "bulk: {threshold: 0}\n", jobCalls},
		{"of upserts by collections", "contacts", contact, "Contact", "External_Id__c", "bulk: {threshold: 2000}\n", collectionCalls},
		{"of inserts", "members", member, "Member__c", "Number__c", "", jobCalls},
	} {
		t.Run(test.name+" lands within seconds", func(t *testing.T) {
			t.Parallel()
			bubble.Test(t, func(t *testing.T) {
				w := open(t, options{pipelines: []string{test.pipeline}, queue: time.Millisecond, define: func(text string) string {
					return strings.Replace(text, "age: 2s", "age: 500ms", 1) + test.bulk
				}})
				defer w.end()
				before := w.lastCall()
				published := w.trickle(test.pipeline, test.template, time.Minute)
				w.within(time.Minute, "all land", func() bool { return int(w.balance("").Landed) == len(published) })
				calls := w.calls(before)
				took := latencies(published, w.landedAt(test.object, test.field))
				p50, p95, p99 := quantile(took, 0.5), quantile(took, 0.95), quantile(took, 0.99)
				upTo, all := w.histogram("reconciler", "bulkhead_reconciler_landing_seconds")
				t.Logf("%d records: p50 %s, p95 %s, p99 %s, longest %s; known to have landed: %v; %d calls: %v",
					len(took), p50, p95, p99, took[len(took)-1], upTo, len(calls), byEndpoint(calls))
				if p50 >= 1500*time.Millisecond || p99 >= 5*time.Second {
					t.Errorf("p50 %s, p99 %s", p50, p99)
				}
				if all != len(published) || upTo[1.5] < all/2 || upTo[5] < all*99/100 {
					t.Errorf("of %d records the histogram has %d, %d of them in 1.5 s and %d in 5 s", len(published), all, upTo[1.5], upTo[5])
				}
				chunks := 2 * 2 * 61 // in two lanes, two a second
				if others := byEndpoint(calls)["token 200"]; len(calls)-others > chunks*test.calls {
					t.Errorf("%d calls for %d chunks at most", len(calls), chunks)
				}
			})
		})
	}
}
