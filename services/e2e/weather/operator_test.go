package weather

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// operator is the person who looks after Bulkhead when the weather is over: does what pauses and letters ask for, as often as they ask.
type operator struct {
	s *stack
	l *load
	// abort lets jobs be aborted that do not move.
	abort bool

	did map[string]int
}

// between is the time from one look to the next: balance and status ask the ledger for much.
const between = 200 * time.Millisecond

// seldom looks at once, and then with pauses; what it has not looked at is not yet so.
func seldom(is func() bool) func() bool {
	var last time.Time
	return func() bool {
		if time.Since(last) < between {
			return false
		}
		defer func() { last = time.Now() }()
		return is()
	}
}

func (o *operator) note(what string) { o.did[what]++ }

type pause struct{ Service, Class, Code, Message string }

// jobOf finds the job that a pause speaks of.
var jobOf = regexp.MustCompile(`job (750[0-9A-Za-z]{12,15})`)

// lift resumes every pipeline that is paused. Where result files contradict what was sent and stay so, it first has Salesforce throw the job away, which
// the message of the pause names as the way out.
func (o *operator) lift() {
	s := o.s
	s.T.Helper()
	var status struct {
		Pipelines []struct {
			Name   string
			Pauses []pause
		}
	}
	s.Ask(http.MethodGet, "/v1/status", nil, &status)
	for _, p := range status.Pipelines {
		if len(p.Pauses) == 0 {
			continue
		}
		for _, x := range p.Pauses {
			if x.Service == "reconciler" && (x.Code == "FOREIGN_ROWS" || x.Code == "RESULTS_MALFORMED") {
				o.throwAway(x)
			}
			o.note("lifted " + x.Service + " " + x.Code)
		}
		s.Ask(http.MethodPost, "/v1/pipelines/"+p.Name+":resume", map[string]string{"reason": "the weather is over", "by": "a test"}, nil)
	}
	if !o.abort {
		return
	}
	for _, j := range s.Sim.Jobs() {
		if j.Closed && j.Gone == "" && j.State == "InProgress" {
			if _, err := s.admin.AbortJob(s.T.Context(), j.ID); err != nil {
				s.T.Logf("job %s is not aborted: %v", j.ID, err) // it ended on its own
				continue
			}
			o.note("aborted a job")
		}
	}
}

// throwAway deletes the job of a quarantine, result files and all.
func (o *operator) throwAway(x pause) {
	o.s.T.Helper()
	found := jobOf.FindStringSubmatch(x.Message)
	if found == nil || !strings.Contains(x.Message, "delete the job") {
		o.s.T.Fatalf("the pause does not say what to do about which job: %+v", x)
	}
	if err := o.s.admin.DeleteJob(o.s.T.Context(), found[1]); err != nil && !salesforce.IsNotFound(err) {
		o.s.T.Fatalf("job %s is not deleted: %v", found[1], err)
	}
	o.note("deleted a job")
}

type letter struct{ ID, Key, Class, Code, Message string }

// letters are the open ones of a pipeline that are of this load.
func (o *operator) letters(p pipeline) []letter {
	o.s.T.Helper()
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	o.s.Ask(http.MethodGet, "/v1/dead-letters?page_size=1000&pipeline="+p.name, nil, &page)
	var out []letter
	for _, x := range page.Letters {
		if o.l.of(x.Key) {
			out = append(out, x)
		}
	}
	return out
}

// decide says of every unresolved record what the org knows: it landed as a row that no other record landed as, or it did not land.
func (o *operator) decide() {
	s := o.s
	s.T.Helper()
	var open []letter
	s.Eventually("every unresolved record has its letter", func() bool {
		open = nil
		for _, x := range o.letters(visits) {
			if x.Class == string(record.ClassUnresolved) {
				open = append(open, x)
			}
		}
		return int64(len(open)) == s.Balance(visits.name, o.l.run).Unresolved
	})
	taken := map[string]bool{}
	for _, id := range landedIDs(s, visits, o.l) {
		taken[id] = true
	}
	var not []string
	for _, x := range open {
		entity, _, _ := strings.Cut(x.Key, "#")
		row := ""
		for _, r := range s.Sim.Holding(visits.object, "Ext__c", entity, false) {
			if !taken[r.ID] {
				row = r.ID
			}
		}
		if row == "" {
			not = append(not, x.ID)
			continue
		}
		taken[row] = true
		o.resolve([]string{x.ID}, "landed", row)
	}
	if not != nil {
		o.resolve(not, "not_landed", "")
	}
}

func (o *operator) resolve(ids []string, decision, row string) {
	o.s.T.Helper()
	body := map[string]any{"ids": ids, "decision": decision, "reason": "as the org has it", "by": "a test", "idempotency_key": decision + ids[0]}
	if row != "" {
		body["salesforce_id"] = row
	}
	var out struct{ Resolved int }
	o.s.Ask(http.MethodPost, "/v1/dead-letters:resolve", body, &out)
	if out.Resolved != len(ids) {
		o.s.T.Errorf("%d of %d letters are resolved as %s", out.Resolved, len(ids), decision)
	}
	o.note("resolved as " + decision)
}

// reasons are what a record may be dead of that the org would take: weather that outlasted its tries.
var reasons = map[string]bool{
	string(record.ClassTransient): true, string(record.ClassContention): true, string(record.ClassUnclassified): true,
}

// replay sends again what only the weather killed, and says whether there was any. A letter with another reason than the org's is a fault.
func (o *operator) replay(p pipeline) bool {
	s := o.s
	s.T.Helper()
	never := map[string]refusal{}
	for _, e := range o.l.entries[p.name] {
		never[e.key] = e.never
	}
	var dead []letter
	s.Eventually("every dead record of "+p.name+" has its letter", func() bool {
		dead = o.letters(p)
		return int64(len(dead)) == s.Balance(p.name, o.l.run).Dead
	})
	var ids []string
	for _, x := range dead {
		switch want := never[x.Key]; {
		case want == (refusal{x.Class, x.Code}):
		case reasons[x.Class]:
			o.note("replayed " + x.Class + " " + x.Code)
			ids = append(ids, x.ID)
		default:
			s.T.Errorf("%s of %s is dead of %s %s (%s), which is not the org's reason, %v", x.Key, p.name, x.Class, x.Code, x.Message, want)
		}
	}
	if ids == nil {
		return false
	}
	s.Ask(http.MethodPost, "/v1/dead-letters:replay", map[string]any{
		"ids": ids, "reason": "the weather is over", "by": "a test", "idempotency_key": fmt.Sprint("replay", ids[0], time.Now().UnixNano()),
	}, nil)
	return true
}

// errUnrest is told when a case does not come to rest.
var errUnrest = errors.New("it does not come to rest")

// rest looks after everything until nothing of the load moves any more, undecided records included.
func (o *operator) rest() {
	s := o.s
	s.T.Helper()
	for range 4 { // a replay may meet nothing but what is wrong with the record: more than this is a circle
		o.calm()
		o.decide()
		o.calm()
		b := s.Balance("", o.l.run)
		again := !b.Calm() || b.Unresolved > 0 // what was decided moves a little later
		for _, p := range pipelines {
			again = o.replay(p) || again
		}
		if !again {
			return
		}
	}
	s.T.Fatal(errUnrest)
}

// calm waits, and lifts what is paused, until all that was published is accepted and nothing moves.
func (o *operator) calm() {
	o.s.T.Helper()
	for _, p := range pipelines {
		want := int64(len(o.l.entries[p.name]))
		o.s.Eventually(p.name+" comes to rest after the weather", seldom(func() bool {
			if b := o.s.Balance(p.name, o.l.run); b.Accepted == want && b.Calm() {
				return true
			}
			o.lift()
			return false
		}))
	}
}
