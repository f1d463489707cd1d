package allinone

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/services/bulkhead/internal/shipped"
)

// maxDefinitions bounds a directory of definitions: one that holds more is probably the wrong one.
const maxDefinitions = 1000

// DefinitionError names the file that is not valid.
type DefinitionError struct {
	File string
	Err  error
}

func (e *DefinitionError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *DefinitionError) Unwrap() error { return e.Err }

// readDefinitions reads and checks every *.yaml and *.yml of a directory (empty = the shipped ones) and returns the texts and
// the pipelines' names.
func readDefinitions(dir string) (texts [][]byte, names []string, err error) {
	if dir == "" {
		if texts, err = shipped.Pipelines(); err != nil {
			return nil, nil, err
		}
		for i, text := range texts {
			def, _, err := pipeline.ParseDefinition(text)
			if err != nil {
				return nil, nil, &DefinitionError{File: fmt.Sprintf("shipped definition %d", i+1), Err: err}
			}
			names = append(names, def.Name)
		}
		return texts, names, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, &DefinitionError{File: dir, Err: err}
	}
	seen := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") && !strings.HasSuffix(e.Name(), ".yml") {
			continue
		}
		file := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, &DefinitionError{File: file, Err: err}
		}
		def, _, err := pipeline.ParseDefinition(text)
		if err != nil {
			return nil, nil, &DefinitionError{File: file, Err: err}
		}
		if other, twice := seen[def.Name]; twice {
			return nil, nil, &DefinitionError{File: file, Err: fmt.Errorf("pipeline %q is defined in %s already", def.Name, other)}
		}
		seen[def.Name] = file
		texts, names = append(texts, text), append(names, def.Name)
		if len(texts) > maxDefinitions {
			return nil, nil, &DefinitionError{File: dir, Err: fmt.Errorf("more than %d definitions", maxDefinitions)}
		}
	}
	if len(texts) == 0 {
		return nil, nil, &DefinitionError{File: dir, Err: fmt.Errorf("no *.yaml in it: give a directory with pipeline definitions")}
	}
	sort.Strings(names)
	return texts, names, nil
}
