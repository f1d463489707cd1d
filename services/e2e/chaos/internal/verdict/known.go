package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// States of a record at rest, as the API writes them.
const (
	stateLanded     = "landed"
	stateDead       = "dead"
	stateUnresolved = "unresolved"
	stateSuperseded = "superseded"
	stateDiscarded  = "discarded"
	stateRolledBack = "rolled_back"
)

// Operations and outcomes, as the org writes them.
const (
	insert = "insert"
	remove = "delete"

	created = "created"
	updated = "updated"
	deleted = "deleted"
	failed  = "failed"
)

// stageExtract is the stage of a letter of a record that was refused before it became a version of its entity.
const stageExtract = "extract"

// pipe is a pipeline with its records.
type pipe struct {
	history.Pipeline

	records map[int]*record
	byKey   map[string]*record
	byPlace map[history.Place]*record
	byStamp map[string]*record
	fields  map[string]bool
}

// record is what was published, and where the ledger has it.
type record struct {
	pipe   *pipe
	number int
	key    string
	entity string
	n      int
	says   map[string]*string
	fate   string
	tries  []history.Publication
	acked  bool // the broker has it
	maybe  bool // it may have it
	items  []*item
	rows   []*row // of closed jobs, in which it is the newest
}

// item is a record in the ledger: all that the run left of one key of one pipeline.
type item struct {
	pipeline, key string
	rec           *record // nil: nobody published it
	landed        []history.Landed
	states        []history.FinalRecord
	open          []history.FinalLetter
	letters       []history.Letter // by generation
}

// row is an uploaded row of a closed job.
type row struct {
	history.OrgRow

	job    *job
	pipe   *pipe // nil: it is not known whose it is
	entity string
	rec    *record // the newest record in it; nil: it is not known, or there are several that say the same
}

func (r *row) effect() bool {
	return r.Outcome == created || r.Outcome == updated || r.Outcome == deleted
}

// job is a job of the org with its rows and the calls that asked for its results.
type job struct {
	history.OrgJob

	rows []*row
	// badReads are the answers to questions for its results that were cut or forged.
	badReads int
}

// hidden says whether the org's own answers did not show what became of a row, so that the product may have to act without knowing.
func (r *row) hidden() bool {
	if r.Hidden != "" || r.job.Gone {
		return true
	}
	// The files of a complete job must agree with its counters, so it takes three reads until a part of them is believed; of others two.
	believed := 2
	if r.job.State == "JobComplete" {
		believed = 3
	}
	return r.job.badReads >= believed
}

// group is an entity: all records and rows of one key field value of one object.
type group struct {
	object, field, name string
	records             []*record // that can be versions of it, by order
	orgs                []*history.OrgRecord
	rows                []*row
}

// known is the run, put in order.
type known struct {
	pipes   map[string]*pipe
	records []*record
	items   map[[2]string]*item
	order   []*item
	jobs    map[string]*job
	rows    []*row
	groups  map[[3]string]*group
	orgs    map[string]*history.OrgRecord
	told    map[string]string // pipeline by job, as the product says
	saved   map[string][]*row // those that the org saved, by Id
	orders  orders
	rereads map[string]int // by pipeline
	// restores are the times that the ledger was put back, undone what people ordered and is forgotten by it.
	restores []restore
	undone   orders
	// blind says that there were moments in which nobody could see the stream of letters. Then unseenOrders are letters that somebody ordered something
	// of and that nobody saw, and unseenDiscard says that one of them was discarded.
	blind         bool
	unseenOrders  int
	unseenDiscard bool
}

func know(run *history.All) *known {
	k := &known{
		pipes: map[string]*pipe{}, items: map[[2]string]*item{}, jobs: map[string]*job{}, groups: map[[3]string]*group{},
		orgs: map[string]*history.OrgRecord{}, told: map[string]string{}, saved: map[string][]*row{}, orders: ordersOf(run.Timeline),
		rereads: rereads(run.Timeline), restores: restores(run.Timeline),
	}
	k.undone = undone(run.Timeline, k.restores)
	if k.blind = blind(run); k.blind {
		k.unseenOrders = k.orders.unseen(run.Letters, replay, discard, resolve)
		k.unseenDiscard = k.orders.unseen(run.Letters, discard) > 0
	}
	for _, l := range run.Landed {
		k.told[l.Job] = l.Pipeline
	}
	for _, p := range run.Pipelines {
		k.pipes[p.Name] = newPipe(p)
	}
	for _, p := range run.Published {
		k.publish(p)
	}
	for i := range run.Records {
		k.org(&run.Records[i])
	}
	k.readJobs(run)
	k.readLedger(run)
	k.overrule()
	for _, g := range k.groups {
		slices.SortStableFunc(g.records, func(a, b *record) int { return cmp.Compare(a.n, b.n) })
	}
	return k
}

func newPipe(p history.Pipeline) *pipe {
	out := &pipe{
		Pipeline: p, records: map[int]*record{}, byKey: map[string]*record{}, byPlace: map[history.Place]*record{},
		byStamp: map[string]*record{}, fields: map[string]bool{},
	}
	for _, f := range p.Fields {
		out.fields[f] = true
	}
	return out
}

// publish takes in one line of what was published.
func (k *known) publish(p history.Publication) {
	pi := k.pipes[p.Pipeline]
	if pi == nil {
		pi = newPipe(history.Pipeline{Name: p.Pipeline})
		k.pipes[p.Pipeline] = pi
	}
	r := pi.records[p.Record]
	if r == nil {
		r = &record{pipe: pi, number: p.Record, key: p.Key, entity: p.Entity, n: p.N, says: p.Says, fate: p.Fate}
		pi.records[p.Record] = r
		k.records = append(k.records, r)
		if p.Key != "" {
			pi.byKey[p.Key] = r
		}
		if pi.Stamp != "" {
			if v := p.Says[pi.Stamp]; v != nil {
				pi.byStamp[*v] = r
			}
		}
		if g := k.group(pi, p.Entity); g != nil && r.versions() {
			g.records = append(g.records, r)
		}
	}
	r.tries = append(r.tries, p)
	switch p.Answer {
	case history.OK:
		r.acked = true
		if p.Seq > 0 {
			pi.byPlace[history.Place{Seq: p.Seq, Index: p.Index}] = r
		}
	case history.Unknown:
		r.maybe = true
	case history.Failed:
	}
}

// versions says whether a record can be a version of its entity: what is refused before it is mapped is none.
func (r *record) versions() bool {
	return r.entity != "" && r.n > 0
}

// name is how findings call a record: its key, or its number where the product makes the key.
func (r *record) name() string {
	if r.key != "" {
		return r.key
	}
	return fmt.Sprintf("record %d", r.number)
}

// least is how many records the product must make of it.
func (r *record) least() int {
	known, _ := r.places()
	if r.placed() {
		return known
	}
	return min(known, 1)
}

// most is how many records the product may rightly make of it: one, unless its key is its place, or is made from its content, and the broker
// may hold it several times.
func (r *record) most() int {
	least, unknown := r.places()
	if r.placed() || r.key == "" && !r.pipe.Exact {
		return least + unknown
	}
	return min(least+unknown, 1)
}

// places counts where in the stream it is known to lie, repeats on purpose among them, and the tries of which nobody knows whether they left it
// in one more place.
func (r *record) places() (known, unknown int) {
	at := map[history.Place]bool{}
	open, settled := map[string]bool{}, map[string]bool{}
	for _, t := range r.tries {
		message, _, _ := strings.Cut(t.Message, "#") // the rest counts the tries
		switch {
		case t.Answer == history.OK:
			at[history.Place{Seq: t.Seq, Index: t.Index}], settled[message] = true, true
		case t.Answer == history.Unknown && r.pipe.Exact:
			open[message] = true
		case t.Answer == history.Unknown:
			unknown++
		}
	}
	for message := range open {
		if !settled[message] { // such a message is stored once at most, whatever the answers were
			unknown++
		}
	}
	return len(at), unknown
}

// placed says whether its key is its place: it was refused before a key could be read.
func (r *record) placed() bool {
	if r.key != "" || r.fate == "" || strings.HasPrefix(r.fate, "heals/") {
		return false
	}
	return !strings.HasSuffix(r.fate, "/KEY_REUSED")
}

// fold is how the org compares the values of a key field.
func fold(field, value string) string {
	if field == "Id" {
		return value[:min(len(value), 15)] // the rest of a long Id is made from these
	}
	return strings.ToLower(value)
}

// group gives the entity of a pipeline's key field value; nil where rows are not told apart by a field.
func (k *known) group(p *pipe, entity string) *group {
	if p.Field == "" || entity == "" {
		return nil
	}
	id := [3]string{p.Object, p.Field, fold(p.Field, entity)}
	g := k.groups[id]
	if g == nil {
		g = &group{object: p.Object, field: p.Field, name: entity}
		k.groups[id] = g
	}
	return g
}

// org puts a row of the org to the entities that it is, of each key field of its object.
func (k *known) org(o *history.OrgRecord) {
	k.orgs[fold("Id", o.ID)] = o
	seen := map[string]bool{}
	for _, p := range k.pipes {
		if p.Object != o.Object || p.Field == "" || seen[p.Field] {
			continue
		}
		seen[p.Field] = true
		if g := k.group(p, valueOf(o, p.Field)); g != nil {
			g.orgs = append(g.orgs, o)
		}
	}
}

// valueOf is what a row of the org last held in a field.
func valueOf(o *history.OrgRecord, field string) string {
	if field == "Id" {
		return o.ID
	}
	if n := len(o.Versions); n > 0 {
		return o.Versions[n-1].Fields[field]
	}
	return ""
}
