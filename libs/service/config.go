package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxConfig bounds a configuration file; ours have a few kilobytes.
const maxConfig = 1 << 20

// LoadConfig fills a struct: what it holds already are the defaults, then comes the YAML (or JSON) file (path "" = none), then
// environment variables. Unknown and repeated keys are refused, all of them in one error, each with its line. A field's `env`
// tag names its variable; the same name with _FILE added names a file that holds the value, which is how secrets come in.
// Numbers are whole and in plain digits, durations have a unit, words that could be truth values stand in quotes, and a field
// with the tag `check:"positive"` cannot be written as zero. Nothing is replaced: ${NAME} is refused.
// Values are never repeated in an error about the environment.
func LoadConfig(path string, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return errors.New("configuration: LoadConfig wants a pointer to a struct")
	}
	if path != "" {
		data, err := readBounded(path, maxConfig)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		if err := decodeConfig(path, data, into); err != nil {
			return err
		}
	}
	return fromEnvironment(v.Elem())
}

// decodeConfig is LoadConfig without the environment, on the text of a file; name is what errors call it.
func decodeConfig(name string, data []byte, into any) (err error) {
	defer func() {
		if v := recover(); v != nil { // the YAML package panics on some malformed documents
			err = fmt.Errorf("configuration %s: not readable as YAML (%v)", name, v)
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return fmt.Errorf("configuration %s: %s", name, yaml.FormatError(err, false, false))
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			return fmt.Errorf("configuration %s:%d: a second document; put everything in one", name, lineOf(doc.Body))
		}
		body = doc.Body
	}
	if body == nil {
		return nil
	}
	var found []error
	checkKeys(name, body, reflect.TypeOf(into).Elem(), &found)
	if len(found) > 0 {
		return fmt.Errorf("configuration: %w", errors.Join(found...))
	}
	if err := yaml.NodeToValue(body, into); err != nil {
		return fmt.Errorf("configuration %s: %s", name, yaml.FormatError(err, false, false))
	}
	return nil
}

// readBounded reads a file that must not be larger than limit.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}
