package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// TestTheSuiteElsewhere runs the whole suite as somebody does who points it at an org of theirs: as a process of its own,
// by the environment alone, against a simulator with queue and speed limit of which it knows no more than of a sandbox.
// The second run finds what the first has left behind.
func TestTheSuiteElsewhere(t *testing.T) {
	if os.Getenv(envURL) != "" {
		t.Skip("left out: it is this very run, against the org that " + envURL + " names")
	}
	t.Parallel()
	sim := simtest.Start(t, simtest.Model(model), simtest.Speed(50*time.Millisecond, 20_000))
	dir := t.TempDir()
	secret, key := filepath.Join(dir, "secret"), filepath.Join(dir, "key.pem")
	for name, content := range map[string][]byte{secret: []byte(sim.Secret + "\n"), key: sim.PrivateKey()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ does, secretFile string }{
		{"an empty org passes, with a secret and a key", secret},
		{"an org that has been used passes, with a key alone", ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			suite := exec.CommandContext(ctx, os.Args[0], "-test.v", "-test.timeout="+patience.String())
			suite.Env = append(os.Environ(), envURL+"="+sim.URL+"/", envClientID+"="+sim.ClientID, envSecretFile+"="+tc.secretFile,
				envKeyFile+"="+key, envUsername+"="+sim.Username)
			said, err := suite.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, failures(string(said)))
			}
			// What was left out says so and why.
			if skips := strings.Count(string(said), "--- SKIP"); skips == 0 || skips != strings.Count(string(said), "left out: ") {
				t.Errorf("%d tests were left out, %d say so", skips, strings.Count(string(said), "left out: "))
			}
		})
	}
}

// failures is what a run of tests said about those that failed.
func failures(said string) string {
	var out []string
	for _, l := range strings.Split(said, "\n") {
		if s := strings.TrimSpace(l); s != "" && !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- PASS") && !strings.HasPrefix(s, "--- SKIP") && !strings.Contains(s, "left out: ") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}
