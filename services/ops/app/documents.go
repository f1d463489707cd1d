package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"bulkhead/services/ops/internal/definitions"
)

// documents reads every *.yaml and *.yml of a directory, in the order of their names, and adds what was given directly. Two documents of one
// name are refused: each start would make the one a new revision of the other.
func documents(dir string, more [][]byte) ([]string, error) {
	var out, places []string
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("documents to apply: %w", err)
		}
		for _, e := range entries {
			if ext := strings.ToLower(filepath.Ext(e.Name())); e.IsDir() || (ext != ".yaml" && ext != ".yml") {
				continue
			}
			path := filepath.Join(dir, e.Name())
			info, err := os.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("documents to apply: %w", err)
			}
			if info.Size() > definitions.MaxYAML {
				return nil, fmt.Errorf("documents to apply: %s has more than %d bytes", path, definitions.MaxYAML)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("documents to apply: %w", err)
			}
			out, places = append(out, string(text)), append(places, path)
		}
	}
	for i, text := range more {
		out, places = append(out, string(text)), append(places, fmt.Sprintf("document %d", i+1))
	}
	return out, checkNames(out, places)
}

func checkNames(texts, places []string) error {
	seen := map[string]string{}
	for i, text := range texts {
		var doc struct {
			Name string `yaml:"name"`
		}
		if yaml.Unmarshal([]byte(text), &doc) != nil || doc.Name == "" {
			continue // whoever applies it says what is wrong with it
		}
		if first, twice := seen[doc.Name]; twice {
			return fmt.Errorf("documents to apply: %s and %s both are named %s: give one of them another name, or take it away", first, places[i], doc.Name)
		}
		seen[doc.Name] = places[i]
	}
	return nil
}
