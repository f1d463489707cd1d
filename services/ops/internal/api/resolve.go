package api

import (
	"context"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/letters"
)

// ResolveRecords decides unresolved records.
func (s *Service) ResolveRecords(ctx context.Context, r *opsv1.ResolveRecordsRequest) (*opsv1.ResolveRecordsResponse, error) {
	done, err := s.c.Letters.Resolve(ctx, letters.Decision{
		IDs: r.GetIds(), Said: r.GetDecision(), SalesforceID: r.GetSalesforceId(), Reason: r.GetReason(), Key: r.GetIdempotencyKey(),
		By: byOf(ctx, r.GetBy()),
	})
	if err != nil {
		return nil, err
	}
	return &opsv1.ResolveRecordsResponse{ActionId: done.ActionID, Resolved: int64(done.Moved), Skipped: int64(done.Skipped), RepeatedRequest: done.Repeated}, nil
}
