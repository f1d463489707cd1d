package rest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// minKeyBits is the shortest RSA key that RFC 7518 allows for RS256.
const minKeyBits = 2048

// ParseKey reads the key with which the org checks JWT assertions: PEM of a certificate, as it is uploaded to a
// connected app, or of a public key alone.
func ParseKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is no PEM; give a certificate or a public key")
	}
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("it is PEM of a %s; give a certificate or a public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", block.Type, err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("its key is a %T; Salesforce takes RSA keys only", key)
	}
	if n := public.N.BitLen(); n < minKeyBits {
		return nil, fmt.Errorf("its RSA key has %d bits; give one of %d or more", n, minKeyBits)
	}
	return public, nil
}
