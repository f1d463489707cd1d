package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

func TestKey(t *testing.T) {
	org := func(path string) *pipeline.Org {
		return &pipeline.Org{Name: "main", Auth: pipeline.AuthJWT, LoginURL: "https://acme.my.salesforce.com", ClientID: "app", PrivateKeyFile: path, Username: "loader@example.com"}
	}
	file := func(t *testing.T, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	t.Run("makes a configuration that the client takes, without a secret", func(t *testing.T) {
		config := ConfigOf(org(file(t, "key", 0o600)))
		if config.ClientSecret != nil || config.Username != "loader@example.com" {
			t.Errorf("%+v", config)
		}
		if _, err := salesforce.New(config); err != nil {
			t.Error(err)
		}
	})
	t.Run("is read anew at each login, so that a changed one is picked up", func(t *testing.T) {
		path := file(t, "old", 0o600)
		ask := ConfigOf(org(path)).PrivateKey
		for _, want := range []string{"old", "new"} {
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := ask(); err != nil || string(got) != want {
				t.Fatalf("%q, %v", got, err)
			}
		}
	})
	t.Run("may be read by its group, as mounted secrets are", func(t *testing.T) {
		for _, mode := range []os.FileMode{0o400, 0o440, 0o600, 0o640} {
			if _, err := ConfigOf(org(file(t, "s3cret", mode))).PrivateKey(); err != nil {
				t.Errorf("%04o: %v", mode, err)
			}
		}
	})
	t.Run("is refused with the place to look at, and never repeated", func(t *testing.T) {
		for name, bad := range map[string]struct{ path, want string }{
			"read by all":          {file(t, "s3cret", 0o644), "0644"},
			"written by its group": {file(t, "s3cret", 0o660), "chmod"},
			"absent":               {filepath.Join(t.TempDir(), "none"), "none"},
			"empty":                {file(t, "", 0o600), "empty"},
			"too large":            {file(t, strings.Repeat("s3cret", maxSecret), 0o600), "larger"},
			"a directory":          {t.TempDir(), "no plain file"},
		} {
			got, err := ConfigOf(org(bad.path)).PrivateKey()
			if err == nil || got != nil {
				t.Errorf("%s: it was taken", name)
				continue
			}
			for _, want := range []string{"org main", "privateKeyFile", bad.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not say %q", name, err, want)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the key is in %q", name, err)
			}
		}
	})
}
