package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// InProcess is the HTTP door without a gRPC one behind it: a handler for /v1/ that calls the verbs through the same guards, over no connection. It is for
// who has no network, such as a test that plays days in milliseconds.
func InProcess(ctx context.Context, service *Service, tokens *Tokens, reg prometheus.Registerer, logger *slog.Logger) (http.Handler, error) {
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	calls := &direct{service: service, around: chain(interceptors(tokens, metrics, logger)), methods: map[string]grpc.MethodDesc{}}
	for _, m := range opsv1.OpsService_ServiceDesc.Methods {
		calls.methods[m.MethodName] = m
	}
	return gateway(ctx, opsv1.NewOpsServiceClient(calls))
}

// direct calls verbs as a server would that a connection leads to.
type direct struct {
	service *Service
	around  grpc.UnaryServerInterceptor
	methods map[string]grpc.MethodDesc
}

var _ grpc.ClientConnInterface = (*direct)(nil)

// Invoke calls one verb. Request and reply are copied, as the wire does: neither side keeps what is the other's.
func (d *direct) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	m, ok := d.methods[method[strings.LastIndexByte(method, '/')+1:]]
	if !ok {
		return status.Errorf(codes.Unimplemented, "there is no verb %s", method)
	}
	sent, _ := metadata.FromOutgoingContext(ctx)
	decode := func(into any) error { return copyMessage(into, request) }
	got, err := m.Handler(d.service, metadata.NewIncomingContext(ctx, sent.Copy()), decode, d.around)
	if err != nil {
		if _, ok := status.FromError(err); ok {
			return err
		}
		return status.FromContextError(err).Err() // Unknown, unless the caller's time was over
	}
	return copyMessage(reply, got)
}

// NewStream refuses: no verb is a stream.
func (d *direct) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Errorf(codes.Unimplemented, "%s is no stream", method)
}

func copyMessage(into, from any) error {
	to, ok := into.(proto.Message)
	source, also := from.(proto.Message)
	if !ok || !also {
		return status.Error(codes.Internal, fmt.Sprintf("%T and %T are not both messages", into, from))
	}
	proto.Reset(to)
	proto.Merge(to, source)
	return nil
}

// chain makes one interceptor of many, the first one outermost.
func chain(all []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		next := handler
		for i := len(all) - 1; i >= 0; i-- {
			inner, around := next, all[i]
			next = func(ctx context.Context, request any) (any, error) { return around(ctx, request, info, inner) }
		}
		return next(ctx, request)
	}
}
