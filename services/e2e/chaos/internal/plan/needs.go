package plan

import (
	"bulkhead/services/e2e/chaos/internal/history"
)

// armed is the time that an instance takes to be started anew with a rule for a point: what the point needs comes behind it.
const armed = 700

// stopInACall is the need that is one instance's: the others' are met by the org, or by people.
const stopInACall = "stop_in_a_call"

// refusal is what an org answers whose administrator took a right away: it pauses the pipeline.
var refusal = effect{Kind: "status", Status: 403, Code: "INSUFFICIENT_ACCESS", Message: "insufficient access rights on cross-reference id"}

// fewWaiting is a bound of records that wait to be sent again which a storm of locks passes.
const fewWaiting = 25

// madeAgain is the need of the points of `extractor resume`. It cannot come about in a storm, where nobody knows what the deletion of a RECORDS
// stream took away: see [history.Plan.Resumes].
const madeAgain = "records_made_again"

// restored is the need of what happens only in a ledger that was put back to an earlier moment: no storm does that.
const restored = "restored"

// provide adds what makes the services pass a point that is not on their everyday way.
func (d *drawing) provide(need string, point history.Fault) {
	f := history.Fault{At: min(point.At+armed, d.plan.FaultsFor), Kind: history.Org, Target: "org"}
	if rules := d.rules(need); rules != nil {
		f.OrgKind = rules[0].Effect.Kind
		f.Script = written(rules)
		d.add(f)
	}
	switch need {
	case "definition":
		d.add(history.Fault{At: f.At, Kind: history.Definition, Target: "ops"})
	case "backlog":
		d.plan.MaxWaiting = fewWaiting
	case "replay", "reread", "pause", "gone_results":
		// Whoever replays letters lifts what is paused too, and does what its message asks for before.
		d.add(history.Fault{At: f.At, Kind: history.Operators, Target: "ops"})
	case "unresolved":
		// A job must have been looked for in vain, and its rows have been missing, before there is something to decide.
		for _, later := range []float64{4_000, 6_000} {
			d.add(history.Fault{At: min(f.At+later, d.plan.FaultsFor), Kind: history.Operators, Target: "ops"})
		}
	case "dlq_forgotten":
		d.add(history.Fault{At: f.At, Kind: history.StreamDelete, Target: "nats", Stream: "DLQ"})
	case stopInACall:
		// Some look is under way at one of these moments.
		for n := range 2 {
			d.add(history.Fault{At: min(f.At+armed*float64(n+1), d.plan.FaultsFor), Kind: history.Term, Target: point.Target})
		}
	}
}

// rules are what the org does for a need; nil = it can do nothing for it.
func (d *drawing) rules(need string) []rule {
	one := func(endpoint string, n int, e effect) []rule {
		return []rule{{Match: match{Endpoint: endpoint}, Times: times(n), Effect: e}}
	}
	jobs := func(n int, e effect) []rule { return []rule{{Times: times(n), Effect: e}} }
	// Rows that were never sent say nothing of a job that has vanished: the two must not meet.
	foreign := rule{Match: match{Operation: "upsert"}, Times: times(1), Effect: effect{Kind: "foreign_rows", Rows: times(2)}}
	vanish := func(n int, e effect) []rule {
		return []rule{{Match: match{Operation: "insert"}, Times: times(n), Effect: e}}
	}
	switch need {
	case "aborted_job":
		return jobs(3, effect{Kind: "job_abort", Rows: times(d.below(100))})
	case "broken_results":
		return append(
			one("success", 3, effect{Kind: "half_reply", Bytes: int64(d.between(10, 2_000))}),
			one("failed", 2, effect{Kind: "half_reply", Bytes: int64(d.between(10, 500))})...,
		)
	case "foreign_rows":
		return []rule{foreign}
	case "gone":
		return vanish(3, effect{Kind: "job_vanish", Rows: times(d.below(50))})
	case "gone_results":
		// One goes by itself; the other's results contradict what was sent, and a person deletes it, as the message says.
		return append(vanish(2, effect{Kind: "job_vanish"}), foreign)
	case "lost_close":
		return one("close", 4, effect{Kind: "drop_after"})
	case "missing_rows", "unresolved":
		return []rule{{Match: match{Operation: "insert"}, Times: times(4), Effect: effect{Kind: "job_vanish", Rows: times(3)}}}
	case "orphan":
		return one("create", 4, effect{Kind: "drop_after"})
	case "pause":
		return one("create", 2, refusal)
	case "refused_close":
		return one("close", 3, effect{Kind: "status", Status: 400, Code: "API_ERROR", Message: "the job cannot be closed"})
	case "refused_calls":
		refused := effect{Kind: "status", Status: 400, Code: "JSON_PARSER_ERROR", Message: "the body of the call cannot be read"}
		return []rule{
			{Match: match{Endpoint: "collection"}, Times: times(2), Effect: refused},
			{Match: match{Endpoint: "collection"}, Times: times(3), Effect: effect{Kind: "drop_after"}},
			{Match: match{Endpoint: "collection"}, Times: times(4), Effect: refused},
		}
	case "slow_job":
		return jobs(4, effect{Kind: "job_stall", Rows: times(d.below(20)), Duration: "2s"})
	case "slow_call":
		return append(
			one("info", 3, effect{Kind: "latency", Duration: "1500ms"}),
			one("success", 3, effect{Kind: "latency", Duration: "1500ms"})...,
		)
	case stopInACall:
		slow := effect{Kind: "latency", Duration: "1500ms"}
		return []rule{{Match: match{Endpoint: "info", For: "2500ms"}, Effect: slow}, {Match: match{Endpoint: "success", For: "2500ms"}, Effect: slow}}
	case "shared_space":
		// Rows of both pipelines of a space are sent again, and find their lanes while jobs are refused.
		return []rule{
			{Match: match{Fraction: 0.5, Seed: int64(d.below(1_000)), For: "2000ms"}, TimesPerKey: 2, Effect: effect{Kind: "lock_storm"}},
			{Match: match{Endpoint: "create", After: d.below(3)}, Times: times(3), Effect: refusal},
		}
	case "backlog":
		return []rule{{Match: match{Fraction: 0.7, Seed: int64(d.below(1_000)), For: "1500ms"}, TimesPerKey: 1, Effect: effect{Kind: "lock_storm"}}}
	default:
		return nil
	}
}
