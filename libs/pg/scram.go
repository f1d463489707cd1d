package pg

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// scramIterations is PostgreSQL's own number for the verifiers that it makes.
const scramIterations = 4096

// scramVerifier is what PostgreSQL stores for a password (RFC 5803's form). Sent in place of the password it keeps the
// text out of the server's log and of pg_stat_statements. The password is printable ASCII, which needs no SASLprep.
func scramVerifier(password string) (string, error) {
	if password == "" {
		return "", errors.New("it is empty")
	}
	for _, c := range []byte(password) {
		if c < ' ' || c > '~' {
			return "", errors.New("it holds a character outside printable ASCII; choose another")
		}
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails, as its documentation says
	return scramVerifierWith(password, salt)
}

func scramVerifierWith(password string, salt []byte) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive the key: %w", err)
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(stored[:]), b64(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
