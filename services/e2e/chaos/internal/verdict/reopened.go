package verdict

import (
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// rereads counts by pipeline how often people had a part of its stream read again. Orders under one key are one. What was refused
// counts too, which only widens what is allowed.
func rereads(timeline []history.Event) map[string]int {
	out, keys := map[string]int{}, map[string]bool{}
	for _, e := range timeline {
		if _, rest, ordered := strings.Cut(e.Text, " reread "); ordered && e.What == "operator" && (e.Key == "" || !keys[e.Key]) {
			pipeline, _, _ := strings.Cut(rest, ":")
			out[pipeline]++
			keys[e.Key] = true
		}
	}
	return out
}

// reopened is how many generations of a record were opened by its upstream: a person had given up its letter, and then it was published once
// more, or its part of the stream was read again. Such a one is accepted again, and what was given up stays discarded. It is a range where
// the same letter was ordered to be replayed as well, or where nobody saw the letter: nobody can say then what opened the generation.
func (k *known) reopened(i *item) (least, most int) {
	g := i.generation()
	if g == 0 || i.rec == nil {
		return 0, 0
	}
	seen := map[int]bool{}
	for _, l := range i.letters {
		if l.Generation >= g || seen[l.Generation] || !k.orders.given(l, discard) {
			continue
		}
		seen[l.Generation] = true
		most++
		if !k.orders.given(l, replay, resolve) {
			least++
		}
	}
	if k.unseenDiscard {
		had := map[int]bool{}
		for _, l := range i.letters {
			had[l.Generation] = true
		}
		for n := range g {
			if !had[n] {
				most++
			}
		}
	}
	return least, most
}

// chances is how often the upstream of a record can have opened a generation: each place behind the first, each try that may have left it in
// one more, each reading again.
func (k *known) chances(r *record) int {
	lies, may := r.places()
	return max(lies+may-1, 0) + k.rereads[r.pipe.Name]
}
