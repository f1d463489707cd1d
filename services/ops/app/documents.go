package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bulkhead/services/ops/internal/definitions"
)

// documents reads every *.yaml and *.yml of a directory, in the order of their names, and adds what was given directly.
func documents(dir string, more [][]byte) ([]string, error) {
	var out []string
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
			out = append(out, string(text))
		}
	}
	for _, text := range more {
		out = append(out, string(text))
	}
	return out, nil
}
