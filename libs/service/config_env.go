package service

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxSecret bounds a file that holds one value.
const maxSecret = 64 << 10

// fromEnvironment overrules the fields of a struct, and of the structs in it, by the variables that their tags name.
func fromEnvironment(v reflect.Value) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if !field.IsExported() {
			continue
		}
		name := field.Tag.Get("env")
		if name == "" {
			if value.Kind() == reflect.Struct && !isLeaf(value.Type()) {
				if err := fromEnvironment(value); err != nil {
					return err
				}
			}
			continue
		}
		text, from, err := variable(name)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if err := setText(value, text, field.Tag.Get("check")); err != nil {
			return fmt.Errorf("environment variable %s: %w", from, err)
		}
	}
	return nil
}

// variable reads NAME, or the file that NAME_FILE names, and says which. An empty variable counts as absent.
func variable(name string) (text, from string, err error) {
	direct, file := os.Getenv(name), os.Getenv(name+"_FILE")
	switch {
	case direct != "" && file != "":
		return "", "", fmt.Errorf("both environment variables %s and %s_FILE are set; keep one", name, name)
	case file == "":
		return direct, name, nil
	}
	data, err := readBounded(file, maxSecret)
	if err != nil {
		return "", "", fmt.Errorf("environment variable %s_FILE: %w", name, err)
	}
	text = strings.TrimRight(string(data), "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", "", fmt.Errorf("environment variable %s_FILE: %s is empty", name, file)
	}
	return text, name + "_FILE", nil
}

// setText puts the text into a field, by its kind. It never repeats the text in an error: it may be a secret.
func setText(v reflect.Value, text, tag string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if u.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("not a %s", v.Type())
		}
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return errors.New("not a duration such as 30s or 5m: the units are ms, s, m and h")
		case d < 0:
			return errors.New("below zero")
		case d == 0 && tag == positive:
			return errZero
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("neither true nor false")
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		switch {
		case err != nil || !wholeNumber.MatchString(text):
			return errors.New("not a whole number in plain digits that fits")
		case n == 0 && tag == positive:
			return errZero
		}
		v.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("not a number")
		}
		v.SetFloat(x)
	default:
		return fmt.Errorf("a field of type %s cannot come from the environment", v.Type())
	}
	return nil
}
