// Package trial is what chaos lends to others who try the product in another way: its load, its formats, its operators, its dump and its judge.
// What plays processes in virtual time is so judged by the very judge that judges real ones.
//
// It adds nothing to what the packages behind it promise; see there.
package trial

import (
	"context"

	"bulkhead/services/e2e/chaos/internal/collect"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/plan"
	"bulkhead/services/e2e/chaos/internal/verdict"
	"bulkhead/services/e2e/chaos/internal/watch"
)

// The formats of a run.
type (
	// Plan is everything that a seed decided, and Fault one thing of it.
	Plan  = history.Plan
	Fault = history.Fault
	// FaultKind is what a fault does.
	FaultKind = history.FaultKind
	// Run says how a run ended, Event is a line of its timeline, Sample what was seen at one moment.
	Run    = history.Run
	Event  = history.Event
	Sample = history.Sample
	// Balance is one pipeline's.
	Balance = history.Balance
	// Publication is a record of one try to publish it, with its Answer.
	Publication = history.Publication
	Answer      = history.Answer
	// Pipeline is what the records of a pipeline mean.
	Pipeline = history.Pipeline
	// OrgCall is a request to the org.
	OrgCall = history.OrgCall
	// Letter is a message of the DLQ stream.
	Letter = history.Letter
	// Points are the crash points that were passed.
	Points = history.Points
	// All is a whole run, Verdict what the judge says of it, Finding one thing that is not as it must be.
	All     = history.All
	Verdict = history.Verdict
	Finding = history.Finding
	// Target says where the parts of a run are.
	Target = history.Target
	// Load is what is put into the org and published, Message one message of it.
	Load    = load.Load
	Message = load.Message
	// Point is a declared crash point.
	Point = plan.Point
	// Writer appends to a file of a run.
	Writer = history.Writer
)

// What a publisher knows of a publish.
const (
	OK      = history.OK
	Failed  = history.Failed
	Unknown = history.Unknown
)

// The kinds of faults that a simulation plays.
const (
	Kill         = history.Kill
	KillPoint    = history.KillPoint
	KillTwice    = history.KillTwice
	PausePoint   = history.PausePoint
	KillAll      = history.KillAll
	Pause        = history.Pause
	Term         = history.Term
	Cut          = history.Cut
	Delay        = history.Delay
	BrokerFull   = history.BrokerFull
	StreamDelete = history.StreamDelete
	ConsumerDel  = history.ConsumerDel
	Org          = history.Org
	Operators    = history.Operators
	Definition   = history.Definition
	Restore      = history.Restore
)

// Judge judges a run that was watched all the time.
func Judge(run *All) (Verdict, error) { return verdict.Whole(run) }

// Draw draws a load; RecordsFor is the number of records of a plan in which some pipelines have about so many.
func Draw(p Plan) *Load { return load.Draw(p) }

// RecordsFor is told of at [Draw].
func RecordsFor(records int, pipelines ...string) int { return load.For(records, pipelines...) }

// Model is the org's object model as the simulator reads it.
func Model() []byte { return load.Model() }

// Pipelines are all of a load, and Definitions their first revisions by name, of the org "main".
func Pipelines() []Pipeline { return load.Pipelines() }

// Definitions is told of at [Pipelines].
func Definitions() map[string][]byte { return load.Definitions() }

// OrgKinds are the kinds of the simulator's effects; Script is a script for one, as a seed draws it.
func OrgKinds() []string { return plan.OrgKinds() }

// Script is told of at [OrgKinds].
func Script(kind string, seed uint64) []byte { return plan.Script(kind, seed) }

// NeedScript is a script of the simulator that brings about what crash points need.
func NeedScript(need string, seed uint64) (script []byte, kind string) {
	return plan.NeedScript(need, seed)
}

// Standstill is how many milliseconds a process stands still at a crash point: longer than anything that it holds there stays its own.
func Standstill(point string) float64 { return plan.Standstill(point) }

// ParsePoints reads the list of crash points.
func ParsePoints(text string) ([]Point, error) { return plan.ParsePoints(text) }

// Replay is two operators who replay the same letters at once; Reread orders a part of a stream again; Change applies other revisions; Heals
// replays what only waited for something else; Resume lifts every pause.
func Replay(ctx context.Context, t Target, p Plan, record func(Event)) error {
	return load.Replay(ctx, t, p, record)
}

// Reread is told of at [Replay].
func Reread(ctx context.Context, t Target, p Plan, record func(Event)) error {
	return load.Reread(ctx, t, p, record)
}

// Change is told of at [Replay].
func Change(ctx context.Context, t Target, p Plan, record func(Event)) error {
	return load.Change(ctx, t, p, record)
}

// Heals is told of at [Replay].
func Heals(ctx context.Context, t Target, record func(Event)) error {
	return load.Heals(ctx, t, record)
}

// Resume is told of at [Replay].
func Resume(ctx context.Context, t Target, record func(Event)) error {
	return load.Resume(ctx, t, record)
}

// RestSQL is what a ledger is asked at rest, and LettersSQL how far ops has read the stream of letters.
func RestSQL() string { return watch.RestSQL() }

// FillSample fills in what a sample has of the ledger.
func FillSample(ctx context.Context, db watch.Asked, s *Sample) error {
	return watch.Sample(ctx, db, s)
}

// LettersSQL is told of at [RestSQL].
func LettersSQL() string { return watch.LettersSQL() }

// ParseLetter reads a message of the DLQ stream; time, sequence and subject are the caller's to say.
func ParseLetter(data []byte) Letter { return watch.Letter(data) }

// Store writes a run's files, and ReadRun reads them.
func Store(dir string, run *All) error { return history.Store(dir, run) }

// ReadRun is told of at [Store].
func ReadRun(dir string) (*All, error) { return history.Load(dir) }

// Collect dumps what org, stream and API say at rest into a run's directory that [Store] made.
func Collect(ctx context.Context, t Target, dir string) error { return collect.Run(ctx, t, dir) }
