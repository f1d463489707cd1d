package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)

// Guard lets callers through to an HTTP handler that stands beside the gateway as the gRPC door would: a known token whose role is at least need. A
// panic of the handler is answered and logged.
func Guard(tokens *Tokens, need Role, logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the sign, as net/http compares it
				panic(p)
			}
			logger.ErrorContext(r.Context(), "call panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			panic(http.ErrAbortHandler) // the reply may have begun: it must not look whole
		}()
		ctx := metadata.NewIncomingContext(r.Context(), metadata.Pairs("authorization", r.Header.Get("Authorization")))
		ctx, err := tokens.authenticate(ctx)
		if err == nil {
			if c := callerOf(ctx); ranks[c.Role] < ranks[need] {
				err = status.Errorf(codes.PermissionDenied, "%s needs the role %s, token %s has %s", r.URL.Path, need, c.Name, c.Role)
			}
		}
		if err != nil {
			refuse(w, status.Code(err), status.Convert(err).Message())
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Refuse answers an HTTP call in the gateway's form, {code, message, details}, so that a caller needs one way to read refusals.
func Refuse(w http.ResponseWriter, httpStatus int, message string) {
	code := map[int]codes.Code{
		http.StatusBadRequest: codes.InvalidArgument, http.StatusNotFound: codes.NotFound, http.StatusTooManyRequests: codes.ResourceExhausted,
		http.StatusServiceUnavailable: codes.Unavailable,
	}[httpStatus]
	if code == codes.OK {
		code = codes.Internal
	}
	refuse(w, code, message)
}

func refuse(w http.ResponseWriter, code codes.Code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(runtime.HTTPStatusFromCode(code))
	_ = json.NewEncoder(w).Encode(map[string]any{"code": int(code), "message": message, "details": []any{}})
}
