package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"

	"github.com/goccy/go-yaml"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// Role says what a caller may do; each includes those before it.
type Role string

// The roles.
const (
	// RoleViewer may read.
	RoleViewer Role = "viewer"
	// RoleOperator may also replay, discard, decide, read again, resume and have everything looked at.
	RoleOperator Role = "operator"
	// RoleAdmin may also apply definitions.
	RoleAdmin Role = "admin"
)

var ranks = map[Role]int{RoleViewer: 1, RoleOperator: 2, RoleAdmin: 3}

// needs is what each call asks for. A call that is not here is refused to everybody.
var needs = map[string]Role{
	opsv1.OpsService_GetStatus_FullMethodName:            RoleViewer,
	opsv1.OpsService_GetBalance_FullMethodName:           RoleViewer,
	opsv1.OpsService_ListPipelines_FullMethodName:        RoleViewer,
	opsv1.OpsService_GetPipeline_FullMethodName:          RoleViewer,
	opsv1.OpsService_ListDeadLetters_FullMethodName:      RoleViewer,
	opsv1.OpsService_GetDeadLetter_FullMethodName:        RoleViewer,
	opsv1.OpsService_ListDeadLetterGroups_FullMethodName: RoleViewer,
	opsv1.OpsService_ListRecords_FullMethodName:          RoleViewer,
	opsv1.OpsService_ReplayDeadLetters_FullMethodName:    RoleOperator,
	opsv1.OpsService_DiscardDeadLetters_FullMethodName:   RoleOperator,
	opsv1.OpsService_ResumePipeline_FullMethodName:       RoleOperator,
	opsv1.OpsService_ResolveRecords_FullMethodName:       RoleOperator,
	opsv1.OpsService_RereadRecords_FullMethodName:        RoleOperator,
	opsv1.OpsService_GetReread_FullMethodName:            RoleViewer,
	opsv1.OpsService_Diagnose_FullMethodName:             RoleOperator, // it costs the orgs calls
	opsv1.OpsService_PutPipeline_FullMethodName:          RoleAdmin,
	opsv1.OpsService_ListRevisions_FullMethodName:        RoleViewer,
	opsv1.OpsService_DiffRevisions_FullMethodName:        RoleViewer,
	opsv1.OpsService_RollbackPipeline_FullMethodName:     RoleAdmin,
}

// Caller is who calls: the name of the token, "" where no tokens are configured.
type Caller struct {
	Name string
	Role Role
}

type callerKey struct{}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Tokens are the bearer tokens that may call, by the SHA-256 of the token.
type Tokens struct {
	callers []tokenEntry
}

type tokenEntry struct {
	sum    [sha256.Size]byte
	caller Caller
}

const (
	maxTokensFile  = 1 << 20
	minTokenLength = 16
)

var callerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// LoadTokens reads a tokens file:
//
//	tokens:
//	  - {name: nightly, role: operator, sha256: <64 hexadecimal digits of the token's SHA-256>}
//	  - {name: dashboard, role: viewer, token: <the token itself, at least 16 characters>}
//
// Unknown members, double names and tokens, and an empty list are refused. No error shows a token.
func LoadTokens(path string) (*Tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokens file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokensFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokens file %s: %w", path, err)
	}
	if len(data) > maxTokensFile {
		return nil, fmt.Errorf("tokens file %s is larger than %d bytes", path, maxTokensFile)
	}
	tokens, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("tokens file %s: %w", path, err)
	}
	return tokens, nil
}

func parseTokens(data []byte) (*Tokens, error) {
	var file struct {
		Tokens []struct {
			Name   string `yaml:"name"`
			Role   Role   `yaml:"role"`
			Token  string `yaml:"token"`
			SHA256 string `yaml:"sha256"`
		} `yaml:"tokens"`
	}
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		// The parser's message quotes the file, and with it tokens.
		return nil, errors.New("not valid YAML with one member `tokens`, a list of {name, role, token or sha256}")
	}
	out := &Tokens{}
	names := map[string]bool{}
	for i, t := range file.Tokens {
		where := fmt.Sprintf("token %d", i+1)
		if !callerName.MatchString(t.Name) || names[t.Name] {
			return nil, fmt.Errorf("%s: name must be unique, of 1 to 64 letters, digits and . _ @ -", where)
		}
		names[t.Name] = true
		if ranks[t.Role] == 0 {
			return nil, fmt.Errorf("%s (%s): role must be viewer, operator or admin", where, t.Name)
		}
		entry := tokenEntry{caller: Caller{Name: t.Name, Role: t.Role}}
		switch {
		case (t.Token == "") == (t.SHA256 == ""):
			return nil, fmt.Errorf("%s (%s): give either token or sha256", where, t.Name)
		case t.Token != "":
			if len(t.Token) < minTokenLength {
				return nil, fmt.Errorf("%s (%s): a token has at least %d characters; make one with `openssl rand -hex 32`", where, t.Name, minTokenLength)
			}
			entry.sum = sha256.Sum256([]byte(t.Token))
		default:
			sum, err := hex.DecodeString(t.SHA256)
			if err != nil || len(sum) != sha256.Size {
				return nil, fmt.Errorf("%s (%s): sha256 must be 64 hexadecimal digits", where, t.Name)
			}
			entry.sum = [sha256.Size]byte(sum)
		}
		for _, other := range out.callers {
			if other.sum == entry.sum {
				return nil, fmt.Errorf("%s (%s): the same token as %s", where, t.Name, other.caller.Name)
			}
		}
		out.callers = append(out.callers, entry)
	}
	if len(out.callers) == 0 {
		return nil, errors.New("it lists no token: nobody could call; remove the setting to allow loopback without tokens")
	}
	return out, nil
}

// find compares with every token, in constant time each, so that the answer's time tells nothing of a token.
func (t *Tokens) find(token string) (Caller, bool) {
	sum := sha256.Sum256([]byte(token))
	var (
		found Caller
		ok    bool
	)
	for _, e := range t.callers {
		if subtle.ConstantTimeCompare(sum[:], e.sum[:]) == 1 {
			found, ok = e.caller, true
		}
	}
	return found, ok
}

// authenticate names the caller, or refuses. Without tokens everybody who reaches the port is an admin: [CheckExposure] keeps that
// to this machine.
func (t *Tokens) authenticate(ctx context.Context) (context.Context, error) {
	if t == nil {
		return context.WithValue(ctx, callerKey{}, Caller{Role: RoleAdmin}), nil
	}
	token, err := auth.AuthFromMD(ctx, "bearer")
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "no bearer token: send the header Authorization: Bearer <token>")
	}
	caller, ok := t.find(token)
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "this bearer token is not known here")
	}
	return context.WithValue(ctx, callerKey{}, caller), nil
}

// authorize refuses a call that the caller's role does not allow.
func authorize(ctx context.Context, method string) error {
	need, ok := needs[method]
	if !ok {
		return status.Errorf(codes.PermissionDenied, "%s is open to nobody", method)
	}
	if c := callerOf(ctx); ranks[c.Role] < ranks[need] {
		return status.Errorf(codes.PermissionDenied, "%s needs the role %s, token %s has %s", method, need, c.Name, c.Role)
	}
	return nil
}

// CheckExposure refuses to listen beyond this machine without tokens.
func CheckExposure(address string, tokens *Tokens) error {
	if tokens != nil || address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q can be reached from other machines and there is no tokens file: set BULKHEAD_TOKENS_FILE, or listen on 127.0.0.1", address)
}
