package salesforce

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"bulkhead/libs/record"
)

const (
	// jwtGrantType names the JWT bearer flow (RFC 7523).
	jwtGrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	// assertionAge is how long an assertion is good. Salesforce takes at most five minutes by its own clock; it is used at once.
	assertionAge = 3 * time.Minute
	// minKeyBits is the shortest RSA key that is still good for signatures.
	minKeyBits = 2048
	// maxSecretBytes is far above any consumer secret, maxKeyBytes above a private key with the certificates that tools export beside it; more
	// is a wrong file.
	maxSecretBytes = 4096
	maxKeyBytes    = 64 << 10
)

// byKey says whether logins are by JWT bearer, and not by client credentials.
func (c *Config) byKey() bool { return c.PrivateKey != nil }

// credentialProblems are what is wrong with the choice of a flow.
func (c *Config) credentialProblems() []error {
	var problems []error
	if c.ClientSecret == nil && c.PrivateKey == nil {
		problems = append(problems, errors.New("client secret is missing: give the file or the environment variable that holds it, or a private key and a username"))
	}
	if c.ClientSecret != nil && c.PrivateKey != nil {
		problems = append(problems, errors.New("both a client secret and a private key are given: leave one out, they belong to different ways of logging in"))
	}
	named := strings.TrimSpace(c.Username) != ""
	if c.PrivateKey != nil && !named {
		problems = append(problems, errors.New("username is empty: a login by private key needs the user to act as"))
	}
	if c.PrivateKey == nil && named {
		problems = append(problems, fmt.Errorf("username %q is given without a private key: client credentials act as the run-as user of the app", clip(c.Username, maxNameRunes)))
	}
	return problems
}

// grant is the token request of one login; the secret or key is asked for each time. Its failure means that nothing was sent.
func (c *Client) grant() (clientcredentials.Config, error) {
	flow := clientcredentials.Config{
		TokenURL:  c.login.String() + tokenPath,
		AuthStyle: oauth2.AuthStyleInParams, // in the body: Salesforce takes both, and probing would double each failure
	}
	if c.cfg.byKey() {
		assertion, err := c.assertion()
		if err != nil {
			return flow, noCredentials("NO_KEY", err)
		}
		// The library lets the grant type be replaced; with no client id the body holds these two and nothing else.
		flow.EndpointParams = url.Values{"grant_type": {jwtGrantType}, "assertion": {assertion}}
		return flow, nil
	}
	secret, err := c.clientSecret()
	if err != nil {
		return flow, noCredentials("NO_SECRET", err)
	}
	flow.ClientID, flow.ClientSecret = c.cfg.ClientID, secret.value()
	return flow, nil
}

// noCredentials is a login that was not tried for want of what it takes.
func noCredentials(code string, err error) error {
	return &Error{Endpoint: "POST " + tokenRoute, Class: record.ClassAuth, Code: code, Message: clip(err.Error(), maxMessageRunes)}
}

// clientSecret asks for the secret. Secrets from files often end in a line break, which is never part of one.
func (c *Client) clientSecret() (secret, error) {
	text, err := c.cfg.ClientSecret()
	if err != nil {
		return secret{}, fmt.Errorf("client secret: %w", err)
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" || len(text) > maxSecretBytes {
		return secret{}, errors.New("client secret is empty or too long: check its file or variable")
	}
	return newSecret(text), nil
}

// assertion is what a login by key sends: who asks (iss), for which user (sub), of whom (aud), and until when (exp), signed.
//
// The audience is the login host, which is right on the shared hosts as well as on the org's own domain. Its end is reckoned by the org's clock
// where a reply has told it: the org judges by that, and a wrong clock on our side would make every login fail.
func (c *Client) assertion() (string, error) {
	text, err := c.cfg.PrivateKey()
	if err != nil {
		return "", fmt.Errorf("private key: %w", err)
	}
	key, err := parsePrivateKey(text)
	if err != nil {
		return "", fmt.Errorf("private key: %w", err)
	}
	ahead, _ := c.Skew()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": c.cfg.ClientID, "sub": c.cfg.Username, "aud": c.login.String(),
		"exp": c.cfg.Now().Add(ahead + assertionAge).Unix(),
	}).SignedString(key)
	if err != nil {
		return "", errors.New("private key: it cannot sign: make a new key and certificate")
	}
	return signed, nil
}

// parsePrivateKey reads the first private key of a PEM file. Its errors repeat nothing of the file but the names of what it holds.
func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	if len(text) > maxKeyBytes {
		return nil, fmt.Errorf("more than %d bytes: check its file", maxKeyBytes)
	}
	var others []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, errors.New("it is protected by a passphrase: store it without one, readable by the service alone (openssl pkey -in key.pem -out plain.pem)")
		case block.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			return nil, errors.New("it is an elliptic curve key: Salesforce takes RS256 alone, make an RSA key")
		default:
			others = append(others, clip(block.Type, maxNameRunes))
			continue
		}
		if err != nil {
			return nil, errors.New("it is damaged: copy the file again, line breaks included")
		}
		return usableKey(key)
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("the file holds no private key but %s: give the key that belongs to the certificate", strings.Join(others[:min(len(others), 3)], ", "))
	}
	return nil, errors.New(`no PEM in it: give the file that begins with "-----BEGIN PRIVATE KEY-----"`)
}

func usableKey(key any) (*rsa.PrivateKey, error) {
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is no RSA key: Salesforce takes RS256 alone")
	}
	if bits := k.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("it has %d bits, at least %d are needed", bits, minKeyBits)
	}
	return k, nil
}
