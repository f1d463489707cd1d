package drive

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestSecretsAreFoundInLogs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("conf/org-secret", "hunter2-hunter2\n")
	secrets, err := secretsOf(dir, history.Target{Token: "token-of-ops", AdminDSN: "postgres://admin:pass-of-admin@127.0.0.1:1/x"})
	if err != nil {
		t.Fatal(err)
	}
	write("logs/ops-1-1.log", "one\nlogin with token-of-ops, twice token-of-ops\n")
	write("logs/ops-1-2.log", "postgres://admin:[redacted]@127.0.0.1, 00D000000000001AAA is the org\n")
	write("logs/submitter-1-1.log", "secret hunter2-hunter2\nBearer 00D000000000001AAA!AQEAQabcdefghijklmnop.qrst\nand pass-of-admin")
	got, err := leaks(filepath.Join(dir, "logs"), secrets)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the bearer token of ops' API stands in ops-1-1.log",
		"the secret org-secret stands in submitter-1-1.log",
		"a session id of the org stands in submitter-1-1.log",
		"the password of the database's administrator stands in submitter-1-1.log",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Run("a run that wrote no logs was not looked at", func(t *testing.T) {
		if got, err := leaks(filepath.Join(dir, "none"), secrets); err == nil {
			t.Errorf("%v and no error", got)
		}
	})
}
