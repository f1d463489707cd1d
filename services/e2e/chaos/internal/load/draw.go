package load

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Load is everything that is put into the org and published in one run.
type Load struct {
	// Seeds are the rows that were always there, by object.
	Seeds map[string][]map[string]string
	// Messages by pipeline, in the order in which they are published.
	Messages map[string][]Message
}

// Message is one message, which one publisher sends until the broker has it.
type Message struct {
	Name string
	// At is when it is published, in ms since the start of the load, or as soon as the ones before it are answered.
	At    float64
	MsgID string // Nats-Msg-Id; "" = none
	// Type and Encoding are the headers Content-Type and Content-Encoding; "" = none.
	Type, Encoding string
	// Count is the header Bulkhead-Count; 0 = none.
	Count   int
	Entries []Entry
}

// Entry is a record's place in a message.
type Entry struct {
	*Item
	// Again says that it was published before on purpose.
	Again bool
}

// Item is a record. Where its pipeline finds rows by their Id, Entity and Body hold the seeded row's Ext__c, between [idMark]s in the body.
type Item struct {
	// Publication holds what does not differ from try to try.
	history.Publication

	Body string

	alone  bool // it takes a message of its own
	single bool // that is no frame
	fixed  bool // it stays where it was written
}

// idMark encloses what stands for a row's Id in a body.
const idMark = "\x1a"

// Records is how many records there are to publish, repeats not counted.
func (l *Load) Records() int {
	n := 0
	for _, messages := range l.Messages {
		for _, m := range messages {
			for _, e := range m.Entries {
				if !e.Again {
					n++
				}
			}
		}
	}
	return n
}

// Draw draws the load of a plan: p.Records records, published from the start until shortly before p.FaultsFor.
func Draw(p history.Plan) *Load {
	l := &Load{Seeds: map[string][]map[string]string{}, Messages: map[string][]Message{}}
	l.seedTaken()
	pipelines, counts := all(), shares(p.Records)
	late := counts[children] / 4
	for i, pl := range pipelines {
		a := &author{
			pipeline: pl, load: l, draw: rand.New(rand.NewPCG(p.Seed, uint64(i)+1)), //nolint:gosec // to be drawn again
			late: late, said: map[string]int{}, newest: map[string]*Item{},
		}
		a.write(counts[pl.Name])
		l.Messages[pl.Name] = a.pack(p.FaultsFor)
	}
	return l
}

// shares divides records among the pipelines.
func shares(records int) map[string]int {
	sum, out, rest := 0, map[string]int{}, records
	for _, p := range all() {
		sum += p.share
	}
	for _, p := range all() {
		out[p.Name] = records * p.share / sum
		rest -= out[p.Name]
	}
	out[parts] += rest
	return out
}

// seedTaken adds the rows that make others duplicates, and some that nobody touches.
func (l *Load) seedTaken() {
	for object, field := range map[string]string{"Part__c": extField, "Dated__c": extField, "Order__c": "Request__c"} {
		row := map[string]string{field: "always-there", serialField: takenNo, twinField: takenTwin}
		if object == "Order__c" {
			row["Name__c"] = "always there"
		}
		l.Seeds[object] = append(l.Seeds[object], row)
	}
	for i := range seededParents {
		l.Seeds["Part__c"] = append(l.Seeds["Part__c"], map[string]string{extField: seededParent(i), "A__c": "seeded"})
	}
	for _, object := range []string{"Phone__c", "Level__c", "Removal__c"} {
		for i := range 5 {
			l.Seeds[object] = append(l.Seeds[object], map[string]string{extField: fmt.Sprintf("bystander-%d", i), "A__c": "untouched"})
		}
	}
}

// seededParents is the number of parts that were always there and that children refer to.
const seededParents = 8

func seededParent(i int) string { return fmt.Sprintf("parent-%d", i) }

func lateParent(i int) string { return fmt.Sprintf("late-%d", i) }

// objects are those with seeded rows, in one order, so that the rows get the same Ids in every run.
func (l *Load) objects() []string { return slices.Sorted(maps.Keys(l.Seeds)) }
