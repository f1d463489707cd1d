package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/service"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// Status answers for everything: balance, pipelines, orgs, and what is open.
func (r *Reader) Status(ctx context.Context) (*opsv1.GetStatusResponse, error) {
	balance, err := r.Balance(ctx, "", "")
	if err != nil {
		return nil, err
	}
	states, err := r.store.Read().PipelineStates(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the pipelines: %w", err)
	}
	_, marks, err := r.pipelines(ctx)
	if err != nil {
		return nil, err
	}
	reconciled, err := r.reconciled(ctx)
	if err != nil {
		return nil, err
	}
	described, err := r.described(ctx)
	if err != nil {
		return nil, err
	}
	open, err := r.openWork(ctx)
	if err != nil {
		return nil, err
	}
	out := &opsv1.GetStatusResponse{
		Balance: balance.GetBalance(), AddsUp: balance.GetAddsUp(), Repeats: balance.GetRepeats(), Unread: balance.GetUnread(),
		OpenItems: open.items(), Version: service.Version(),
	}
	for _, s := range states {
		b := balance.GetPipelines()[s.Pipeline]
		p := &opsv1.PipelineStatus{
			Name: s.Pipeline, Revision: s.Revision, Balance: b.GetBalance(), Repeats: b.GetRepeats(), Unread: b.GetUnread(),
			OpenChunks: s.OpenChunks, OpenJobs: s.OpenJobs, PartialChunks: s.PartialChunks,
			Stopped: open.stopped[s.Pipeline], NextRetryAt: stampOf(open.nextRetry[s.Pipeline]), Jobs: open.jobs[s.Pipeline],
		}
		if d := described[s.Pipeline]; d != nil {
			p.Owner, p.Contact, p.DependsOn = d.Owner, d.Contact, d.DependsOn
		}
		if place, ok := reconciled[s.Pipeline]; ok {
			p.ReconciledChunks, p.ReconciledAt = place.Chunks, timestamppb.New(place.ReconciledAt)
		}
		for _, m := range marks[s.Pipeline] {
			p.Checkpoints = append(p.Checkpoints, &opsv1.Checkpoint{Lane: int32(m.Lane), Seq: int64(m.Place.Seq), Index: int32(m.Place.Idx)})
		}
		for _, pause := range open.pauses {
			if pause.Pipeline == s.Pipeline {
				p.Pauses = append(p.Pauses, PauseOf(pause))
			}
		}
		if p.GetUnread().GetMessages() < 0 {
			out.OpenItems = append(out.OpenItems, &opsv1.OpenItem{
				Owner: "ops", Kind: "unread", Id: s.Pipeline, Pipeline: s.Pipeline, State: "unknown", Note: "NATS did not answer: how much is unread is not known",
			})
		}
		out.Pipelines = append(out.Pipelines, p)
	}
	if out.Orgs, err = r.orgStatus(ctx); err != nil {
		return nil, err
	}
	if !out.GetAddsUp() {
		out.OpenItems = append([]*opsv1.OpenItem{{
			Owner: ownerPerson, Kind: "balance", Id: "balance", State: "does_not_add_up",
			Note: "the terms do not add up to accepted: this is an incident, keep the database as it is and compare the pipelines' balances",
		}}, out.GetOpenItems()...)
	}
	return out, nil
}

// reconciled is how far the reconciler is, by pipeline; one without an outcome is left out.
func (r *Reader) reconciled(ctx context.Context) (map[string]db.ReconcilingPlacesRow, error) {
	places, err := r.store.Read().ReconcilingPlaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("read how far the reconciler is: %w", err)
	}
	out := make(map[string]db.ReconcilingPlacesRow, len(places))
	for _, p := range places {
		out[p.Pipeline] = p
	}
	return out, nil
}

// described are the current definitions by name; one that cannot be read any more is left out.
func (r *Reader) described(ctx context.Context) (map[string]*pipeline.Definition, error) {
	current, err := r.store.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	out := make(map[string]*pipeline.Definition, len(current))
	for _, d := range current {
		if definition, _, err := pipeline.ParseDefinition([]byte(d.YAML)); err == nil {
			out[d.Name] = definition
		}
	}
	return out, nil
}

// orgStatus says what is known of every org, by name. An org that the services leave alone is left alone here too: whoever watches a status must not
// make calls that the circuit spares.
func (r *Reader) orgStatus(ctx context.Context) ([]*opsv1.OrgStatus, error) {
	circuits, err := r.Circuits(ctx)
	if err != nil {
		return nil, err
	}
	var out []*opsv1.OrgStatus
	for _, name := range slices.Sorted(maps.Keys(circuits)) {
		s := &opsv1.OrgStatus{Name: name, Circuit: circuits[name]}
		if r.orgs != nil {
			usage := r.orgs.Usage
			if resting(s.GetCircuit()) {
				usage = r.orgs.LastUsage
			}
			id, used, limit, err := usage(ctx, name)
			s.OrgId, s.ApiUsed, s.ApiMax = id, used, limit
			if err != nil {
				s.Error = err.Error()
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// PauseOf is a pause as the API says it.
func PauseOf(p store.Pause) *opsv1.Pause {
	return &opsv1.Pause{Id: p.ID.String(), Service: p.Service, Class: p.Class, Code: p.Code, Message: p.Message, Since: timestamppb.New(p.Since)}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orUnknown(s string) string {
	if s == "" {
		return "not looked at yet"
	}
	return s
}

// noteOf is the last error where there is one.
func noteOf(problem *string, otherwise string) string {
	if problem != nil && *problem != "" {
		return *problem
	}
	return otherwise
}

func later(a time.Time, b *time.Time) time.Time {
	if b != nil && b.After(a) {
		return *b
	}
	return a
}

func stampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stampOrNil(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

func uuidText(id uuid.NullUUID) string {
	if !id.Valid {
		return ""
	}
	return id.UUID.String()
}
