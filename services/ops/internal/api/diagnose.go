package api

import (
	"context"

	"bulkhead/libs/service"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// Diagnose looks at what the installation stands on.
func (s *Service) Diagnose(ctx context.Context, _ *opsv1.DiagnoseRequest) (*opsv1.DiagnoseResponse, error) {
	out := &opsv1.DiagnoseResponse{Version: service.Version()}
	for _, c := range s.c.Diagnosis.Checks(ctx) {
		out.Checks = append(out.Checks, &opsv1.Check{Of: c.Of, Name: c.Name, Result: string(c.Result), Found: c.Found, Fix: c.Fix})
	}
	return out, nil
}
