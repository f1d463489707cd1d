package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
)

// newPair is how a pair for tests is made, for those who have none that fits.
const newPair = "a new pair: openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost " +
	"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"

// readTLS reads the certificate and the key of https; nil without them. The errors name the flags --tls-cert and --tls-key,
// which every command has that starts an org.
func readTLS(certFile, keyFile string) (*tls.Config, error) {
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case keyFile == "":
		return nil, errors.New("--tls-cert needs --tls-key, the file of the certificate's private key; leave both out for http")
	case certFile == "":
		return nil, errors.New("--tls-key needs --tls-cert, the file of the key's certificate; leave both out for http")
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s and --tls-key %s are no pair: %w; %s", certFile, keyFile, err, newPair)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		// HTTP/2 carries many calls on one connection: faults could not cut that of one call.
		NextProtos: []string{"http/1.1"},
	}, nil
}
