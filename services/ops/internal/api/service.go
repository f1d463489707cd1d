package api

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/diagnosis"
	"bulkhead/services/ops/internal/ledger"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/rereads"
	"bulkhead/services/ops/internal/store"
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
	Rereads     *rereads.Orders
	Definitions *definitions.Applier
	Streams     Streams
	Diagnosis   *diagnosis.Diagnosis
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

// ListRecords tells the history of a record, or of the newest records of an entity.
func (s *Service) ListRecords(ctx context.Context, r *opsv1.ListRecordsRequest) (*opsv1.ListRecordsResponse, error) {
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	found, older, err := s.c.Ledger.History(ctx, ledger.Question{Pipeline: r.GetPipeline(), Key: r.GetKey(), Entity: r.GetEntity()})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, status.Error(codes.NotFound, "no accepted record matches: it may be published and not accepted yet (see unread in GET /v1/balance), or have another key")
	}
	return &opsv1.ListRecordsResponse{Records: found, Older: older}, nil
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
