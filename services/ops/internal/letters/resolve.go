package letters

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/store"
)

const (
	// MaxDecided is the most letters that one decision names: the org is asked for each of them first.
	MaxDecided = 1000
	// CheckTimeout bounds asking the org for all of them. It is below the bound of a call, so that the caller hears which org did not answer.
	CheckTimeout = 45 * time.Second
	// maxNamed bounds the rows that a refusal names.
	maxNamed = 5
)

// Definitions gives definitions by revision.
type Definitions interface {
	Definition(ctx context.Context, name string, revision int) (*pipeline.Definition, error)
}

// Row is a row of an org: its 18-character id and the value of the field that was asked for.
type Row struct{ ID, Value string }

// Orgs asks an org, within the context's time.
type Orgs interface {
	// Row reads a field of one row; false = the org has no such row of this object.
	Row(ctx context.Context, org, object, id, field string) (Row, bool, error)
	// Rows finds the rows whose field has one of the values, as the org compares them.
	Rows(ctx context.Context, org, object, field string, values []string) ([]Row, error)
}

// Decision is what a person says of unresolved records.
type Decision struct {
	// IDs name letters of class unresolved.
	IDs []string
	// Said is store.DecisionLanded, then of one letter and with SalesforceID, the row that it landed as, or store.DecisionNotLanded.
	Said, SalesforceID string
	Reason             string
	// Key is the idempotency key.
	Key string
	By  string
}

// Resolve stores a decision on unresolved records, once per idempotency key, when the org does not contradict it:
//
//   - landed: the org has the row, its key field holds the record's value, and it is no row of another record, whichever pipeline made it;
//   - not landed: the org has no row with the record's value in the key field.
//
// Where rows are known by nothing but their content, the person's word stands for what the org cannot be asked. Errors: [InvalidError],
// [RefusedError], [NothingError], [UnavailableError] (then nothing is decided), else the database's.
func (x *Index) Resolve(ctx context.Context, d Decision) (Done, error) {
	ids, err := d.check()
	if err != nil {
		return Done{}, err
	}
	action := store.Action{
		ID: uuid.Must(uuid.NewV7()), IdempotencyKey: d.Key, Kind: store.ActionResolve, Digest: d.digest(ids), Reason: d.Reason, By: d.By,
		Detail: map[string]any{"decision": d.Said, "salesforce_id": d.SalesforceID, "ids": ids},
	}
	first, repeated, err := x.store.ActionByKey(ctx, d.Key)
	if err != nil {
		return Done{}, fmt.Errorf("look for the action of this key: %w", err)
	}
	if repeated {
		return answerAgain(first, action)
	}
	open, err := x.decidable(ctx, ids)
	if err != nil {
		return Done{}, err
	}
	decision := store.Decision{Letters: ids, Said: d.Said, SalesforceID: d.SalesforceID, State: StateReplaying}
	if d.Said == store.DecisionLanded {
		decision.State = StateLanded
	}
	if err := x.askOrgs(ctx, d, open, &decision); err != nil {
		return Done{}, err
	}
	taken := func() error {
		return &RefusedError{fmt.Sprintf("row %s is that of another record, which has landed as it or in a chunk of another pipeline that made rows: each insert makes a row of its own; look for the row that holds what this record says", d.SalesforceID)}
	}
	tell := func(moved map[string]int) []record.Message {
		var messages []record.Message
		for pipeline, n := range moved {
			fact := &flowv1.ReplayOrdered{ActionId: action.ID.String(), Decisions: int32(n)}
			messages = append(messages, bus.FlowMessage(bus.NewEnvelope(pipeline, 0, fact)))
		}
		return messages
	}
	done, repeated, err := x.store.Resolve(ctx, action, decision, taken, tell)
	if err != nil {
		return Done{}, unwrapRefusal(err)
	}
	if repeated {
		return answerAgain(done, action)
	}
	x.logger.InfoContext(ctx, "unresolved records decided", "action", done.ID, "decision", d.Said, "letters", done.Letters, "skipped", done.Skipped, "by", d.By)
	return Done{ActionID: done.ID.String(), Moved: done.Letters, Skipped: done.Skipped}, nil
}

// answerAgain is the answer to an action whose key was used before.
func answerAgain(first, now store.Action) (Done, error) {
	if !sameOrder(first, now) {
		return Done{}, otherOrder(first)
	}
	return Done{ActionID: first.ID.String(), Moved: first.Letters, Skipped: first.Skipped, Repeated: true}, nil
}

// check reads the decision as it stands, without ledger and org, and brings the Salesforce id to its long form.
func (d *Decision) check() ([]uuid.UUID, error) {
	switch {
	case len(d.IDs) == 0:
		return nil, &InvalidError{"give the ids of unresolved letters: bulkhead dlq list --class unresolved shows them"}
	case len(d.IDs) > MaxDecided:
		return nil, &InvalidError{fmt.Sprintf("%d ids, at most %d are decided at once", len(d.IDs), MaxDecided)}
	case strings.TrimSpace(d.Reason) == "":
		return nil, &InvalidError{"a decision needs a reason: it stays beside the record for ever"}
	case d.Said == store.DecisionNotLanded && d.SalesforceID != "":
		return nil, &InvalidError{"salesforce_id is for decision landed only"}
	case d.Said == store.DecisionLanded && len(d.IDs) != 1:
		return nil, &InvalidError{"decision landed takes one id: each record landed as a row of its own"}
	case d.Said != store.DecisionLanded && d.Said != store.DecisionNotLanded:
		return nil, &InvalidError{fmt.Sprintf("decision must be %s or %s", store.DecisionLanded, store.DecisionNotLanded)}
	}
	if d.Said == store.DecisionLanded {
		long, ok := record.LongID(d.SalesforceID)
		if !ok {
			return nil, &InvalidError{"decision landed needs salesforce_id, the 15 or 18 characters of the row's id in the org"}
		}
		d.SalesforceID = long
	}
	order := Order{Kind: store.ActionResolve, IDs: d.IDs, Reason: d.Reason, Key: d.Key}
	selection, err := order.check()
	return selection.IDs, err
}

// digest tells one decision from another.
func (d *Decision) digest(ids []uuid.UUID) []byte {
	text, err := json.Marshal(struct {
		Kind, Said, SalesforceID string
		IDs                      []uuid.UUID
	}{store.ActionResolve, d.Said, d.SalesforceID, ids})
	if err != nil {
		text = []byte(err.Error()) // strings and UUIDs: it cannot happen, and must not be taken for an equal decision
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// decidable are the letters of these ids that wait for a decision.
func (x *Index) decidable(ctx context.Context, ids []uuid.UUID) ([]store.Unresolved, error) {
	known, err := x.store.UnresolvedLetters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the letters: %w", err)
	}
	if len(known) == 0 {
		return nil, &NothingError{"none of these letters is known: bulkhead dlq list --class unresolved shows those that wait for a decision"}
	}
	var open []store.Unresolved
	for _, l := range known {
		switch {
		case l.Class != string(record.ClassUnresolved):
			return nil, &RefusedError{fmt.Sprintf("letter %s is of class %s: Salesforce refused the record, so nothing is unresolved; replay or discard it", l.LetterID, l.Class)}
		case l.State == StateOpen && l.Revision == 0:
			return nil, &RefusedError{fmt.Sprintf("letter %s tells of no record that is unresolved in the ledger: nothing can be decided", l.LetterID)}
		case l.State == StateOpen:
			open = append(open, l)
		}
	}
	return open, nil
}

// askOrgs refuses a decision that an org contradicts, and notes org and pipeline of a landed record.
func (x *Index) askOrgs(ctx context.Context, d Decision, open []store.Unresolved, decision *store.Decision) error {
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	type revision struct {
		pipeline string
		n        int
	}
	groups := map[revision][]store.Unresolved{}
	for _, l := range open {
		at := revision{l.Pipeline, l.Revision}
		groups[at] = append(groups[at], l)
	}
	for at, letters := range groups {
		definition, err := x.definitions.Definition(ctx, at.pipeline, at.n)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", at.pipeline, err)
		}
		if d.Said == store.DecisionNotLanded {
			err = x.notThere(ctx, definition, letters)
		} else {
			decision.Org, decision.Pipeline = definition.Org, definition.Name
			err = x.isThere(ctx, definition, letters[0], d.SalesforceID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isThere asks for the row that a record is said to have landed as.
func (x *Index) isThere(ctx context.Context, d *pipeline.Definition, l store.Unresolved, id string) error {
	field := d.KeyField()
	if field == "" {
		field = pipeline.FieldID
	}
	row, found, err := x.orgs.Row(ctx, d.Org, d.Object, id, field)
	switch {
	case err != nil:
		return &UnavailableError{fmt.Sprintf("org %s could not be asked for row %s, nothing was decided", d.Org, id), err}
	case !found:
		return &RefusedError{fmt.Sprintf("org %s has no row %s of %s (or it is deleted, or the integration user may not see it): look again, or decide that the record has not landed", d.Org, id, d.Object)}
	case d.KeyField() != "" && !sameValue(d.Space(), row.Value, l.Entity):
		return &RefusedError{fmt.Sprintf("row %s has %s %q, record %s says %q: it is another row", id, field, row.Value, l.Key, l.Entity)}
	}
	return nil
}

// sameValue says whether two values of a key field are one entity's; a query writes numbers anew.
func sameValue(space, a, b string) bool {
	if record.FoldIn(space, a) == record.FoldIn(space, b) {
		return true
	}
	n, ok := record.ExactNumber(a)
	m, same := record.ExactNumber(b)
	return ok && same && n == m
}

// notThere asks whether the org has the records that are said not to have landed.
func (x *Index) notThere(ctx context.Context, d *pipeline.Definition, letters []store.Unresolved) error {
	field, space := d.KeyField(), d.Space()
	if field == "" {
		return nil
	}
	of := map[string]store.Unresolved{}
	var values []string
	for _, l := range letters {
		if strings.TrimSpace(l.Entity) == "" {
			continue
		}
		of[record.FoldIn(space, l.Entity)] = l
		values = append(values, l.Entity)
	}
	rows, err := x.orgs.Rows(ctx, d.Org, d.Object, field, values)
	if err != nil {
		return &UnavailableError{fmt.Sprintf("org %s could not be asked for %s %s, nothing was decided", d.Org, d.Object, field), err}
	}
	var there []string
	for _, r := range rows {
		if l, ok := of[record.FoldIn(space, r.Value)]; ok {
			there = append(there, fmt.Sprintf("%s of letter %s is there as %s", l.Entity, l.LetterID, r.ID))
			continue
		}
		// The org says that this is one of the values, by rules of its own: numbers are written anew.
		there = append(there, fmt.Sprintf("%s is there as %s", r.Value, r.ID))
	}
	if len(there) == 0 {
		return nil
	}
	slices.Sort(there)
	more := ""
	if len(there) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(there)-maxNamed)
		there = there[:maxNamed]
	}
	return &RefusedError{fmt.Sprintf("org %s has rows that were said not to have landed: %s%s; decide these as landed, each with its row", d.Org, strings.Join(there, "; "), more)}
}
