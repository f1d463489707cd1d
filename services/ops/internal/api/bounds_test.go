package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/letters"
)

func TestBounds(t *testing.T) {
	t.Run("orders that move letters have a bound of their own, every other verb that of a call", func(t *testing.T) {
		moves := map[string]bool{"ReplayDeadLetters": true, "DiscardDeadLetters": true}
		for _, m := range opsv1.OpsService_ServiceDesc.Methods {
			want := CallTimeout
			if moves[m.MethodName] {
				want = OrderTimeout
				delete(moves, m.MethodName)
			}
			began := time.Now()
			info := &grpc.UnaryServerInfo{FullMethod: "/" + opsv1.OpsService_ServiceDesc.ServiceName + "/" + m.MethodName}
			_, err := bounded(t.Context(), nil, info, func(ctx context.Context, _ any) (any, error) {
				deadline, ok := ctx.Deadline()
				if !ok || deadline.Before(began.Add(want)) || deadline.After(time.Now().Add(want)) {
					t.Errorf("%s ends in %s, want %s", m.MethodName, time.Until(deadline), want)
				}
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		if len(moves) > 0 {
			t.Errorf("no such verbs: %v", moves)
		}
	})
	t.Run("an org that does not answer is named before the call ends", func(t *testing.T) {
		if letters.CheckTimeout >= CallTimeout {
			t.Errorf("asking an org may take %s, the call %s", letters.CheckTimeout, CallTimeout)
		}
	})
	t.Run("the reply to an order is sent after the time that the HTTP server gives other replies", func(t *testing.T) {
		door, err := gateway(t.Context(), moved{})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(door)
		server.Config.WriteTimeout = time.Nanosecond // it is over before any reply
		server.Start()
		t.Cleanup(server.Close)
		for _, path := range ordersByHTTP {
			resp, err := http.Post(server.URL+path, "application/json", strings.NewReader("{}")) //nolint:noctx // the server is this test's
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
		if resp, err := http.Get(server.URL + "/v1/status"); err == nil { //nolint:noctx // the same
			resp.Body.Close()
			t.Errorf("a status is answered with %s beyond its time", resp.Status)
		}
	})
}

// moved answers the verbs at once.
type moved struct{ opsv1.OpsServiceClient }

func (moved) ReplayDeadLetters(context.Context, *opsv1.ReplayDeadLettersRequest, ...grpc.CallOption) (*opsv1.ReplayDeadLettersResponse, error) {
	return &opsv1.ReplayDeadLettersResponse{}, nil
}

func (moved) DiscardDeadLetters(context.Context, *opsv1.DiscardDeadLettersRequest, ...grpc.CallOption) (*opsv1.DiscardDeadLettersResponse, error) {
	return &opsv1.DiscardDeadLettersResponse{}, nil
}

func (moved) GetStatus(context.Context, *opsv1.GetStatusRequest, ...grpc.CallOption) (*opsv1.GetStatusResponse, error) {
	return &opsv1.GetStatusResponse{}, nil
}
