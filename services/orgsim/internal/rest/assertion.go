package rest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

// instant is a claim that names a time. Clients send it as a number or as text, in seconds since 1970, and one sends
// milliseconds, which is a time far ahead.
type instant struct{ time.Time }

// maxInstant keeps what is made of a claim within the times that Go can compare, in seconds since 1970.
const maxInstant = 1 << 50

// UnmarshalJSON reads a number or a text that holds one.
func (i *instant) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || math.IsNaN(seconds) {
		return fmt.Errorf("%.40q is no time in seconds", b)
	}
	i.Time = time.Unix(int64(max(-maxInstant, min(seconds, maxInstant))), 0)
	return nil
}

// claims are what the org looks at in an assertion; iat, nbf and jti mean nothing to it.
type claims struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jwt.ClaimStrings `json:"aud"`
	Expires  *instant         `json:"exp"`
}

// GetExpirationTime returns nil for an assertion without one, which the parser refuses.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) {
	if c.Expires == nil {
		return nil, nil
	}
	return jwt.NewNumericDate(c.Expires.Time), nil
}

// GetIssuedAt returns nil: not looked at.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetNotBefore returns nil: not looked at.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer returns the client id.
func (c *claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject returns the username.
func (c *claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience returns whom the assertion was made for.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.Audience, nil }

var errUnknownClient = errors.New("the issuer is no client of this org")

// assertion lets in the user whom a signed assertion names. It is looked at in the order of what the asker may learn:
// the client, the signature, then the rest. Its end is a time of the asker's, whose clock does not move with the org's.
func (ex *exchange) assertion(text string) (tokenReply, error) {
	var c claims
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(ex.s.Clock.Unmoved))
	_, err := parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) {
		if c.Issuer != ex.s.ClientID {
			return nil, errUnknownClient
		}
		keys := jwt.VerificationKeySet{}
		for _, k := range ex.s.Keys {
			keys.Keys = append(keys.Keys, k)
		}
		return keys, nil
	})
	switch {
	case errors.Is(err, errUnknownClient):
		return tokenReply{}, refuseToken("invalid_client_id", "client identifier invalid")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return tokenReply{}, refuseGrant("invalid signature")
	case err != nil:
		return tokenReply{}, refuseGrant("invalid assertion")
	case !slices.ContainsFunc(c.Audience, ex.isAudience):
		return tokenReply{}, refuseGrant("invalid audience")
	}
	who, known := ex.s.Store.User(c.Subject)
	switch {
	case !known, sfid.Valid(c.Subject), who.Approval == org.NotApproved:
		return tokenReply{}, refuseGrant("user hasn't approved this consumer")
	case who.Approval == org.NotAdminApproved:
		return tokenReply{}, refuseGrant("user is not admin approved")
	case !who.Active:
		return tokenReply{}, refuseGrant("user is inactive")
	}
	reply := ex.issue(who, "")
	reply.Signature, reply.IssuedAt = "", "" // not part of this flow's body
	return reply, nil
}

// isAudience says whether an assertion made for aud is meant for this org: named by its own URL, or by one of the hosts
// that all orgs share.
func (ex *exchange) isAudience(aud string) bool {
	switch aud = strings.TrimSuffix(aud, "/"); aud {
	case "https://login.salesforce.com", "https://test.salesforce.com":
		return true
	default:
		return strings.EqualFold(aud, ex.baseURL())
	}
}
