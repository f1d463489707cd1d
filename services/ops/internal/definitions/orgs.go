package definitions

import (
	"context"
	"errors"
	"fmt"

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
	for i, yaml := range pipelines {
		var is store.Definition
		if shipped, _, err := pipeline.ParseDefinition([]byte(yaml)); err == nil {
			is = current[shipped.Name]
		}
		if is.Name != "" && is.AppliedBy != by {
			if is.YAML != yaml {
				a.logger.WarnContext(ctx, "the configuration differs from what was applied by hand, which stays",
					"pipeline", is.Name, "revision", is.Revision, "by", is.AppliedBy)
			}
			continue
		}
		applied, err := a.Apply(ctx, "", yaml, by)
		switch {
		case err != nil && is.Name != "":
			a.logger.ErrorContext(ctx, "definition refused, the current revision stays", "pipeline", is.Name, "revision", is.Revision, "error", err)
		case err != nil:
			errs = append(errs, fmt.Errorf("pipeline %d of the configuration: %w", i+1, err))
		default:
			for _, w := range applied.Warnings {
				a.logger.WarnContext(ctx, "definition has a warning", "pipeline", applied.Name, "warning", w)
			}
		}
	}
	return errors.Join(errs...)
}
