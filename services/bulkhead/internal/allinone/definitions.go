package allinone

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/services/bulkhead/internal/shipped"
)

// maxDefinitions bounds a directory of definitions: one that holds more is probably the wrong one.
const maxDefinitions = 1000

// maxDocument bounds a file in bytes; ops takes none that is larger.
const maxDocument = 256 << 10

// DefinitionError names the file that is not valid.
type DefinitionError struct {
	File string
	Err  error
}

func (e *DefinitionError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *DefinitionError) Unwrap() error { return e.Err }

// document is a definition with its text and where it stands.
type document struct {
	file string
	text []byte
	def  *pipeline.Definition
}

// readDefinitions reads and checks every *.yaml and *.yml of a directory (empty = the shipped ones). It returns the texts, those that others depend on
// first, and the pipelines' names in the order of the alphabet.
func readDefinitions(dir string) (texts [][]byte, names []string, err error) {
	documents, err := readDocuments(dir)
	if err != nil {
		return nil, nil, err
	}
	byName := make(map[string]document, len(documents))
	definitions := make([]*pipeline.Definition, len(documents))
	for i, doc := range documents {
		if other, twice := byName[doc.def.Name]; twice {
			return nil, nil, &DefinitionError{File: doc.file, Err: fmt.Errorf("pipeline %q is defined in %s already", doc.def.Name, other.file)}
		}
		byName[doc.def.Name] = doc
		definitions[i] = doc.def
	}
	sorted, err := pipeline.InOrder(definitions)
	if cycle, ok := errors.AsType[*pipeline.CycleError](err); ok {
		return nil, nil, &DefinitionError{File: byName[cycle.Names[0]].file, Err: cycle}
	}
	for _, def := range sorted {
		texts, names = append(texts, byName[def.Name].text), append(names, def.Name)
	}
	sort.Strings(names)
	return texts, names, nil
}

func readDocuments(dir string) ([]document, error) {
	if dir == "" {
		texts, err := shipped.Pipelines()
		if err != nil {
			return nil, err
		}
		out := make([]document, len(texts))
		for i, text := range texts {
			if out[i], err = parse(fmt.Sprintf("shipped definition %d", i+1), text); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &DefinitionError{File: dir, Err: err}
	}
	var out []document
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") && !strings.HasSuffix(e.Name(), ".yml") {
			continue
		}
		if len(out) == maxDefinitions {
			return nil, &DefinitionError{File: dir, Err: fmt.Errorf("more than %d definitions", maxDefinitions)}
		}
		file := filepath.Join(dir, e.Name())
		text, err := readBounded(file)
		if err != nil {
			return nil, &DefinitionError{File: file, Err: err}
		}
		doc, err := parse(file, text)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	if len(out) == 0 {
		return nil, &DefinitionError{File: dir, Err: errors.New("no *.yaml in it: give a directory with pipeline definitions")}
	}
	return out, nil
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf("larger than %d bytes: no definition is", maxDocument)
	}
	return text, err
}

func parse(file string, text []byte) (document, error) {
	def, _, err := pipeline.ParseDefinition(text)
	if err != nil {
		return document{}, &DefinitionError{File: file, Err: err}
	}
	return document{file: file, text: text, def: def}, nil
}
