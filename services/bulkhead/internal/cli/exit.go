package cli

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	"bulkhead/services/bulkhead/internal/opsclient"
)

// Exit codes: one table for all commands.
const (
	ExitDone        = 0   // done, nothing needs a person
	ExitFailed      = 1   // failed, or a balance that does not add up
	ExitUsage       = 2   // usage or configuration
	ExitPartly      = 3   // done in part: something is dead, unresolved or still open
	ExitNothing     = 4   // nothing matched
	ExitRefused     = 5   // refused by policy
	ExitUnreachable = 6   // cannot reach NATS, ops or PostgreSQL
	ExitInterrupted = 130 // Ctrl-C or SIGTERM before the work was done
)

// exitError carries the exit code that belongs to an error. A nil err prints nothing: the output has said it already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code: code, err: err} }

func usage(err error) error { return exit(ExitUsage, err) }

// codeOf is the one place where an error becomes an exit code.
func codeOf(err error) int {
	var (
		ee *exitError
		ue *opsclient.UnreachableError
		oe *opsclient.Error
	)
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &ee):
		return ee.code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &ue), errors.Is(err, context.DeadlineExceeded):
		return ExitUnreachable
	case errors.As(err, &oe):
		switch oe.Code {
		case codes.InvalidArgument, codes.Unauthenticated:
			return ExitUsage
		case codes.NotFound:
			return ExitNothing
		case codes.FailedPrecondition, codes.PermissionDenied, codes.Aborted, codes.AlreadyExists:
			return ExitRefused
		case codes.Unavailable, codes.DeadlineExceeded:
			return ExitUnreachable
		default:
			return ExitFailed
		}
	default:
		return ExitFailed
	}
}
