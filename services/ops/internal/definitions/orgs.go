package definitions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/store"
)

// ApplyOrg checks an org's document and stores it; it says whether it changed. Services with a client of the org make a new one.
func (a *Applier) ApplyOrg(ctx context.Context, yaml, by string) (string, bool, error) {
	if len(yaml) > MaxYAML {
		return "", false, &InvalidError{fmt.Errorf("the org's document has %d bytes, at most %d are allowed", len(yaml), MaxYAML)}
	}
	org, err := pipeline.ParseOrg([]byte(yaml))
	if err != nil {
		return "", false, &InvalidError{err}
	}
	current, err := a.store.Current(ctx)
	if err != nil {
		return "", false, fmt.Errorf("read the definitions: %w", err)
	}
	var changed []record.Message
	for _, d := range current {
		definition, _, err := pipeline.ParseDefinition([]byte(d.YAML))
		if err == nil && definition.Org == org.Name {
			changed = append(changed, bus.FlowMessage(bus.NewEnvelope(d.Name, d.Revision, &flowv1.DefinitionChanged{Org: org.Name})))
		}
	}
	is, err := a.store.PutOrg(ctx, org.Name, yaml, by, changed)
	if err != nil {
		return "", false, fmt.Errorf("store org %s: %w", org.Name, err)
	}
	if is {
		a.forget() // another org may compare in another way
		a.logger.InfoContext(ctx, "org applied", "org", org.Name, "by", by)
	}
	return org.Name, is, nil
}

// Bootstrap applies documents that are shipped with an installation: orgs first, then pipelines. A document that is the current one changes
// nothing, and a pipeline whose current revision a person applied is left as that person made it. A pipeline that is refused now but has a
// current revision goes on with that one, and is logged: the rest of ops must not stand still for it. Everything else that is refused is
// returned together.
func (a *Applier) Bootstrap(ctx context.Context, orgs, pipelines []string, by string) error {
	var errs []error
	for i, yaml := range orgs {
		if _, _, err := a.ApplyOrg(ctx, yaml, by); err != nil {
			errs = append(errs, fmt.Errorf("org %d of the configuration: %w", i+1, err))
		}
	}
	definitions, err := a.store.Current(ctx)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("read the definitions: %w", err))...)
	}
	current := map[string]store.Definition{}
	for _, d := range definitions {
		current[d.Name] = d
	}
	silent := map[string]bool{} // orgs that did not answer: a start does not wait for them once for every pipeline
	for _, i := range inOrder(pipelines) {
		yaml := pipelines[i]
		var (
			is  store.Definition
			org string
		)
		if shipped, _, err := pipeline.ParseDefinition([]byte(yaml)); err == nil {
			is, org = current[shipped.Name], shipped.Org
		}
		if is.Name != "" && is.AppliedBy != by {
			if is.YAML != yaml {
				a.logger.WarnContext(ctx, "the configuration differs from what was applied by hand, which stays",
					"pipeline", is.Name, "revision", is.Revision, "by", is.AppliedBy)
			}
			continue
		}
		if is.YAML == yaml {
			continue // whether the org still agrees is asked later: a start does not wait for orgs that are down
		}
		applied, err := a.applyText(ctx, "", order{yaml: yaml, action: actionApply, by: by, unasked: silent[org]})
		switch {
		case err != nil && is.Name != "":
			a.logger.ErrorContext(ctx, "definition refused, the current revision stays", "pipeline", is.Name, "revision", is.Revision, "error", err)
		case err != nil:
			errs = append(errs, fmt.Errorf("pipeline %d of the configuration: %w", i+1, err))
		default:
			silent[org] = a.describe != nil && !a.isConfirmed(applied.Definition)
			for _, w := range applied.Warnings {
				a.logger.WarnContext(ctx, "definition has a warning", "pipeline", applied.Name, "warning", w)
			}
		}
	}
	return errors.Join(errs...)
}

// inOrder is the order in which documents are applied, as places in the list: those that others depend on first. What is no definition, and what goes
// in a circle, keeps its place at the end; the apply says what is wrong with it.
func inOrder(documents []string) []int {
	var definitions []*pipeline.Definition
	place := map[string]int{}
	for i, yaml := range documents {
		d, _, err := pipeline.ParseDefinition([]byte(yaml))
		if err != nil {
			continue
		}
		if _, twice := place[d.Name]; !twice {
			place[d.Name] = i
			definitions = append(definitions, d)
		}
	}
	var out []int
	if sorted, err := pipeline.InOrder(definitions); err == nil {
		for _, d := range sorted {
			out = append(out, place[d.Name])
		}
	}
	for i := range documents {
		if !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}
