package definitions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
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

// Describer asks an org what an object is like.
type Describer interface {
	Describe(ctx context.Context, org, object string) (salesforce.Describe, error)
}

// Applier applies definitions and orgs.
type Applier struct {
	store    *store.Store
	describe Describer
	logger   *slog.Logger
	now      func() time.Time
}

// New makes an applier. describe may be nil: then no org is asked and every apply says so.
func New(s *store.Store, describe Describer, logger *slog.Logger, now func() time.Time) *Applier {
	return &Applier{store: s, describe: describe, logger: logger, now: now}
}

// Applied is what an apply did.
type Applied struct {
	store.Definition
	// Changed is false when the text is that of the current revision.
	Changed  bool
	Warnings []string
	// Backlog is max_bytes of the pipeline's stream.
	Backlog int64
}

// describeTimeout bounds the question to the org; an apply does not hang on an org that is down.
const describeTimeout = 10 * time.Second

// Apply checks a definition and stores it as the next revision of its pipeline. name, unless empty, must be the one in the document.
// Errors: [InvalidError], [ConflictError], else the database's.
func (a *Applier) Apply(ctx context.Context, name, yaml, by string) (Applied, error) {
	definition, warnings, err := parse(name, yaml)
	if err != nil {
		return Applied{}, err
	}
	out := Applied{Backlog: definition.Backlog, Warnings: texts(warnings)}
	current, known, err := a.store.Definition(ctx, definition.Name)
	if err != nil {
		return Applied{}, fmt.Errorf("read the current definition: %w", err)
	}
	if known && current.YAML == yaml {
		out.Definition = current
		return out, nil
	}
	// Before the transaction: no call to the outside while locks are held.
	described, describeErr := a.ask(ctx, definition)
	check := func(ctx context.Context, applying *store.Applying) error {
		if !applying.Orgs[definition.Org] {
			return &InvalidError{fmt.Errorf("org %q is not defined: define it before the pipelines that use it", definition.Org)}
		}
		if describeErr != nil {
			return describeErr
		}
		return checkLanes(ctx, definition, applying)
	}
	changed := func(revision int) record.Message {
		return bus.FlowMessage(bus.NewEnvelope(definition.Name, revision, &flowv1.DefinitionChanged{Org: definition.Org}))
	}
	out.Definition, out.Changed, err = a.store.Apply(ctx, definition.Name, yaml, by, a.now().UTC(), check, changed)
	if err != nil {
		return Applied{}, unwrapRefusal(err)
	}
	out.Warnings = append(out.Warnings, described...)
	if out.Changed {
		a.logger.InfoContext(ctx, "definition applied", "pipeline", out.Name, "revision", out.Revision, "by", by, "warnings", len(out.Warnings))
	}
	return out, nil
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

// checkLanes keeps the number of lanes one for all pipelines of a space, and unchanged while anything of the space is on its way: two lanes numbers at
// once would let two versions of an entity pass each other.
func checkLanes(ctx context.Context, d *pipeline.Definition, applying *store.Applying) error {
	pipelines := []string{d.Name}
	was := 0
	for _, other := range applying.Current {
		definition, _, err := pipeline.ParseDefinition([]byte(other.YAML))
		if err != nil {
			// It was valid when it was applied; a newer program may be stricter. It must not keep others from being applied.
			continue
		}
		if definition.Space() != d.Space() {
			continue
		}
		if other.Name == d.Name {
			was = definition.Lanes
			continue
		}
		pipelines = append(pipelines, other.Name)
		if definition.Lanes != d.Lanes {
			return &ConflictError{fmt.Sprintf("lanes is %d here and %d in pipeline %s, which writes the same entities (%s): give both the same number",
				d.Lanes, definition.Lanes, other.Name, d.Space())}
		}
	}
	if was == 0 || was == d.Lanes {
		return nil
	}
	busy, err := applying.SpaceBusy(ctx, d.Space(), pipelines)
	if err != nil {
		return fmt.Errorf("look at what is on its way: %w", err)
	}
	if busy.Chunks+busy.Waiting > 0 {
		return &ConflictError{fmt.Sprintf("lanes can change from %d to %d only when nothing of %s is on its way, and %d chunks and %d waiting records are: stop publishing, wait until they have landed or died, apply again",
			was, d.Lanes, d.Space(), busy.Chunks, busy.Waiting)}
	}
	return nil
}
