package definitions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/store"
)

// MaxYAML bounds a document in bytes.
const MaxYAML = 256 << 10

// InvalidError says that a document itself is wrong: correct it and apply again.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

// ConflictError says that a document is well formed and may not be applied now, or not beside the others.
type ConflictError struct{ Reason string }

func (e *ConflictError) Error() string { return e.Reason }

// Applier applies definitions and orgs.
type Applier struct {
	store      *store.Store
	describe   Describer
	hardDelete bool
	logger     *slog.Logger
	now        func() time.Time

	mu        sync.Mutex
	confirmed map[string]int // the revision of each pipeline whose key field the org has described to this process
}

// Config is what an Applier works with. Describe may be nil: then no org is asked.
type Config struct {
	Store    *store.Store
	Describe Describer
	// HardDelete lets definitions through whose rows are deleted without a way back.
	HardDelete bool
	Logger     *slog.Logger
	Now        func() time.Time
}

// New makes an applier.
func New(c Config) *Applier {
	return &Applier{
		store: c.Store, describe: c.Describe, hardDelete: c.HardDelete, logger: c.Logger, now: c.Now, confirmed: map[string]int{},
	}
}

// Applied is what an apply did.
type Applied struct {
	store.Definition

	// Changed is false when the current revision says the same already.
	Changed  bool
	Warnings []string
	// Backlog is max_bytes of the pipeline's stream.
	Backlog int64
}

// words of the audit trail.
const (
	actionApply    = "apply"
	actionRollback = "rollback"
	actionRecheck  = "recheck"
)

// order is one wish to apply.
type order struct {
	yaml           string
	definition     *pipeline.Definition
	action, reason string
	restores       int
	// confirm is the pipeline's name once more, where what is applied cannot be undone.
	confirm string
	// unasked leaves the org alone: it did not answer a moment ago.
	unasked bool
	// by stands in the revision, auditBy in the audit trail; "" = the same.
	by, auditBy string
}

// Apply checks a definition and stores it as the next revision of its pipeline. name, unless empty, must be the one in the document; confirm is
// that name once more where the definition deletes rows without a way back, else it does not matter. Errors: [InvalidError], [ConflictError], else
// the database's.
func (a *Applier) Apply(ctx context.Context, name, yaml, confirm, by string) (Applied, error) {
	return a.applyText(ctx, name, order{yaml: yaml, action: actionApply, confirm: confirm, by: by})
}

// applyText reads the text of an order and carries it out.
func (a *Applier) applyText(ctx context.Context, name string, o order) (Applied, error) {
	definition, warnings, err := parse(name, o.yaml)
	if err != nil {
		return Applied{}, err
	}
	o.definition = definition
	out, err := a.apply(ctx, o)
	if err == nil {
		out.Warnings = append(texts(warnings), out.Warnings...)
	}
	return out, err
}

// apply asks the org, checks what has to agree with the others, and stores.
func (a *Applier) apply(ctx context.Context, o order) (Applied, error) {
	d := o.definition
	current, known, err := a.store.Definition(ctx, d.Name)
	if err != nil {
		return Applied{}, fmt.Errorf("read the current definition: %w", err)
	}
	if err := a.allowed(&o, known && current.YAML == o.yaml); err != nil {
		return Applied{}, err
	}
	// Before the transaction: no call to the outside while locks are held.
	var (
		found   findings
		refused error
	)
	if o.unasked {
		found.warnings = []string{fmt.Sprintf("org %s did not answer a moment ago, so field names and the key field were not checked", d.Org)}
	} else {
		found, refused = a.ask(ctx, d)
	}
	out := Applied{Backlog: d.Backlog, Warnings: found.warnings}
	d.CaseSensitive = a.caseSensitive(d, found, current, known)
	if a.describe != nil && !found.answered && d.KeyField() != "" && d.KeyField() != pipeline.FieldID {
		out.Warnings = append(out.Warnings, assumed(d))
	}
	if known && current.YAML == o.yaml && current.CaseSensitive == d.CaseSensitive {
		out.Definition = current
		if refused != nil {
			out.Warnings = append(out.Warnings, "the current revision stays, but the org would not take it any more: "+refused.Error())
		}
		a.confirm(current, found)
		return out, nil
	}
	check := func(ctx context.Context, applying *store.Applying) error {
		if !applying.Orgs[d.Org] {
			return &InvalidError{fmt.Errorf("org %q is not defined: define it before the pipelines that use it", d.Org)}
		}
		if refused != nil {
			return refused
		}
		beside, err := checkBeside(ctx, d, applying)
		out.Warnings = append(out.Warnings, beside...)
		return err
	}
	changed := func(revision int) record.Message {
		return bus.FlowMessage(bus.NewEnvelope(d.Name, revision, &flowv1.DefinitionChanged{Org: d.Org}))
	}
	out.Definition, out.Changed, err = a.store.Apply(ctx, store.NewRevision{
		Name: d.Name, YAML: o.yaml, CaseSensitive: d.CaseSensitive, By: o.by, At: a.now().UTC(),
		Action: o.action, AuditBy: o.auditBy, Reason: o.reason, Restores: o.restores,
	}, check, changed)
	if err != nil {
		return Applied{}, unwrapRefusal(err)
	}
	a.confirm(out.Definition, found)
	if out.Changed {
		a.logger.InfoContext(ctx, "definition applied", "pipeline", out.Name, "revision", out.Revision, "by", out.AppliedBy, "action", o.action, "warnings", len(out.Warnings))
	}
	return out, nil
}

// allowed refuses a definition that deletes rows without a way back, unless this installation allows it and somebody typed the pipeline's name for it. What
// is current already needs neither.
func (a *Applier) allowed(o *order, current bool) error {
	d := o.definition
	if d.Operation != pipeline.OperationHardDelete || current || o.action == actionRecheck {
		return nil
	}
	if !a.hardDelete {
		return &InvalidError{fmt.Errorf("operation %s is switched off: its rows skip the Recycle Bin, and nothing brings them back. Say operation: %s, or let ops allow it "+
			"(BULKHEAD_HARD_DELETE=true)", d.Operation, pipeline.OperationDelete)}
	}
	if o.confirm != d.Name {
		return &ConflictError{fmt.Sprintf("operation %s deletes rows without a way back: confirm it by typing the pipeline's name (bulkhead pipelines apply --confirm %s, or member confirm)",
			d.Operation, d.Name)}
	}
	if o.reason == "" {
		o.reason = "deletes rows without a way back; confirmed by typing the pipeline's name"
	}
	return nil
}

// caseSensitive is how the org compares the key field: as it says now, else as it said when the current revision of the same key was applied.
func (a *Applier) caseSensitive(d *pipeline.Definition, found findings, current store.Definition, known bool) bool {
	if found.caseSensitive != nil {
		return *found.caseSensitive
	}
	if !known {
		return false
	}
	before, err := stored(current)
	return err == nil && before.CaseSensitive && before.Org == d.Org && before.Object == d.Object && before.KeyField() == d.KeyField()
}

// assumed is the warning that a definition rests on a guess until the org answers.
func assumed(d *pipeline.Definition) string {
	if d.CaseSensitive {
		return fmt.Sprintf("until the org answers, values of %s that differ in case only count as different rows, as before", d.KeyField())
	}
	return fmt.Sprintf("until the org answers, values of %s that differ in case only count as the same row", d.KeyField())
}

// stored is a revision as a definition, with what the org said when it was applied.
func stored(d store.Definition) (*pipeline.Definition, error) {
	definition, _, err := pipeline.ParseDefinition([]byte(d.YAML))
	if err != nil {
		return nil, err
	}
	definition.Revision, definition.CaseSensitive = d.Revision, d.CaseSensitive
	return definition, nil
}

// unwrapRefusal takes the transaction's label off an error that is meant for the caller.
func unwrapRefusal(err error) error {
	if e, ok := errors.AsType[*InvalidError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*ConflictError](err); ok {
		return e
	}
	return err
}

func parse(name, yaml string) (*pipeline.Definition, []pipeline.Warning, error) {
	if strings.TrimSpace(yaml) == "" {
		return nil, nil, &InvalidError{errors.New("the definition is empty: send its YAML")}
	}
	if len(yaml) > MaxYAML {
		return nil, nil, &InvalidError{fmt.Errorf("the definition has %d bytes, at most %d are allowed", len(yaml), MaxYAML)}
	}
	definition, warnings, err := pipeline.ParseDefinition([]byte(yaml))
	if err != nil {
		return nil, nil, &InvalidError{err}
	}
	if name != "" && definition.Name != name {
		return nil, nil, &InvalidError{fmt.Errorf("the document names the pipeline %q, it was sent for %q: use one name", definition.Name, name)}
	}
	return definition, warnings, nil
}

func texts(warnings []pipeline.Warning) []string {
	var out []string
	for _, w := range warnings {
		if w.Line > 0 {
			out = append(out, fmt.Sprintf("line %d: %s", w.Line, w.Text))
			continue
		}
		out = append(out, w.Text)
	}
	return out
}
