package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/ledger"
	"bulkhead/services/ops/internal/store"
)

// ListPipelines lists the newest revision of every pipeline.
func (s *Service) ListPipelines(ctx context.Context, _ *opsv1.ListPipelinesRequest) (*opsv1.ListPipelinesResponse, error) {
	current, err := s.c.Store.Current(ctx)
	if err != nil {
		return nil, err
	}
	pauses, err := s.c.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	out := &opsv1.ListPipelinesResponse{}
	for _, d := range current {
		out.Pipelines = append(out.Pipelines, pipelineOf(d, pauses))
	}
	return out, nil
}

// GetPipeline gives the newest revision of one pipeline.
func (s *Service) GetPipeline(ctx context.Context, r *opsv1.GetPipelineRequest) (*opsv1.GetPipelineResponse, error) {
	d, ok, err := s.c.Store.Definition(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noPipeline(r.GetName())
	}
	pauses, err := s.c.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	return &opsv1.GetPipelineResponse{Pipeline: pipelineOf(d, pauses)}, nil
}

// pipelineOf tells a revision with what its text says of itself. A text that this version cannot read any more is told as it stands.
func pipelineOf(d store.Definition, pauses []store.Pause) *opsv1.Pipeline {
	out := &opsv1.Pipeline{Name: d.Name, Revision: int32(d.Revision), Yaml: d.YAML, AppliedBy: d.AppliedBy, AppliedAt: timestamppb.New(d.AppliedAt)}
	if definition, _, err := pipeline.ParseDefinition([]byte(d.YAML)); err == nil {
		out.Owner, out.Contact, out.DependsOn = definition.Owner, definition.Contact, definition.DependsOn
		out.Org, out.Object, out.Operation, out.KeyField = definition.Org, definition.Object, definition.Operation, definition.KeyField()
	}
	for _, p := range pauses {
		if p.Pipeline == d.Name {
			out.Pauses = append(out.Pauses, ledger.PauseOf(p))
		}
	}
	return out
}

// PutPipeline applies a definition.
func (s *Service) PutPipeline(ctx context.Context, r *opsv1.PutPipelineRequest) (*opsv1.PutPipelineResponse, error) {
	applied, err := s.c.Definitions.Apply(ctx, r.GetName(), r.GetYaml(), r.GetConfirm(), byOf(ctx, r.GetBy()))
	if err != nil {
		return nil, err
	}
	pauses, err := s.c.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	return &opsv1.PutPipelineResponse{
		Pipeline: pipelineOf(applied.Definition, pauses), Changed: applied.Changed, Warnings: append(applied.Warnings, s.makeStream(ctx, applied)...),
	}, nil
}

// makeStream makes the stream of a pipeline that was applied. The definition stands; without its stream nothing can be published yet, and the sweep
// makes it as soon as the broker answers: until then that is a warning.
func (s *Service) makeStream(ctx context.Context, applied definitions.Applied) []string {
	err := s.c.Streams.ApplyRecords(ctx, applied.Name, applied.Backlog)
	if err == nil {
		return nil
	}
	s.c.Logger.WarnContext(ctx, "stream of a pipeline could not be made", "pipeline", applied.Name, "error", err)
	return []string{fmt.Sprintf("stream %s could not be made yet, it is tried again: %v", bus.RecordsStream(applied.Name), err)}
}

// ListRevisions lists the revisions of a pipeline.
func (s *Service) ListRevisions(ctx context.Context, r *opsv1.ListRevisionsRequest) (*opsv1.ListRevisionsResponse, error) {
	revisions, err := s.c.Definitions.Revisions(ctx, r.GetName())
	if err != nil {
		return nil, missing(err)
	}
	out := &opsv1.ListRevisionsResponse{}
	for i, d := range revisions {
		out.Revisions = append(out.Revisions, &opsv1.Revision{
			Revision: int32(d.Revision), AppliedBy: d.AppliedBy, AppliedAt: timestamppb.New(d.AppliedAt), Sha256: hex.EncodeToString(d.Digest),
			Current: i == 0, Yaml: d.YAML,
		})
	}
	return out, nil
}

// DiffRevisions tells what differs between two revisions.
func (s *Service) DiffRevisions(ctx context.Context, r *opsv1.DiffRevisionsRequest) (*opsv1.DiffRevisionsResponse, error) {
	diff, err := s.c.Definitions.Diff(ctx, r.GetName(), int(r.GetFrom()), int(r.GetTo()))
	if err != nil {
		return nil, missing(err)
	}
	return &opsv1.DiffRevisionsResponse{From: int32(diff.From), To: int32(diff.To), Diff: diff.Unified, Changes: diff.Changes}, nil
}

// RollbackPipeline brings an earlier revision back as a new one.
func (s *Service) RollbackPipeline(ctx context.Context, r *opsv1.RollbackPipelineRequest) (*opsv1.RollbackPipelineResponse, error) {
	applied, err := s.c.Definitions.Rollback(ctx, r.GetName(), int(r.GetRevision()), r.GetReason(), r.GetConfirm(), byOf(ctx, r.GetBy()))
	if err != nil {
		return nil, missing(err)
	}
	pauses, err := s.c.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	return &opsv1.RollbackPipelineResponse{
		Pipeline: pipelineOf(applied.Definition, pauses), Changed: applied.Changed, Warnings: append(applied.Warnings, s.makeStream(ctx, applied)...),
	}, nil
}

// missing gives the error for what is not there its status.
func missing(err error) error {
	if e, ok := errors.AsType[*definitions.MissingError](err); ok {
		return status.Error(codes.NotFound, e.Error())
	}
	return err
}

// ResumePipeline lifts the pauses that hold now.
func (s *Service) ResumePipeline(ctx context.Context, r *opsv1.ResumePipelineRequest) (*opsv1.ResumePipelineResponse, error) {
	d, ok, err := s.c.Store.Definition(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noPipeline(r.GetName())
	}
	changed := bus.FlowMessage(bus.NewEnvelope(d.Name, d.Revision, &flowv1.DefinitionChanged{}))
	by := byOf(ctx, r.GetBy())
	n, err := s.c.Store.Resume(ctx, d.Name, by, r.GetReason(), changed)
	if err != nil {
		return nil, err
	}
	s.c.Logger.InfoContext(ctx, "pipeline resumed", "pipeline", d.Name, "lifted", n, "by", by)
	return &opsv1.ResumePipelineResponse{Lifted: int32(n)}, nil
}
