package api

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/rereads"
	"bulkhead/services/ops/internal/store"
)

// RereadRecords orders a part of a stream to be read again.
func (s *Service) RereadRecords(ctx context.Context, r *opsv1.RereadRecordsRequest) (*opsv1.RereadRecordsResponse, error) {
	if err := s.known(ctx, r.GetPipeline()); err != nil {
		return nil, err
	}
	var since time.Time
	if r.GetSince() != nil {
		since = r.GetSince().AsTime()
	}
	ordered, repeated, err := s.c.Rereads.Order(ctx, rereads.Order{
		Pipeline: r.GetPipeline(), From: uint64(r.GetFromSeq()), Since: since, To: uint64(r.GetToSeq()), Reason: r.GetReason(),
		Key: r.GetIdempotencyKey(), By: byOf(ctx, r.GetBy()),
	})
	if err != nil {
		return nil, err
	}
	return &opsv1.RereadRecordsResponse{Reread: rereadOf(ordered), RepeatedRequest: repeated}, nil
}

// GetReread says how far an order has come.
func (s *Service) GetReread(ctx context.Context, r *opsv1.GetRereadRequest) (*opsv1.GetRereadResponse, error) {
	id, err := uuid.Parse(r.GetId())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no id of an order to read again: ids are UUIDs", r.GetId())
	}
	order, ok, err := s.c.Rereads.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, status.Errorf(codes.NotFound, "there is no order %s to read a part of a stream again", id)
	}
	return &opsv1.GetRereadResponse{Reread: rereadOf(order)}, nil
}

func rereadOf(r store.Reread) *opsv1.Reread {
	return &opsv1.Reread{
		Id: r.ID.String(), Pipeline: r.Pipeline, FromSeq: int64(r.From), ToSeq: int64(r.To), ReadSeq: int64(r.Read), Known: r.Known,
		Accepted: r.Accepted, Done: r.Done, Error: r.Error, OrderedAt: timestamppb.New(r.OrderedAt),
	}
}
