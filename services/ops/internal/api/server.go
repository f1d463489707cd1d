package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// Bounds of a call, whatever its caller allows.
const (
	// CallTimeout bounds a call.
	CallTimeout = 60 * time.Second
	// OrderTimeout bounds an order to replay or discard letters. One by a filter moves as many as the filter matches, in one transaction: a million take about
	// two minutes on a machine with nothing else to do, and several times that on one that is busy.
	OrderTimeout = 15 * time.Minute
	// replyTime is what HTTP allows beyond OrderTimeout for an order's reply.
	replyTime = time.Minute
)

// timeoutOf is the bound of a verb, by its full name in gRPC.
func timeoutOf(method string) time.Duration {
	switch method {
	case opsv1.OpsService_ReplayDeadLetters_FullMethodName, opsv1.OpsService_DiscardDeadLetters_FullMethodName:
		return OrderTimeout
	}
	return CallTimeout
}

// ordersByHTTP are the paths of the verbs whose bound is OrderTimeout.
var ordersByHTTP = []string{"/v1/dead-letters:replay", "/v1/dead-letters:discard"}

// Server is the gRPC door.
type Server struct {
	grpc     *grpc.Server
	listener net.Listener
	done     chan error
}

// Serve listens for gRPC on address (port 0 = a free one) and answers in the background. tokens may be nil: then the address must be of this machine.
func Serve(ctx context.Context, address string, service *Service, tokens *Tokens, reg prometheus.Registerer, logger *slog.Logger) (*Server, error) {
	if err := CheckExposure(address, tokens); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxBody), grpc.MaxSendMsgSize(maxReply),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 15 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.ChainUnaryInterceptor(interceptors(tokens, metrics, logger)...),
	)
	opsv1.RegisterOpsServiceServer(server, service)
	metrics.InitializeMetrics(server)
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{grpc: server, listener: listener, done: make(chan error, 1)}
	go func() { s.done <- server.Serve(listener) }()
	return s, nil
}

func newMetrics(reg prometheus.Registerer) (*grpcprom.ServerMetrics, error) {
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram())
	if err := reg.Register(metrics); err != nil {
		return nil, fmt.Errorf("metrics of the API: %w", err)
	}
	return metrics, nil
}

// interceptors stand around every call, the first one outermost.
func interceptors(tokens *Tokens, metrics *grpcprom.ServerMetrics, logger *slog.Logger) []grpc.UnaryServerInterceptor {
	panics := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		logger.ErrorContext(ctx, "call panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		return status.Error(codes.Internal, "ops could not do it: see its log for the cause")
	})
	return []grpc.UnaryServerInterceptor{
		metrics.UnaryServerInterceptor(),
		logging.UnaryServerInterceptor(logTo(logger), logging.WithLogOnEvents(logging.FinishCall), logging.WithDurationField(logging.DurationToTimeMillisFields)),
		recovery.UnaryServerInterceptor(panics),
		bounded,
		auth.UnaryServerInterceptor(tokens.authenticate),
		allowed,
		validate,
		mapErrors(logger),
		// Once more below what turns errors into statuses: a panic in a verb must not take its lock or its log line with it.
		recovery.UnaryServerInterceptor(panics),
	}
}

// Addr is where it listens: host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Stop lets open calls finish until the deadline of ctx, then cuts them.
func (s *Server) Stop(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		s.grpc.Stop()
		<-stopped
	}
	if err := <-s.done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func bounded(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(info.FullMethod))
	defer cancel()
	return handler(ctx, request)
}

func allowed(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := authorize(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// logTo writes one line per call, at its end: reads at debug, refusals and changes at their level.
func logTo(logger *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, msg string, fields ...any) {
		keys := make([]any, len(fields))
		for i, f := range fields {
			if name, ok := f.(string); ok && i%2 == 0 {
				f = strings.ReplaceAll(name, ".", "_")
			}
			keys[i] = f
		}
		if level == logging.LevelInfo {
			level = logging.LevelDebug
		}
		logger.Log(ctx, slog.Level(level), msg, keys...)
	})
}

// Gateway is the HTTP door: a handler for /v1/, and what closes its connection.
func (s *Server) Gateway(ctx context.Context) (http.Handler, func() error, error) {
	conn, err := grpc.NewClient("passthrough:///"+loopback(s.listener.Addr()),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // to this very process, over the loopback interface
		grpc.WithUnaryInterceptor(sendable),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply), grpc.MaxCallSendMsgSize(maxBody)))
	if err != nil {
		return nil, nil, fmt.Errorf("gateway: %w", err)
	}
	handler, err := gateway(ctx, opsv1.NewOpsServiceClient(conn))
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return handler, conn.Close, nil
}

// gateway turns HTTP requests for /v1/ into calls of a client.
func gateway(ctx context.Context, client opsv1.OpsServiceClient) (http.Handler, error) {
	refuseUnknownParameters()
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, Marshaler{}),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) { return "", false }),
		runtime.WithErrorHandler(httpError),
	)
	if err := opsv1.RegisterOpsServiceHandlerClient(ctx, mux, client); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if slices.Contains(ordersByHTTP, r.URL.Path) {
			// The server bounds every reply by what suits the other verbs. Who has no connection has no such bound.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(OrderTimeout + replyTime))
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// httpError keeps to HTTP's codes where scripts look at them: what policy refuses is 409, not the 400 of what cannot be understood.
func httpError(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if status.Code(err) == codes.FailedPrecondition {
		err = &runtime.HTTPStatusError{HTTPStatus: http.StatusConflict, Err: err}
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, err)
}

// loopback is the address by which this process reaches its own listener.
func loopback(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
