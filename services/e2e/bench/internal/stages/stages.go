// Package stages says which stage of a record's way took how much of a CPU profile of the services.
//
// A sample belongs to the innermost function of a service on its stack, so that what a library does counts where it was called; what no service
// called (the clients of broker and ledger, garbage collection, the scheduler) has stages of its own. The sum of all stages is the profile.
package stages

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule gives a stage the samples on whose stacks one of its words stands.
type rule struct {
	stage string
	words []string
}

// byService are asked first, function by function from the innermost out; within a function the first that fits.
var byService = []rule{
	{"extract: decode, validate, map, hash", []string{"/extract.(*mapper)", "bulkhead/libs/pipeline."}},
	{"extract: route, pack, seal", []string{"extractor/internal/decide."}},
	{"extract: was it seen?", []string{"extractor/internal/seen."}},
	{"extract: write to the ledger", []string{"extractor/internal/store"}},
	{"extract: fetch frames, the rest", []string{"bulkhead/services/extractor/"}},
	{"submit", []string{"bulkhead/services/submitter/"}},
	{"poll", []string{"bulkhead/services/poller/"}},
	{"results: read, match", []string{"reconciler/internal/account."}},
	{"results: write to the ledger", []string{"reconciler/internal/store"}},
	{"results: fetch, failed rows, the rest", []string{"bulkhead/services/reconciler/"}},
	{"retry", []string{"bulkhead/services/retrier/"}},
	{"ops", []string{"bulkhead/services/ops/"}},
}

// byRest are asked where no service stands on the stack.
var byRest = []rule{
	{"client of the broker", []string{"nats-io/nats", "bulkhead/libs/bus."}},
	{"client of the ledger", []string{"jackc/pgx", "bulkhead/libs/pg."}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
}

// rest is the stage of what fits no rule.
const rest = "scheduler, the rest"

// Share is what a stage took.
type Share struct {
	Stage string
	CPU   time.Duration
	Part  float64 // of all
}

// Read sums up what `go tool pprof -traces -unit=ms` prints of a CPU profile; the largest share comes first.
func Read(traces io.Reader) ([]Share, error) {
	sums := map[string]time.Duration{}
	var all, value time.Duration
	var stack []string
	began := false
	end := func() {
		if len(stack) > 0 {
			sums[stageOf(stack)] += value
			all += value
		}
		stack = stack[:0]
	}
	in := bufio.NewScanner(traces)
	in.Buffer(nil, 1<<20) // names of generic functions are long
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		switch {
		case strings.HasPrefix(line, "-----------+"):
			end()
			began = true
		case !began || line == "":
		case len(stack) == 0:
			text, function, _ := strings.Cut(line, " ")
			ms, err := strconv.ParseFloat(strings.TrimSuffix(text, "ms"), 64)
			if err != nil || !strings.HasSuffix(text, "ms") || ms < 0 {
				return nil, fmt.Errorf("%q does not begin with milliseconds: it is no stack as pprof prints it with -traces -unit=ms", line)
			}
			value, stack = time.Duration(ms*float64(time.Millisecond)), append(stack, strings.TrimSpace(function))
		default:
			stack = append(stack, line)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read the stacks of a profile: %w", err)
	}
	end()
	out := make([]Share, 0, len(sums))
	for stage, cpu := range sums {
		out = append(out, Share{Stage: stage, CPU: cpu, Part: float64(cpu) / float64(max(all, 1))})
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.Stage, b.Stage)) })
	return out, nil
}

// stageOf finds the stage of a stack, whose innermost function comes first.
func stageOf(stack []string) string {
	for _, rules := range [][]rule{byService, byRest} {
		for _, function := range stack {
			for _, r := range rules {
				if slices.ContainsFunc(r.words, func(w string) bool { return strings.Contains(function, w) }) {
					return r.stage
				}
			}
		}
	}
	return rest
}
