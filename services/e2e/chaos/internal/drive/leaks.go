package drive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// secret is a text that no process may write, and what it is called.
type secret struct {
	name string
	text []byte
}

// secretsOf are those of a run that the instrument knows: the bearer token of ops' API, what the run's configuration keeps in files of
// secrets, and the administrator's password of the database.
func secretsOf(dir string, t history.Target) ([]secret, error) {
	out := []secret{{"the bearer token of ops' API", []byte(t.Token)}}
	files, err := filepath.Glob(filepath.Join(dir, "conf", "*secret*"))
	if err != nil {
		return nil, fmt.Errorf("secrets of the run: %w", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("secrets of the run: %w", err)
		}
		out = append(out, secret{"the secret " + filepath.Base(f), bytes.TrimSpace(text)})
	}
	if u, err := url.Parse(t.AdminDSN); err == nil && u.User != nil {
		if password, set := u.User.Password(); set {
			out = append(out, secret{"the password of the database's administrator", []byte(password)})
		}
	}
	// A text too short would be found by chance.
	return slices.DeleteFunc(out, func(s secret) bool { return len(s.text) < 8 }), nil
}

// session is what a session id of an org looks like: the org's id, an exclamation mark, and the part that is secret.
// https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_understanding_web_server_oauth_flow.htm
var session = regexp.MustCompile(`\b00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?![A-Za-z0-9._]{16,}`)

// maxLogLine bounds what is looked at of one line, longer ones are looked at in pieces.
const maxLogLine = 1 << 20

// leaks looks for secrets in every file below a directory: one text for each secret and file.
func leaks(dir string, secrets []secret) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found, err := leaksOf(path, secrets)
		for _, f := range found {
			out = append(out, fmt.Sprintf("%s stands in %s", f, filepath.Base(path)))
		}
		return err
	})
	return out, err
}

func leaksOf(path string, secrets []secret) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	var found []string
	note := func(name string) {
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	in := bufio.NewReaderSize(f, maxLogLine)
	for {
		line, err := in.ReadSlice('\n')
		for _, s := range secrets {
			if bytes.Contains(line, s.text) {
				note(s.name)
			}
		}
		if bytes.Contains(line, []byte("00D")) && session.Match(line) {
			note("a session id of the org")
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return found, err
		}
	}
}
