package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestTheCommandServesUntilItIsTold(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--client-id", "me", "--client-secret-file", secret, "--org-seed", "3"}, in, &stderr)
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready map[string]string
	if err := json.Unmarshal(line, &ready); err != nil || ready["endpoint"] != "simulator" {
		t.Fatalf("got %s, %v", line, err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"me"}, "client_secret": {"hush"}}
	res, err := http.PostForm(ready["url"]+"/services/oauth2/token", form)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", res, err)
	}
	_ = res.Body.Close()
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, stderr.String())
	}
	if strings.Contains(stderr.String()+string(line), "hush") {
		t.Error("the secret was printed")
	}
}

func TestWrongUseIsExitCode2(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, _, _ := simtest.Certificate(t)
	_, key, _ := simtest.Certificate(t)
	for _, tc := range []struct {
		does string
		args []string
		code int
		part string
	}{
		{"a certificate without a key", []string{"--tls-cert", cert}, 2, "--tls-cert needs --tls-key"},
		{"a key file that TLS cannot read", []string{"--tls-cert", cert, "--tls-key", key + ".none"}, 2, "--tls-key: open"},
		{"the key of another certificate", []string{"--tls-cert", cert, "--tls-key", key}, 2, "are no pair"},
		{"an unknown flag", []string{"--nope"}, 2, "nope"},
		{"an argument", []string{"serve"}, 2, "serve"},
		{"a secret file that is not there", []string{"--client-secret-file", empty + ".none"}, 2, "client-secret-file"},
		{"an empty secret file", []string{"--client-secret-file", empty}, 2, "is empty"},
		{"a key file that is not there", []string{"--jwt-public-key", empty + ".none"}, 2, "jwt-public-key"},
		{"a key file without a key", []string{"--jwt-public-key", empty}, 2, "JWT public key 1: it is no PEM"},
		{"an empty password file", []string{"--password-file", empty}, 2, "is empty"},
		{"a model that is not there", []string{"--model", empty + ".none"}, 2, "no such file"},
		{"a bad address", []string{"--listen", "nowhere"}, 2, "nowhere"},
		{"help is no error", []string{"--help"}, 0, "-listen"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var stderr bytes.Buffer
			if got := run(t.Context(), tc.args, io.Discard, &stderr); got != tc.code || !strings.Contains(stderr.String(), tc.part) {
				t.Errorf("exit code %d: %s", got, stderr.String())
			}
		})
	}
}

// The guide knows the flags of both commands that start an org, and no others.
func TestTheGuideHasEveryFlag(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	var help bytes.Buffer
	run(t.Context(), []string{"--help"}, io.Discard, &help)
	sim, err := os.ReadFile("../bulkhead/internal/cli/testdata/help/bulkhead-sim.txt")
	if err != nil {
		t.Fatal(err)
	}
	all, _, _ := strings.Cut(string(sim), "Global Flags")
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-h, )?--?([a-z][a-z-]+)\b`).FindAllStringSubmatch(help.String()+all, -1) {
		flags[m[1]] = true
	}
	delete(flags, "help")
	rows := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|").FindAllStringSubmatch(string(guide), -1)
	for _, m := range rows {
		if !flags[m[1]] {
			t.Errorf("the guide has --%s, which is no flag", m[1])
		}
		delete(flags, m[1])
	}
	if len(rows) < 8 || len(flags) != 0 {
		t.Errorf("the guide has %d flags, and lacks %v", len(rows), flags)
	}
}
