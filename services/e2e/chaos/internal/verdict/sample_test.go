package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// The pipelines of the histories under test: rows matched by an external id, two pipelines of one object by versions, inserts with a field that
// tells rows apart and without one, deletes, keys made from content, and rows with a parent.
func somePipelines() []history.Pipeline {
	return []history.Pipeline{
		{Name: "parts", Object: "Part__c", Operation: "upsert", Field: "Ext__c", Stamp: "Stamp__c", Fields: []string{"Ext__c", "Stamp__c", "A__c", "B__c"}, Constants: map[string]string{"Source__c": "here"}},
		{Name: "dated", Object: "Dated__c", Operation: "upsert", Field: "Ext__c", Stamp: "Stamp__c", Versioned: true, Exact: true, Fields: []string{"Ext__c", "Stamp__c", "A__c"}},
		{Name: "prices", Object: "Dated__c", Operation: "upsert", Field: "Ext__c", Stamp: "Price_Stamp__c", Versioned: true, Fields: []string{"Ext__c", "Price_Stamp__c", "D__c"}},
		{Name: "orders", Object: "Order__c", Operation: "insert", Field: "Request__c", Stamp: "Request__c", Fields: []string{"Request__c", "Name__c"}},
		{Name: "visits", Object: "Visit__c", Operation: "insert", Fields: []string{"Place__c"}},
		{Name: "removals", Object: "Removal__c", Operation: "delete", Field: "Ext__c", Exact: true, Fields: []string{"Ext__c"}},
		{Name: "labels", Object: "Label__c", Operation: "upsert", Field: "Ext__c", Exact: true, Fields: []string{"Ext__c", "State__c"}},
		{Name: "children", Object: "Child__c", Operation: "upsert", Field: "Ext__c", Stamp: "Stamp__c", Parent: "Parent__r.Ext__c", ParentPipeline: "parts", Fields: []string{"Ext__c", "Stamp__c", "Parent__r.Ext__c"}},
	}
}

// maker makes a history as a run leaves it. Its methods say what happened, in the order in which it happened; made works out what the org then
// holds and what the API then says.
type maker struct {
	all     history.All
	pipes   map[string]history.Pipeline
	numbers map[string]int
	seqs    map[string]uint64
	now     float64
	jobs    int
	ids     int
	rows    map[string]string // Id by object and key
	dead    map[string]history.Letter
	marks   map[string]history.FinalRecord
	at      map[string]history.Place // by pipeline and key
}

func newMaker() *maker {
	m := &maker{
		pipes: map[string]history.Pipeline{}, numbers: map[string]int{}, seqs: map[string]uint64{}, rows: map[string]string{},
		dead: map[string]history.Letter{}, marks: map[string]history.FinalRecord{}, at: map[string]history.Place{},
	}
	m.all.Plan = history.Plan{Version: 1, Seed: 7}
	m.all.Run = history.Run{Seed: 7, Rested: true}
	m.all.Pipelines = somePipelines()
	for _, p := range m.all.Pipelines {
		m.pipes[p.Name] = p
	}
	m.all.Final.Attempts = map[string]int{"transient": 8, "contention": 8, "reference": 3, "unclassified": 2, "data": 1, "duplicate": 1}
	m.all.Final.Fewest = maps.Clone(m.all.Final.Attempts)
	m.all.Final.Balance = map[string]history.Balance{}
	return m
}

// says makes what a record says from pairs; "null" clears.
func says(pairs ...string) map[string]*string {
	out := map[string]*string{}
	for i := 0; i < len(pairs); i += 2 {
		v := pairs[i+1]
		if out[pairs[i]] = &v; v == "null" {
			out[pairs[i]] = nil
		}
	}
	return out
}

// publish publishes a record once, and the broker has it.
func (m *maker) publish(pipeline, key, entity string, n int, what map[string]*string, fate string) {
	m.seqs[pipeline]++
	p := history.Publication{
		Pipeline: pipeline, Record: m.numbers[pipeline], Key: key, Entity: entity, N: n, Says: what, Fate: fate,
		Message: fmt.Sprintf("%s/%d#1", pipeline, m.numbers[pipeline]), Answer: history.OK, Seq: m.seqs[pipeline],
	}
	if stamp := m.pipes[pipeline].Stamp; stamp != "" && what != nil {
		p.Says[stamp] = &key
	}
	m.numbers[pipeline]++
	m.all.Published = append(m.all.Published, p)
	m.at[pipeline+"/"+m.ledgerKey(p)] = history.Place{Seq: p.Seq}
}

// ledgerKey is the key as the ledger has it.
func (m *maker) ledgerKey(p history.Publication) string {
	if p.Key != "" {
		return p.Key
	}
	return fmt.Sprintf("h:1@%d.%d", p.Seq, p.Index)
}

// again publishes the newest record once more, with this answer.
func (m *maker) again(answer history.Answer, repeat bool) {
	p := m.all.Published[len(m.all.Published)-1]
	p.Answer, p.Repeat, p.Seq = answer, repeat, 0
	p.Message += "2"
	if answer == history.OK {
		m.seqs[p.Pipeline]++
		p.Seq = m.seqs[p.Pipeline]
	}
	m.all.Published = append(m.all.Published, p)
}

// sent is a row of a job.
type sent struct {
	cells   map[string]string
	outcome string
	err     string
	hidden  string
}

func cells(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// job has the org do a job. Each takes ten milliseconds and none overlaps.
func (m *maker) job(pipeline string, rows ...sent) string {
	p := m.pipes[pipeline]
	m.jobs++
	id := fmt.Sprintf("750%012d", m.jobs)
	m.now += 20
	j := history.OrgJob{
		ID: id, Object: p.Object, Operation: p.Operation, State: "JobComplete", Created: m.now - 5, Closed: m.now, Ended: m.now + 10, Rows: len(rows), Uploads: 1,
	}
	m.all.Jobs = append(m.all.Jobs, j)
	for _, endpoint := range []string{"create", "upload", "close", "info", "success", "failed"} {
		m.all.Calls = append(m.all.Calls, history.OrgCall{N: len(m.all.Calls) + 1, At: m.now, Endpoint: endpoint, Job: id, Status: 200})
	}
	for n, r := range rows {
		row := history.OrgRow{Job: id, N: n, Cells: r.cells, Outcome: r.outcome, Error: r.err, Hidden: r.hidden}
		if r.outcome != failed && r.outcome != "unprocessed" {
			row.ID = m.write(p, id, n, r)
		}
		m.all.Rows = append(m.all.Rows, row)
	}
	return id
}

// write writes a row into the org.
func (m *maker) write(p history.Pipeline, job string, n int, r sent) string {
	key := p.Object + "/" + strings.ToLower(r.cells[p.Field])
	id := m.rows[key]
	if p.Operation == insert || id == "" {
		id = m.row(p.Object, key, false)
	}
	o := m.org(id)
	v := history.OrgVersion{Fields: map[string]string{}, Job: job, N: n, At: m.now + 5}
	if len(o.Versions) > 0 {
		v.Fields = maps.Clone(o.Versions[len(o.Versions)-1].Fields)
	}
	for f, c := range r.cells {
		switch relation, _, parent := strings.Cut(f, "__r."); {
		case parent:
			v.Fields[relation+"__c"] = m.rows["Part__c/"+strings.ToLower(c)]
		case c == cleared:
			delete(v.Fields, f)
		default:
			v.Fields[f] = c
		}
	}
	if p.Operation == remove {
		v.Deleted, o.Deleted = true, true
	}
	o.Versions = append(o.Versions, v)
	return id
}

func (m *maker) row(object, key string, seeded bool) string {
	m.ids++
	id := fmt.Sprintf("a01%012dAAA", m.ids)
	m.rows[key] = id
	m.all.Records = append(m.all.Records, history.OrgRecord{Object: object, ID: id, Seeded: seeded})
	return id
}

func (m *maker) org(id string) *history.OrgRecord {
	i := slices.IndexFunc(m.all.Records, func(o history.OrgRecord) bool { return o.ID == id })
	return &m.all.Records[i]
}

// seed puts a row there that always was.
func (m *maker) seed(object, entity string, fields map[string]string) {
	o := m.org(m.row(object, object+"/"+strings.ToLower(entity), true))
	fields["Ext__c"] = entity
	o.Versions = []history.OrgVersion{{Fields: fields}}
}

// landed says in the ledger that a record landed in a job, as the row of its entity.
func (m *maker) landed(pipeline, key, entity, job string, generation int) {
	id := m.rows[m.pipes[pipeline].Object+"/"+strings.ToLower(entity)]
	m.landedAs(pipeline, key, id, job, generation)
}

func (m *maker) landedAs(pipeline, key, id, job string, generation int) {
	delete(m.dead, pipeline+"/"+key)
	m.all.Landed = append(m.all.Landed, history.Landed{Pipeline: pipeline, Key: key, Generation: generation, ID: id, Job: job, Origin: m.at[pipeline+"/"+key]})
}

// dies writes a letter, which then is open.
func (m *maker) dies(pipeline, key, entity, class, code, stage string, generation int, attempts ...history.LetterAttempt) {
	l := history.Letter{
		At: m.now, Seq: uint64(len(m.all.Letters) + 1), Subject: "dlq." + pipeline + "." + class, ID: fmt.Sprintf("%s/%s/%d", pipeline, key, generation),
		Pipeline: pipeline, Key: key, Generation: generation, Entity: entity, Class: class, Code: code, Stage: stage, Attempts: attempts,
		Origin: m.at[pipeline+"/"+key], Payload: m.payload(pipeline, key),
	}
	m.all.Letters = append(m.all.Letters, l)
	m.dead[pipeline+"/"+key] = l
}

// payload is a record as it was published.
func (m *maker) payload(pipeline, key string) string {
	var values []string
	for _, p := range m.all.Published {
		if p.Pipeline == pipeline && m.ledgerKey(p) == key {
			for _, v := range p.Says {
				if v != nil {
					values = append(values, *v)
				}
			}
		}
	}
	return fmt.Sprintf("%q", values)
}

func attempt(job, class, code string) history.LetterAttempt {
	return history.LetterAttempt{Job: job, Class: class, Code: code}
}

// rests says in the ledger that a record is discarded, or superseded by a successor.
func (m *maker) rests(pipeline, key, entity, state, successor string) {
	delete(m.dead, pipeline+"/"+key)
	m.marks[pipeline+"/"+key] = history.FinalRecord{
		Pipeline: pipeline, Key: key, Entity: entity, State: state, Successor: successor, Origin: m.at[pipeline+"/"+key],
	}
}

// acts notes what an operator ordered of letters.
func (m *maker) acts(order string, letters ...string) {
	m.all.Timeline = append(m.all.Timeline, history.Event{At: m.now, What: "operator", Text: "ada " + order + " 7: 200", Order: order, Letters: letters, Done: true})
}

// made finishes the history: what is open, what the stream holds, and the balance.
func (m *maker) made() *history.All {
	for _, id := range slices.Sorted(maps.Keys(m.dead)) {
		l := m.dead[id]
		state := stateDead
		if l.Class == classUnresolved {
			state = stateUnresolved
		}
		m.all.Final.Open = append(m.all.Final.Open, history.FinalLetter{
			ID: l.ID, Pipeline: l.Pipeline, Key: l.Key, Class: l.Class, Code: l.Code, State: "open", Entity: l.Entity, Generation: l.Generation,
		})
		m.all.Final.Left = append(m.all.Final.Left, l.ID)
		m.all.Final.Records = append(m.all.Final.Records, history.FinalRecord{
			Pipeline: l.Pipeline, Key: l.Key, Entity: l.Entity, Generation: l.Generation, State: state, Origin: l.Origin,
		})
	}
	for _, id := range slices.Sorted(maps.Keys(m.marks)) {
		m.all.Final.Records = append(m.all.Final.Records, m.marks[id])
	}
	for name := range m.pipes {
		m.all.Final.Balance[name] = history.Balance{}
	}
	count := func(pipeline, state string) {
		b := m.all.Final.Balance[pipeline]
		b.Accepted++
		switch state {
		case stateLanded:
			b.Landed++
		case stateDead:
			b.Dead++
		case stateUnresolved:
			b.Unresolved++
		case stateSuperseded:
			b.Superseded++
		case stateDiscarded:
			b.Discarded++
		}
		m.all.Final.Balance[pipeline] = b
	}
	for _, l := range m.all.Landed {
		count(l.Pipeline, stateLanded)
	}
	for _, r := range m.all.Final.Records {
		count(r.Pipeline, r.State)
	}
	for _, p := range m.all.Published {
		if p.Repeat && p.Answer == history.OK {
			b := m.all.Final.Balance[p.Pipeline]
			b.Repeats++
			m.all.Final.Balance[p.Pipeline] = b
		}
	}
	m.samples()
	return &m.all
}

// samples are three moments: at the start, in the middle, at rest.
func (m *maker) samples() {
	zero, half := map[string]history.Balance{}, map[string]history.Balance{}
	for name, b := range m.all.Final.Balance {
		zero[name] = history.Balance{Unread: b.Accepted}
		half[name] = history.Balance{Accepted: b.Accepted, InFlight: b.Accepted - b.Landed/2, Landed: b.Landed / 2}
	}
	lanes := func(seq string) map[string]map[string]string {
		return map[string]map[string]string{"parts": {"0": seq + ".0", "none": seq + ".2147483647", "incarnation": "1"}}
	}
	m.all.Samples = []history.Sample{
		{At: 10, Balance: zero, Marks: lanes("1"), Progress: map[string]int64{"extractor": 1, "submitter": 1}},
		{At: 200, Balance: half, Marks: lanes("5"), Progress: map[string]int64{"extractor": 5, "submitter": 3}},
		{At: 400, Balance: half, Marks: lanes("9"), Progress: map[string]int64{"extractor": 9, "submitter": 3}},
		{At: 900, Balance: m.all.Final.Balance, Marks: lanes("10"), Progress: map[string]int64{"extractor": 9, "submitter": 9}},
	}
}

// sample is a small run in which everything is as it must be, and something of each kind happens.
func sample() *history.All {
	m := newMaker()
	lock, refused := "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--", "FIELD_CUSTOM_VALIDATION_EXCEPTION:This value is forbidden:A__c--"
	m.publish("parts", "parts-1", "p1", 1, says("A__c", "p1.1.a", "B__c", "p1.1.b"), "")
	m.publish("parts", "parts-2", "P1", 2, says("A__c", "p1.2.a"), "")
	m.publish("parts", "parts-3", "p2", 1, says("A__c", "p2.1.a"), "")
	m.publish("parts", "parts-4", "p3", 1, says("A__c", "forbidden"), "data/FIELD_CUSTOM_VALIDATION_EXCEPTION")
	m.publish("parts", "parts-5", "bad", 0, nil, "data/UNKNOWN_MEMBER")
	m.publish("parts", "parts-6", "p4", 1, says("A__c", "p4.1.a"), "")
	m.publish("parts", "parts-7", "p4", 2, says("A__c", "p4.2.a", "B__c", "p4.2.b"), "")
	m.publish("parts", "parts-8", "p5", 1, says("B__c", "p5.1.b"), "")
	m.again(history.OK, true)
	m.publish("parts", "parts-9", "p6", 1, says("A__c", "p6.1.a"), "")
	m.publish("parts", "parts-10", "p7", 1, says("A__c", "p7.1.a"), "")
	m.again(history.Unknown, false)
	m.publish("parts", "parts-11", "p8", 1, says("A__c", "forbidden"), "data/FIELD_CUSTOM_VALIDATION_EXCEPTION")
	m.publish("parts", "parts-12", "p9", 1, says("A__c", "p9.1.a"), "")
	m.publish("parts", "parts-13", "p10", 1, says("A__c", "p10.1.a"), "heals/data")
	m.publish("parts", "parts-14", "p5", 2, says("A__c", "p5.2.a", "B__c", "null"), "")

	j1 := m.job("parts",
		sent{cells: cells("Ext__c", "p1", "Stamp__c", "parts-1", "A__c", "p1.1.a", "B__c", "p1.1.b", "Source__c", "here"), outcome: created},
		sent{cells: cells("Ext__c", "p2", "Stamp__c", "parts-3", "A__c", "p2.1.a"), outcome: failed, err: lock},
		sent{cells: cells("Ext__c", "p3", "Stamp__c", "parts-4", "A__c", "forbidden"), outcome: failed, err: refused},
		sent{cells: cells("Ext__c", "p4", "Stamp__c", "parts-6", "A__c", "p4.1.a"), outcome: failed, err: lock},
		sent{cells: cells("Ext__c", "p5", "Stamp__c", "parts-8", "B__c", "p5.1.b"), outcome: created},
		sent{cells: cells("Ext__c", "p6", "Stamp__c", "parts-9", "A__c", "p6.1.a"), outcome: failed, err: "NEVER_SEEN:a code that nobody knows:--"},
	)
	j2 := m.job("parts",
		sent{cells: cells("Ext__c", "p1", "Stamp__c", "parts-2", "A__c", "p1.2.a"), outcome: updated},
		sent{cells: cells("Ext__c", "p4", "Stamp__c", "parts-7", "A__c", "p4.2.a", "B__c", "p4.2.b"), outcome: created},
		sent{cells: cells("Ext__c", "p7", "Stamp__c", "parts-10", "A__c", "p7.1.a"), outcome: created},
		sent{cells: cells("Ext__c", "p8", "Stamp__c", "parts-11", "A__c", "forbidden"), outcome: failed, err: refused},
		sent{cells: cells("Ext__c", "p9", "Stamp__c", "parts-12", "A__c", "p9.1.a"), outcome: created, hidden: "lost"},
		sent{cells: cells("Ext__c", "p5", "Stamp__c", "parts-14", "A__c", "p5.2.a", "B__c", cleared), outcome: updated},
	)
	j3 := m.job("parts",
		sent{cells: cells("Ext__c", "p2", "Stamp__c", "parts-3", "A__c", "p2.1.a"), outcome: created},
		sent{cells: cells("Ext__c", "p6", "Stamp__c", "parts-9", "A__c", "p6.1.a"), outcome: failed, err: "NEVER_SEEN:a code that nobody knows:--"},
		sent{cells: cells("Ext__c", "p9", "Stamp__c", "parts-12", "A__c", "p9.1.a"), outcome: updated},
	)
	m.dies("parts", "parts-13", "p10", "data", "UNKNOWN_MEMBER", stageExtract, 0)
	m.acts(replay, "parts/parts-13/0")
	m.acts(discard, "parts/parts-11/0")
	j4 := m.job("parts", sent{cells: cells("Ext__c", "p10", "Stamp__c", "parts-13", "A__c", "p10.1.a"), outcome: created})

	m.landed("parts", "parts-1", "p1", j1, 0)
	m.landed("parts", "parts-2", "p1", j2, 0)
	m.landed("parts", "parts-3", "p2", j3, 0)
	m.dies("parts", "parts-4", "p3", "data", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "reconcile", 0, attempt(j1, "data", "FIELD_CUSTOM_VALIDATION_EXCEPTION"))
	m.dies("parts", "parts-5", "bad", "data", "UNKNOWN_MEMBER", stageExtract, 0)
	m.rests("parts", "parts-6", "p4", stateSuperseded, "parts-7")
	m.landed("parts", "parts-7", "p4", j2, 0)
	m.landed("parts", "parts-8", "p5", j1, 0)
	m.dies("parts", "parts-9", "p6", "unclassified", "NEVER_SEEN", "retry", 0, attempt(j1, "unclassified", "NEVER_SEEN"), attempt(j3, "unclassified", "NEVER_SEEN"))
	m.landed("parts", "parts-10", "p7", j2, 0)
	m.dies("parts", "parts-11", "p8", "data", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "reconcile", 0, attempt(j2, "data", "FIELD_CUSTOM_VALIDATION_EXCEPTION"))
	m.rests("parts", "parts-11", "p8", stateDiscarded, "")
	m.landed("parts", "parts-12", "p9", j3, 0)
	m.landed("parts", "parts-13", "p10", j4, 1)
	m.landed("parts", "parts-14", "p5", j2, 0)

	others(m)
	m.all.Timeline = append(m.all.Timeline,
		history.Event{At: 210, What: "fault", Fault: "f1", Kind: history.Kill, Target: "submitter-1", Done: true},
		history.Event{At: 220, What: "fault", Fault: "f2", Kind: history.Org, Target: "org", Done: true},
		history.Event{At: 230, What: "fault", Fault: "f3", Kind: history.Cut, Target: "poller-1>nats"},
	)
	m.all.Plan.Faults = []history.Fault{{ID: "f1", Kind: history.Kill}, {ID: "f2", Kind: history.Org, OrgKind: "lose_rows"}, {ID: "f3", Kind: history.Cut}}
	return m.made()
}

// others are the pipelines beside the first.
func others(m *maker) {
	m.publish("dated", "dated-1", "d1", 2, says("A__c", "d1.2.a"), "")
	m.publish("dated", "dated-2", "d1", 1, says("A__c", "d1.1.a"), "")
	m.publish("prices", "prices-1", "d1", 1, says("D__c", "d1.1.d"), "")
	a := m.job("dated", sent{cells: cells("Ext__c", "d1", "Stamp__c", "dated-1", "A__c", "d1.2.a"), outcome: created})
	b := m.job("prices", sent{cells: cells("Ext__c", "d1", "Price_Stamp__c", "prices-1", "D__c", "d1.1.d"), outcome: updated})
	m.landed("dated", "dated-1", "d1", a, 0)
	m.rests("dated", "dated-2", "d1", stateSuperseded, "dated-1")
	m.landed("prices", "prices-1", "d1", b, 0)

	m.publish("orders", "orders-1", "orders-1", 1, says("Name__c", "one"), "")
	m.publish("orders", "orders-2", "orders-2", 1, says("Name__c", "two"), "duplicate/DUPLICATE_VALUE")
	o := m.job("orders",
		sent{cells: cells("Request__c", "orders-1", "Name__c", "one"), outcome: created},
		sent{cells: cells("Request__c", "orders-2", "Name__c", "two"), outcome: failed, err: "DUPLICATE_VALUE:duplicate value found:Name__c--"},
	)
	m.landed("orders", "orders-1", "orders-1", o, 0)
	m.dies("orders", "orders-2", "orders-2", "duplicate", "DUPLICATE_VALUE", "reconcile", 0, attempt(o, "duplicate", "DUPLICATE_VALUE"))

	m.publish("visits", "visits-1", "", 1, says("Place__c", "here"), "")
	m.publish("visits", "visits-2", "", 1, says("Place__c", "here"), "")
	m.publish("visits", "visits-3", "", 1, says("Place__c", "there"), "")
	v := m.job("visits",
		sent{cells: cells("Place__c", "here"), outcome: created}, sent{cells: cells("Place__c", "here"), outcome: created},
		sent{cells: cells("Place__c", "there"), outcome: created, hidden: "lost"},
	)
	m.landedAs("visits", "visits-1", m.all.Rows[len(m.all.Rows)-3].ID, v, 0)
	m.landedAs("visits", "visits-2", m.all.Rows[len(m.all.Rows)-2].ID, v, 0)
	m.dies("visits", "visits-3", "", classUnresolved, codeMissing, "reconcile", 0, attempt(v, "transient", codeMissing))

	m.seed("Removal__c", "gone", map[string]string{})
	m.seed("Removal__c", "bystander", map[string]string{"A__c": "untouched"})
	m.publish("removals", "removals-1", "gone", 1, nil, "")
	r := m.job("removals", sent{cells: cells("Ext__c", "gone"), outcome: deleted})
	m.landed("removals", "removals-1", "gone", r, 0)

	m.publish("labels", "", "l1", 1, says("State__c", "red"), "")
	m.publish("labels", "", "l1", 2, says("State__c", "green"), "")
	m.publish("labels", "", "l1", 3, says("State__c", "red"), "")
	m.again(history.OK, true)
	var last string
	for i, state := range []string{"red", "green", "red"} {
		last = m.job("labels", sent{cells: cells("Ext__c", "l1", "State__c", state), outcome: map[bool]string{true: created, false: updated}[i == 0]})
		m.landed("labels", fmt.Sprintf("h:1@%d.0", i+1), "l1", last, 0)
	}
	m.publish("labels", "", "", 0, nil, "data/NOT_JSON")
	m.dies("labels", "h:1@5.0", "", "data", "NOT_JSON", stageExtract, 0)

	m.publish("children", "children-1", "c1", 1, says("Parent__r.Ext__c", "p1"), "heals/reference")
	c := m.job("children", sent{cells: cells("Ext__c", "c1", "Stamp__c", "children-1", "Parent__r.Ext__c", "p1"), outcome: created})
	m.landed("children", "children-1", "c1", c, 0)
	slices.SortStableFunc(m.all.Jobs, func(a, b history.OrgJob) int { return cmp.Compare(a.Closed, b.Closed) })
}
