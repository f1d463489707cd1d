package definitions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store"
)

// checkBeside compares a definition with the current ones of all pipelines, its own included. It returns warnings, and a [ConflictError] or an
// [InvalidError] for what cannot stand beside them.
func checkBeside(ctx context.Context, d *pipeline.Definition, applying *store.Applying) ([]string, error) {
	var was *pipeline.Definition
	all := []*pipeline.Definition{d}
	for _, row := range applying.Current {
		other, err := stored(row)
		switch {
		case err != nil:
			// It was valid when it was applied; a newer program may be stricter. It must not keep others from being applied.
		case row.Name == d.Name:
			was = other
		default:
			all = append(all, other)
		}
	}
	warnings, err := checkDepends(d, all)
	if err != nil {
		return nil, err
	}
	sharing, more, err := checkShared(d, all[1:])
	if err != nil {
		return nil, err
	}
	return append(append(warnings, more...), ofVersions(d, was)...), checkMove(ctx, d, was, sharing, applying)
}

// ofVersions warns of what another member `version` means for the records that were accepted before: they keep the version that they were given.
func ofVersions(d, was *pipeline.Definition) []string {
	if was == nil || slices.Equal(was.Version, d.Version) {
		return nil
	}
	if was.Version != nil && d.Version != nil {
		return []string{fmt.Sprintf("version is %s instead of %s: records accepted before keep what they had, and a record counts as older than those whose value is higher; to count anew make a pipeline of another name",
			strings.Join(d.Version, "."), strings.Join(was.Version, "."))}
	}
	return []string{"records accepted before and after this revision do not both have a version: between two such the order in the stream says which is newer"}
}

// checkDepends refuses circles of dependsOn, and warns of names that nobody knows.
func checkDepends(d *pipeline.Definition, all []*pipeline.Definition) ([]string, error) {
	if _, err := pipeline.InOrder(all); err != nil {
		if _, ok := errors.AsType[*pipeline.CycleError](err); ok {
			return nil, &InvalidError{err}
		}
		return nil, err
	}
	known := make([]string, 0, len(all))
	for _, other := range all {
		known = append(known, other.Name)
	}
	var warnings []string
	for _, name := range d.DependsOn {
		if !slices.Contains(known, name) {
			warnings = append(warnings, fmt.Sprintf("dependsOn names %s, which is no pipeline yet%s", name, suggest(name, known)))
		}
	}
	return warnings, nil
}

// base is the entity space without regard to how values compare: the same field of the same object.
func base(d *pipeline.Definition) string {
	if d.Content() {
		return d.Space()
	}
	return record.Space(d.Org, d.Object, d.KeyField(), false)
}

// checkShared compares with the pipelines that write the same entities, and names them.
func checkShared(d *pipeline.Definition, others []*pipeline.Definition) (sharing, warnings []string, err error) {
	for _, other := range others {
		if base(other) != base(d) {
			continue
		}
		sharing = append(sharing, other.Name)
		if other.Lanes != d.Lanes {
			return nil, nil, &ConflictError{fmt.Sprintf("lanes is %d here and %d in pipeline %s, which writes the same entities (%s): give both the same number",
				d.Lanes, other.Lanes, other.Name, base(d))}
		}
		if other.Space() != d.Space() {
			warnings = append(warnings, fmt.Sprintf("pipeline %s writes the same entities and was applied when the org compared %s.%s in another way: apply it again, so that both take turns",
				other.Name, d.Object, d.KeyField()))
		}
		if d.Merges() && other.Merges() && (d.Version == nil || other.Version == nil) {
			warnings = append(warnings, fmt.Sprintf("pipeline %s writes the same entities (%s): the two take turns, but which of their records is newer is known only when both name `version`",
				other.Name, base(d)))
		}
	}
	return sharing, warnings, nil
}

// checkMove keeps what orders the versions of an entity in place while anything is on its way: two numbers of lanes at once, or two spaces, would let
// two versions of an entity pass each other.
func checkMove(ctx context.Context, d, was *pipeline.Definition, sharing []string, applying *store.Applying) error {
	switch {
	case was == nil:
		return nil
	case was.Space() != d.Space():
		busy, err := applying.PipelineBusy(ctx, d.Name)
		if err != nil {
			return fmt.Errorf("look at what is on its way: %w", err)
		}
		if busy.Chunks+busy.Waiting > 0 {
			return &ConflictError{fmt.Sprintf("rows can be matched by %s instead of %s only when nothing of %s is on its way, and %s: %s",
				matching(d), matching(was), d.Name, onTheWay(busy), drain)}
		}
	case was.Lanes != d.Lanes:
		busy, err := applying.SpaceBusy(ctx, d.Space(), append([]string{d.Name}, sharing...))
		if err != nil {
			return fmt.Errorf("look at what is on its way: %w", err)
		}
		if busy.Chunks+busy.Waiting > 0 {
			return &ConflictError{fmt.Sprintf("lanes can change from %d to %d only when nothing of %s is on its way, and %s: %s",
				was.Lanes, d.Lanes, base(d), onTheWay(busy), drain)}
		}
	}
	return nil
}

const drain = "stop publishing, wait until they have landed or died, apply again"

func onTheWay(b store.Busy) string {
	return fmt.Sprintf("%d chunks and %d waiting records are", b.Chunks, b.Waiting)
}

// matching says by what a definition's rows are matched.
func matching(d *pipeline.Definition) string {
	switch {
	case d.Content():
		return fmt.Sprintf("content (%s of org %s)", d.Object, d.Org)
	case d.Exact():
		return fmt.Sprintf("%s.%s of org %s, compared exactly", d.Object, d.KeyField(), d.Org)
	}
	return fmt.Sprintf("%s.%s of org %s", d.Object, d.KeyField(), d.Org)
}
