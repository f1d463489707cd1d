package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/letters"
)

func TestTokensFile(t *testing.T) {
	t.Run("is refused when it cannot be meant, and no error shows a token", func(t *testing.T) {
		const secret = "very-secret-token-1"
		for name, text := range map[string]string{
			"an empty file":         "",
			"no tokens":             "tokens: []",
			"an unknown member":     "tokens:\n  - {name: a, role: viewer, token: " + secret + ", colour: red}",
			"no YAML":               "tokens: {{" + secret,
			"an unknown role":       "tokens:\n  - {name: a, role: king, token: " + secret + "}",
			"no name":               "tokens:\n  - {role: viewer, token: " + secret + "}",
			"a name twice":          "tokens:\n  - {name: a, role: viewer, token: " + secret + "}\n  - {name: a, role: viewer, token: another-secret-2}",
			"a token twice":         "tokens:\n  - {name: a, role: viewer, token: " + secret + "}\n  - {name: b, role: viewer, token: " + secret + "}",
			"a short token":         "tokens:\n  - {name: a, role: viewer, token: short}",
			"token and digest":      "tokens:\n  - {name: a, role: viewer, token: " + secret + ", sha256: abc}",
			"neither":               "tokens:\n  - {name: a, role: viewer}",
			"a digest that is none": "tokens:\n  - {name: a, role: viewer, sha256: abc}",
		} {
			path := filepath.Join(t.TempDir(), "tokens.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadTokens(path)
			if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("that is not there is an error with its path", func(t *testing.T) {
		if _, err := LoadTokens("/nowhere/tokens.yaml"); err == nil || !strings.Contains(err.Error(), "/nowhere/tokens.yaml") {
			t.Errorf("error %v", err)
		}
	})
}

func TestEveryCallHasARole(t *testing.T) {
	for _, m := range opsv1.OpsService_ServiceDesc.Methods {
		name := "/" + opsv1.OpsService_ServiceDesc.ServiceName + "/" + m.MethodName
		if ranks[needs[name]] == 0 {
			t.Errorf("%s is open to nobody: give it a role", name)
		}
	}
	if err := authorize(context.WithValue(t.Context(), callerKey{}, Caller{Role: RoleAdmin}), "/bulkhead.ops.v1.OpsService/New"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("an unknown call: %v", err)
	}
}

func TestExposure(t *testing.T) {
	for address, open := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "10.0.0.1:1": false, "example.org:1": false, "nonsense": false,
	} {
		if err := CheckExposure(address, nil); (err == nil) != open {
			t.Errorf("%q without tokens: %v", address, err)
		}
		if err := CheckExposure(address, &Tokens{}); err != nil {
			t.Errorf("%q with tokens: %v", address, err)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{&definitions.InvalidError{Err: errors.New("x")}, codes.InvalidArgument},
		{&definitions.ConflictError{Reason: "x"}, codes.FailedPrecondition},
		{&letters.InvalidError{Problem: "x"}, codes.InvalidArgument},
		{fmt.Errorf("wrapped: %w", &letters.RefusedError{Reason: "x"}), codes.FailedPrecondition},
		{&letters.NothingError{What: "x"}, codes.NotFound},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{&pgconn.PgError{Code: "57P01"}, codes.Unavailable},
		{&pgconn.PgError{Code: "42P01"}, codes.Internal},
		{errors.New("secret detail"), codes.Internal},
		{status.Error(codes.NotFound, "kept"), codes.NotFound},
	} {
		got := statusOf(c.err)
		if status.Code(got) != c.want {
			t.Errorf("%v gives %s, want %s", c.err, status.Code(got), c.want)
		}
		if status.Code(got) == codes.Internal && strings.Contains(got.Error(), "secret") {
			t.Errorf("the text of %v reaches the caller", c.err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]string{"0.0.0.0:7": "127.0.0.1:7", "[::]:7": "127.0.0.1:7", "127.0.0.1:7": "127.0.0.1:7", "10.1.1.1:7": "10.1.1.1:7"} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := loopback(a); got != want {
			t.Errorf("%s by %s, want %s", in, got, want)
		}
	}
}

func TestPageToken(t *testing.T) {
	for _, token := range []string{"x", "AAAA", "%%%", strings.Repeat("A", 5000)} {
		if _, err := parsePage(token); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%.10q: %v", token, err)
		}
	}
}
