package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestParseKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curvePublic, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		does string
		text []byte
		part string // of the refusal; "" = it is taken
	}{
		{"reads a certificate", block("CERTIFICATE", certificate), ""},
		{"reads a public key", block("PUBLIC KEY", public), ""},
		{"reads a public key in the older form", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), ""},
		{"refuses what is no PEM", []byte("key"), "no PEM"},
		{"refuses a private key and does not repeat it", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "PEM of a RSA PRIVATE KEY"},
		{"refuses what is broken inside", block("PUBLIC KEY", []byte("x")), "PUBLIC KEY: "},
		{"refuses a broken certificate", block("CERTIFICATE", []byte("x")), "CERTIFICATE: "},
		{"refuses a key that is too short", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&short.PublicKey)), "1024 bits"},
		{"refuses a key of another sort", block("PUBLIC KEY", curvePublic), "RSA keys only"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			got, err := ParseKey(tc.text)
			if tc.part == "" && (err != nil || !got.Equal(&key.PublicKey)) {
				t.Errorf("got %v", err)
			}
			if tc.part != "" && (err == nil || !strings.Contains(err.Error(), tc.part)) {
				t.Errorf("got %v, want %q", err, tc.part)
			}
		})
	}
}
