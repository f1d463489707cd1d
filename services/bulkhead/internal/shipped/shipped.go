// Package shipped embeds the definitions that come with Bulkhead, so that one binary is enough to try it. The files under
// config are a copy of deploy/config, made by `make generate` and compared by `make verify`: change them there.
package shipped

import (
	"embed"
	"fmt"
	"io/fs"
	"path"

	"github.com/goccy/go-yaml"
)

//go:embed config
var files embed.FS

// Pipelines returns the shipped pipeline definitions, one YAML document each, in the order of their file names.
func Pipelines() ([][]byte, error) { return documents("config/pipelines") }

// Org returns the shipped definition of the org `main`.
func Org() ([]byte, error) { return files.ReadFile("config/orgs/main.yaml") }

func documents(dir string) ([][]byte, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("shipped definitions: %w", err)
	}
	var out [][]byte
	for _, e := range entries {
		b, err := files.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("shipped definitions: %w", err)
		}
		out = append(out, b)
	}
	return out, nil
}

// OrgAt returns the shipped org `main` with another login address and a client secret that is read from a file; orgID, if it is not empty, is the id
// that the org must have.
func OrgAt(loginURL, clientID, secretFile, orgID string) ([]byte, error) {
	text, err := Org()
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("shipped org: %w", err)
	}
	doc["loginUrl"], doc["clientId"], doc["clientSecretFile"] = loginURL, clientID, secretFile
	delete(doc, "clientSecretEnv")
	if orgID != "" {
		doc["orgId"] = orgID
	}
	return yaml.Marshal(doc)
}
