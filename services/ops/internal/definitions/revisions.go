package definitions

import (
	"context"
	"errors"
	"fmt"

	"github.com/aymanbagabas/go-udiff"

	"bulkhead/services/ops/internal/store"
)

// MissingError says that there is no such pipeline or revision.
type MissingError struct {
	Name     string
	Revision int // 0 = the pipeline itself is not there
}

func (e *MissingError) Error() string {
	if e.Revision == 0 {
		return fmt.Sprintf("there is no pipeline %q: GET /v1/pipelines lists them", e.Name)
	}
	return fmt.Sprintf("pipeline %s has no revision %d: GET /v1/pipelines/%s/revisions lists them", e.Name, e.Revision, e.Name)
}

// Revisions are the newest revisions of a pipeline, the newest first. The error is a [MissingError] when there is no such pipeline.
func (a *Applier) Revisions(ctx context.Context, name string) ([]store.Revision, error) {
	out, err := a.store.Revisions(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the revisions: %w", err)
	}
	if len(out) == 0 {
		return nil, &MissingError{Name: name}
	}
	return out, nil
}

// Difference is what differs between two revisions.
type Difference struct {
	From, To int
	// Unified is a unified diff of the texts; "" = they are the same.
	Unified string
	// Changes say what it means, a sentence each.
	Changes []string
}

// Diff compares two revisions of a pipeline; to 0 = the current one, from 0 = the one before to. Errors: [MissingError], [InvalidError] when nothing is
// before to.
func (a *Applier) Diff(ctx context.Context, name string, from, to int) (Difference, error) {
	later, err := a.revision(ctx, name, to)
	if err != nil {
		return Difference{}, err
	}
	if from == 0 {
		if from = later.Revision - 1; from == 0 {
			return Difference{}, &InvalidError{fmt.Errorf("revision 1 is the first of %s: there is none before it to compare with", name)}
		}
	}
	earlier, err := a.revision(ctx, name, from)
	if err != nil {
		return Difference{}, err
	}
	label := func(d store.Definition) string { return fmt.Sprintf("%s revision %d", d.Name, d.Revision) }
	return Difference{
		From: earlier.Revision, To: later.Revision,
		Unified: udiff.Unified(label(earlier), label(later), earlier.YAML, later.YAML),
		Changes: changes(earlier, later),
	}, nil
}

// revision reads one revision; 0 = the current one.
func (a *Applier) revision(ctx context.Context, name string, n int) (store.Definition, error) {
	current, ok, err := a.store.Definition(ctx, name)
	switch {
	case err != nil:
		return store.Definition{}, fmt.Errorf("read the current definition: %w", err)
	case !ok:
		return store.Definition{}, &MissingError{Name: name}
	case n == 0 || n == current.Revision:
		return current, nil
	}
	d, ok, err := a.store.DefinitionAt(ctx, name, n)
	switch {
	case err != nil:
		return store.Definition{}, fmt.Errorf("read revision %d: %w", n, err)
	case !ok:
		return store.Definition{}, &MissingError{Name: name, Revision: n}
	}
	return d, nil
}

// Rollback applies the text of an earlier revision as a new one, after the same checks as any apply; confirm is that of [Applier.Apply]. Errors: [MissingError], [InvalidError],
// [ConflictError], else the database's.
func (a *Applier) Rollback(ctx context.Context, name string, revision int, reason, confirm, by string) (Applied, error) {
	if revision < 1 {
		return Applied{}, &InvalidError{errors.New("name the revision to bring back, 1 or above")}
	}
	earlier, err := a.revision(ctx, name, revision)
	if err != nil {
		return Applied{}, err
	}
	out, err := a.applyText(ctx, name, order{yaml: earlier.YAML, action: actionRollback, reason: reason, restores: revision, confirm: confirm, by: by})
	if e, ok := errors.AsType[*InvalidError](err); ok {
		return Applied{}, &InvalidError{fmt.Errorf("revision %d cannot be applied any more: %w", revision, e.Err)}
	}
	return out, err
}
