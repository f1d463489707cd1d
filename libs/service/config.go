package service

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// LoadConfig fills a struct: what it holds already are the defaults, then comes the YAML file (path "" = none; unknown and
// repeated keys are errors with their line), then environment variables named by the fields' `env` tags. A field that ends in
// `_FILE` by its env name is a path; secrets come that way or by environment and are never printed.
func LoadConfig(path string, into any) error {
	if path != "" {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return fmt.Errorf("configuration: %w", err)
		case info.IsDir():
			return fmt.Errorf("configuration: %s is a directory", path)
		case info.Size() > maxConfig:
			return fmt.Errorf("configuration: %s is larger than %d bytes", path, maxConfig)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
			return fmt.Errorf("configuration %s: %s", path, yaml.FormatError(err, false, true))
		}
	}
	return fromEnvironment(into)
}

func fromEnvironment(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return errors.New("configuration: LoadConfig wants a pointer to a struct")
	}
	v = v.Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("env")
		text, ok := os.LookupEnv(name)
		if name == "" || !ok || text == "" {
			continue
		}
		if err := set(v.Field(i), text); err != nil {
			return fmt.Errorf("environment variable %s: %w", name, err)
		}
	}
	return nil
}

// set never repeats the text in an error: it may be a secret.
func set(f reflect.Value, text string) error {
	switch f.Interface().(type) {
	case string:
		f.SetString(text)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("not a duration such as 30s or 5m")
		}
		f.SetInt(int64(d))
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("neither true nor false")
		}
		f.SetBool(b)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number")
		}
		f.SetInt(int64(n))
	default:
		return fmt.Errorf("a field of type %s cannot come from the environment", f.Type())
	}
	return nil
}
