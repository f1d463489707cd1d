package simtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
)

// keyPair is the RSA key that every org under a test knows, made once a process because that takes a while.
var keyPair = sync.OnceValue(func() (pair struct{ private, public []byte }) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("simulator: no RSA key: " + err.Error()) // no source of randomness: nothing else would work either
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic("simulator: " + err.Error()) // it marshals every RSA key
	}
	pair.private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	pair.public = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
	return pair
})

// PrivateKey is PEM of an RSA key with which assertions of the JWT bearer flow may be signed. Every org that Start
// started knows it; one that was attached to does not, unless it was started in this process.
func (s *Sim) PrivateKey() []byte { return append([]byte(nil), keyPair().private...) }
