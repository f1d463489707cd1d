package api

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/bus"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/ledger"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"

	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Streams makes a pipeline's stream once its definition is stored.
type Streams interface {
	ApplyRecords(ctx context.Context, pipeline string, backlog int64) error
}

// Config is what the verbs need; every field is required.
type Config struct {
	Store       *store.Store
	Ledger      *ledger.Reader
	Letters     *letters.Index
	Definitions *definitions.Applier
	Streams     Streams
	Logger      *slog.Logger
}

// Service answers the calls of bulkhead.ops.v1.
type Service struct {
	opsv1.UnimplementedOpsServiceServer

	c Config
}

// NewService makes the service.
func NewService(c Config) *Service { return &Service{c: c} }

// GetStatus answers for everything at once.
func (s *Service) GetStatus(ctx context.Context, _ *opsv1.GetStatusRequest) (*opsv1.GetStatusResponse, error) {
	return s.c.Ledger.Status(ctx)
}

// GetBalance answers for one pipeline or all, one run or all.
func (s *Service) GetBalance(ctx context.Context, r *opsv1.GetBalanceRequest) (*opsv1.GetBalanceResponse, error) {
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	return s.c.Ledger.Balance(ctx, r.GetPipeline(), r.GetRun())
}

// known refuses a pipeline that is named and not there: zeros would be mistaken for its numbers.
func (s *Service) known(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	_, ok, err := s.c.Store.Definition(ctx, name)
	if err == nil && !ok {
		err = noPipeline(name)
	}
	return err
}

func noPipeline(name string) error {
	return status.Errorf(codes.NotFound, "there is no pipeline %q: GET /v1/pipelines lists them", name)
}

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

func pipelineOf(d store.Definition, pauses []store.Pause) *opsv1.Pipeline {
	out := &opsv1.Pipeline{Name: d.Name, Revision: int32(d.Revision), Yaml: d.YAML, AppliedBy: d.AppliedBy, AppliedAt: timestamppb.New(d.AppliedAt)}
	for _, p := range pauses {
		if p.Pipeline == d.Name {
			out.Pauses = append(out.Pauses, ledger.PauseOf(p))
		}
	}
	return out
}

// PutPipeline applies a definition.
func (s *Service) PutPipeline(ctx context.Context, r *opsv1.PutPipelineRequest) (*opsv1.PutPipelineResponse, error) {
	applied, err := s.c.Definitions.Apply(ctx, r.GetName(), r.GetYaml(), byOf(ctx, r.GetBy()))
	if err != nil {
		return nil, err
	}
	out := &opsv1.PutPipelineResponse{Pipeline: pipelineOf(applied.Definition, nil), Changed: applied.Changed, Warnings: applied.Warnings}
	// The definition stands; without its stream nothing can be published yet, and the sweep makes it as soon as the broker answers.
	if err := s.c.Streams.ApplyRecords(ctx, applied.Name, applied.Backlog); err != nil {
		s.c.Logger.WarnContext(ctx, "stream of a pipeline could not be made", "pipeline", applied.Name, "error", err)
		out.Warnings = append(out.Warnings, fmt.Sprintf("stream %s could not be made yet, it is tried again: %v", bus.RecordsStream(applied.Name), err))
	}
	return out, nil
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

// ListRecords tells the history of a record, or of all records of an entity.
func (s *Service) ListRecords(ctx context.Context, r *opsv1.ListRecordsRequest) (*opsv1.ListRecordsResponse, error) {
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	found, err := s.c.Ledger.History(ctx, ledger.Question{Pipeline: r.GetPipeline(), Key: r.GetKey(), Entity: r.GetEntity()})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, status.Error(codes.NotFound, "no accepted record matches: it may be published and not accepted yet (see unread in GET /v1/balance), or have another key")
	}
	return &opsv1.ListRecordsResponse{Records: found}, nil
}

// byOf is who is written down: the token's name counts, what the caller says of itself stands beside it.
func byOf(ctx context.Context, said string) string {
	caller := callerOf(ctx)
	switch {
	case caller.Name == "" && said == "":
		return "unknown"
	case caller.Name == "":
		return said
	case said == "" || said == caller.Name:
		return caller.Name
	}
	return fmt.Sprintf("%s (token %s)", said, caller.Name)
}
