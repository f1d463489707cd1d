package api

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/letters"
)

// statusOf gives an error of the verbs its code. The text of what is our fault stays in the log.
func statusOf(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if e, ok := errors.AsType[*definitions.InvalidError](err); ok {
		return status.Error(codes.InvalidArgument, e.Error())
	}
	if e, ok := errors.AsType[*definitions.ConflictError](err); ok {
		return status.Error(codes.FailedPrecondition, e.Error())
	}
	if e, ok := errors.AsType[*letters.InvalidError](err); ok {
		return status.Error(codes.InvalidArgument, e.Error())
	}
	if e, ok := errors.AsType[*letters.RefusedError](err); ok {
		return status.Error(codes.FailedPrecondition, e.Error())
	}
	if e, ok := errors.AsType[*letters.UnavailableError](err); ok {
		return status.Error(codes.Unavailable, e.Error())
	}
	if e, ok := errors.AsType[*letters.NothingError](err); ok {
		return status.Error(codes.NotFound, e.Error())
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the caller went away")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "it took too long: ask again, or for less")
	case unreachable(err):
		return status.Error(codes.Unavailable, "PostgreSQL or NATS does not answer: see /readyz and the log of ops")
	}
	return status.Error(codes.Internal, "ops could not do it: see its log for the cause")
}

// unreachable says whether the database or the broker was not there.
func unreachable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Classes 08 (connection), 53 (out of resources) and 57 (the server is being stopped or not ready).
		class := e.Code[:min(2, len(e.Code))]
		return class == "08" || class == "53" || class == "57"
	}
	return errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrDisconnected) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// mapErrors turns the verbs' errors into statuses, and logs those whose text the caller does not get.
func mapErrors(logger *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		reply, err := handler(ctx, request)
		if err == nil {
			return reply, nil
		}
		out := statusOf(err)
		switch status.Code(out) {
		case codes.Internal, codes.Unavailable:
			logger.ErrorContext(ctx, "call failed", "method", info.FullMethod, "error", err)
		default:
		}
		return nil, out
	}
}
