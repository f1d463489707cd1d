package acceptance

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestRecordsLandThroughALoginByKey walks through the life of a key: it opens the org, it opens it again when the session has ended, and when the
// file holds another key nothing moves and nothing is lost until the right one is back.
func TestRecordsLandThroughALoginByKey(t *testing.T) {
	t.Parallel()
	const n = 20
	s := newStack(t, func(o *inprocess.Options) { o.ByKey = true })
	if s.Sim.Counts()["Contact"].Rows != 0 {
		t.Fatal("the org is not empty")
	}
	landed := func(total int64) {
		t.Helper()
		if b := s.settle("contacts", total); b.Landed != total {
			t.Fatalf("%+v", b)
		}
		if got := s.Sim.Counts()["Contact"].Rows; int64(got) != total {
			t.Errorf("the org holds %d contacts, want %d", got, total)
		}
	}
	s.publish("contacts", "", frame("a", n), true)
	landed(n)

	s.Sim.ExpireTokens()
	s.publish("contacts", "", frame("b", n), true)
	landed(2 * n)

	right, err := os.ReadFile(s.KeyFile)
	s.Must(err)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	s.Must(err)
	s.Must(os.WriteFile(s.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(stranger)}), 0o600))
	s.Sim.ExpireTokens()
	since := s.lastCall()
	s.publish("contacts", "", frame("c", n), true)
	if refused := s.Sim.AwaitCall(since, simtest.Token, true); refused.Status != 400 {
		t.Errorf("a login with a key that the org does not know was answered %d", refused.Status)
	}
	s.Must(os.WriteFile(s.KeyFile, right, 0o600))
	landed(3 * n)

	// A line of its base64, because a log escapes line ends.
	line := string(bytes.Split(right, []byte("\n"))[1])
	for _, secret := range []string{line, "assertion="} {
		if strings.Contains(s.Log.Text(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// lastCall is the number of the newest call of the org.
func (s *stack) lastCall() int64 {
	s.T.Helper()
	var last int64
	for _, c := range s.Sim.Calls(0, "") {
		last = max(last, c.N)
	}
	return last
}
