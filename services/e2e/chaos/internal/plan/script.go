package plan

import (
	"encoding/json"
	"fmt"
)

// rule is a fault of the simulator in its own JSON, as docs/guides/simulator.md explains it. It is written anew here because the instrument
// shares no code with what it judges or judges by.
type rule struct {
	Match       match  `json:"match,omitzero"`
	Times       *int   `json:"times,omitempty"`
	TimesPerKey int    `json:"times_per_key,omitempty"`
	Effect      effect `json:"effect"`
}

type match struct {
	Endpoint  string  `json:"endpoint,omitempty"`
	Operation string  `json:"operation,omitempty"`
	After     int     `json:"after,omitempty"`
	Fraction  float64 `json:"fraction,omitempty"`
	Seed      int64   `json:"seed,omitempty"`
	For       string  `json:"for,omitempty"`
}

type effect struct {
	Kind           string            `json:"kind"`
	When           string            `json:"when,omitempty"`
	Status         int               `json:"status,omitempty"`
	Code           string            `json:"code,omitempty"`
	Message        string            `json:"message,omitempty"`
	Body           string            `json:"body,omitempty"`
	Duration       string            `json:"duration,omitempty"`
	Bytes          int64             `json:"bytes,omitempty"`
	BytesPerSecond int               `json:"bytes_per_second,omitempty"`
	Error          string            `json:"error,omitempty"`
	Rows           *int              `json:"rows,omitempty"`
	Count          int               `json:"count,omitempty"`
	Format         string            `json:"format,omitempty"`
	Quota          string            `json:"quota,omitempty"`
	Columns        map[string]string `json:"columns,omitempty"`
}

// script is a kind of the simulator's effects with how it is made into rules. Every script ends by itself or when the org's faults are
// cleared for healing.
type script struct {
	kind string
	make func(c chance) []rule
}

func times(n int) *int { return &n }

// busy are the sorts of calls of which every run makes several.
var busy = []string{"create", "upload", "close", "info", "success", "failed", "collection"}

// page is an answer that is no JSON, as a proxy in front of an org gives it.
const page = "<html><head><title>Error</title></head><body><h1>The service is unavailable.</h1></body></html>"

// strikes makes rules for n sorts of calls.
func strikes(c chance, n int, e effect) []rule {
	var out []rule
	for range n {
		out = append(out, rule{Match: match{Endpoint: pick(c, busy), After: c.below(3)}, Times: times(c.between(1, 2)), Effect: e})
	}
	return out
}

// job makes a rule for one job or two.
func job(c chance, e effect) []rule {
	return []rule{{Match: match{After: c.below(3)}, Times: times(c.between(1, 2)), Effect: e}}
}

func millis(ms int) string { return fmt.Sprintf("%dms", ms) }

// scripts are one for every kind of effect that the simulator has; a test compares them with its guide.
func scripts() []script {
	return []script{
		{"status", func(c chance) []rule {
			e := effect{Kind: "status", Status: pick(c, []int{500, 502, 503, 503, 429})}
			if c.one(2) {
				e.Body = page
			}
			if c.one(3) {
				e.When = "after"
			}
			return strikes(c, 3, e)
		}},
		{"latency", func(c chance) []rule {
			e := effect{Kind: "latency", Duration: millis(c.between(50, 1500))}
			if c.one(2) {
				e.When = "after"
			}
			// A call of collections that lands when nobody waits for it any more: its caller has given up, died, or stands still.
			late := rule{
				Match: match{Endpoint: "collection", After: c.below(3)}, Times: times(c.between(1, 2)),
				Effect: effect{Kind: "latency", When: "late", Duration: millis(c.between(700, 1500))},
			}
			return append(strikes(c, 3, e), late)
		}},
		{"drop_before", func(c chance) []rule { return strikes(c, 3, effect{Kind: "drop_before"}) }},
		{"drop_mid", func(c chance) []rule {
			return []rule{{
				Match: match{Endpoint: "upload", After: c.below(3)}, Times: times(c.between(1, 2)),
				Effect: effect{Kind: "drop_mid", Bytes: int64(c.between(0, 20_000))},
			}}
		}},
		// The calls whose lost reply hurts most: a job that is there, closed, uploaded to, or aborted without its caller knowing.
		{"drop_after", func(c chance) []rule {
			out := strikes(c, 1, effect{Kind: "drop_after"})
			for _, at := range []string{"create", "upload", "close", "collection"} {
				out = append(out, rule{Match: match{Endpoint: at, After: c.below(3)}, Times: times(1), Effect: effect{Kind: "drop_after"}})
			}
			return out
		}},
		{"half_reply", func(c chance) []rule {
			return append(strikes(c, 1, effect{Kind: "half_reply", Bytes: int64(c.between(0, 60))}), results(c, effect{Kind: "half_reply", Bytes: int64(c.between(0, 5_000))})...)
		}},
		{"truncate", func(c chance) []rule {
			e := effect{Kind: "truncate", Bytes: int64(c.between(0, 5_000))}
			return append(results(c, e), ofInserts("success", e))
		}},
		{"slow", func(c chance) []rule {
			return results(c, effect{Kind: "slow", BytesPerSecond: c.between(5_000, 50_000)})
		}},
		{"expire_token", func(c chance) []rule {
			e := effect{Kind: "expire_token"}
			if c.one(2) {
				e.When = "after"
			}
			return strikes(c, 2, e)
		}},
		{"org_down", func(c chance) []rule {
			return []rule{{Match: match{For: millis(c.between(500, 2_000))}, Effect: effect{Kind: "org_down", Format: pick(c, []string{"json", "html"})}}}
		}},
		{"quota", func(c chance) []rule {
			return []rule{{Match: match{After: c.below(10)}, Times: times(c.between(1, 3)), Effect: effect{Kind: "quota", Quota: pick(c, []string{"daily", "long_txn", "jobs"})}}}
		}},
		{"wrong_type", func(c chance) []rule { return strikes(c, 2, effect{Kind: "wrong_type"}) }},
		{"gzip_garbage", func(c chance) []rule {
			e := effect{Kind: "gzip_garbage"}
			if c.one(2) {
				e.Bytes = 30
			}
			return strikes(c, 2, e)
		}},
		// Above the largest answer that a client may believe, but small enough not to be a load of its own.
		{"gzip_bomb", func(c chance) []rule {
			return []rule{{Match: match{Endpoint: pick(c, []string{"info", "create"}), After: c.below(3)}, Times: times(1), Effect: effect{Kind: "gzip_bomb", Bytes: 33 << 20}}}
		}},
		{"row_error", func(c chance) []rule {
			text := pick(c, []string{
				"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", "UNKNOWN_EXCEPTION:An unexpected error occurred:--",
				"SERVER_UNAVAILABLE:server unavailable:--",
			})
			return []rule{{Match: match{Fraction: 0.2, Seed: int64(c.below(1_000)), For: millis(c.between(500, 1_500))}, TimesPerKey: 1, Effect: effect{Kind: "row_error", Error: text}}}
		}},
		{"lock_storm", func(c chance) []rule {
			return []rule{{Match: match{Fraction: 0.3, Seed: int64(c.below(1_000)), For: millis(c.between(500, 1_500))}, TimesPerKey: 1, Effect: effect{Kind: "lock_storm"}}}
		}},
		{"job_stall", func(c chance) []rule {
			return job(c, effect{Kind: "job_stall", Rows: times(c.below(150)), Duration: millis(c.between(200, 1_500))})
		}},
		{"job_abort", func(c chance) []rule { return job(c, effect{Kind: "job_abort", Rows: times(c.below(150))}) }},
		{"job_fail", func(c chance) []rule { return job(c, effect{Kind: "job_fail", Rows: times(c.below(150))}) }},
		{"job_vanish", func(c chance) []rule {
			e := effect{Kind: "job_vanish"}
			if c.one(2) {
				e.Rows = times(c.below(150))
			}
			return job(c, e)
		}},
		{"job_backwards", func(c chance) []rule { return job(c, effect{Kind: "job_backwards", Count: c.between(1, 3)}) }},
		{"batch_timeout", func(c chance) []rule { return job(c, effect{Kind: "batch_timeout", Count: c.between(1, 3)}) }},
		{"lose_rows", func(c chance) []rule {
			return append(rows(c, effect{Kind: "lose_rows"}), ofInserts("", effect{Kind: "lose_rows"}))
		}},
		{"double_rows", func(c chance) []rule { return rows(c, effect{Kind: "double_rows"}) }},
		{"rewrite_rows", func(c chance) []rule {
			return rows(c, effect{Kind: "rewrite_rows", Columns: pick(c, []map[string]string{
				{"sf__Id": ""}, {"sf__Created": "maybe"}, {"sf__Error": "UNKNOWN_EXCEPTION:An unexpected error occurred:--"},
			})})
		}},
		{"foreign_rows", func(c chance) []rule {
			return []rule{{Match: match{After: c.below(3)}, Times: times(1), Effect: effect{Kind: "foreign_rows", Rows: times(c.between(1, 3))}}}
		}},
	}
}

// results makes rules for the files of results.
func results(c chance, e effect) []rule {
	return []rule{
		{Match: match{Endpoint: "success", After: c.below(3)}, Times: times(c.between(1, 2)), Effect: e},
		{Match: match{Endpoint: "failed", After: c.below(3)}, Times: times(1), Effect: e},
	}
}

// ofInserts makes a rule for the first answer about inserted rows: what no file tells of cannot be found again by a key, which is where it
// is hardest to say what became of it.
func ofInserts(endpoint string, e effect) rule {
	return rule{Match: match{Endpoint: endpoint, Operation: "insert"}, Times: times(1), Effect: e}
}

// rows makes a rule for a few rows of results.
func rows(c chance, e effect) []rule {
	return []rule{{Match: match{After: c.below(300)}, Times: times(c.between(1, 6)), Effect: e}}
}

// OrgKinds are the kinds of the simulator's effects that plans inject.
func OrgKinds() []string {
	var out []string
	for _, s := range scripts() {
		out = append(out, s.kind)
	}
	return out
}

// write makes the script of one kind.
func (s script) write(c chance) []byte { return written(s.make(c)) }

// written are rules as the simulator reads them. Marshalling these types cannot fail.
func written(rules []rule) []byte {
	text, err := json.Marshal(rules)
	if err != nil {
		panic(fmt.Sprintf("rules of the simulator: %v", err)) // a type of this file that JSON does not know
	}
	return text
}
