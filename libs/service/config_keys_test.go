package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type nestedConfig struct {
	DSN   string `yaml:"dsn" env:"BULKHEAD_TEST_NESTED_DSN"`
	Waits struct {
		Missing time.Duration `yaml:"missing"`
		Settle  time.Duration `yaml:"settle" env:"BULKHEAD_TEST_SETTLE"`
	} `yaml:"waits"`
	Lanes  []laneConfig      `yaml:"lanes"`
	Labels map[string]string `yaml:"labels"`
	Since  time.Time         `yaml:"since"`
	Hidden string            `yaml:"-"`
	Shared inlined           `yaml:",inline"`
}

type laneConfig struct {
	Name string `yaml:"name"`
}

type inlined struct {
	Listen string `yaml:"listen"`
}

func TestConfigKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string // each stands in the error
	}{
		"an unknown key names its line and the key that was meant": {"dsn: x\nwaits:\n  mising: 3s\n", []string{`f.yaml:3: unknown key "mising"; did you mean "missing"?`}},
		"an unknown key unlike any other lists what there is":      {"waits:\n  frequency: 3s\n", []string{`f.yaml:2: unknown key "frequency"; known here: missing, settle`}},
		"an unknown key in a list is found":                        {"lanes:\n  - name: a\n  - nam: b\n", []string{`f.yaml:3: unknown key "nam"; did you mean "name"?`}},
		"all mistakes are named at once":                           {"dns: x\nwaits: {setle: 1s}\n", []string{`f.yaml:1: unknown key "dns"`, `f.yaml:2: unknown key "setle"`}},
		"a repeated key names both lines":                          {"dsn: x\nlisten: y\ndsn: z\n", []string{`f.yaml:3: key "dsn" was given in line 1 already`}},
		"a repeated key in a free map is found":                    {"labels:\n  a: x\n  a: y\n", []string{`f.yaml:3: key "a" was given in line 2 already`}},
		"a field that is no key is unknown":                        {"Hidden: x\n", []string{`unknown key "Hidden"`}},
		"a second document is refused":                             {"dsn: x\n---\ndsn: y\n", []string{"f.yaml:3: a second document"}},
		"anchors are refused, so that a small file stays small":    {"labels: &a\n  x: y\n", []string{"f.yaml:1: anchors and aliases are not supported"}},
		"a value of the wrong type names its place":                {"waits:\n  missing: soon\n", []string{"f.yaml", "soon"}},
		"text that is no YAML names its place":                     {"dsn: [x\n", []string{"f.yaml"}},
		"a list where keys belong is refused":                      {"- dsn\n", []string{"f.yaml"}},
		"JSON is read as well, and its unknown keys are refused":   {`{"dsn": "x", "waist": {}}`, []string{`f.yaml:1: unknown key "waist"; did you mean "waits"?`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := decodeConfig("f.yaml", []byte(c.text), &nestedConfig{})
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v\nwant %s", err, part)
				}
			}
		})
	}
	t.Run("everything that is known is filled, and the rest keeps its default", func(t *testing.T) {
		t.Parallel()
		c := nestedConfig{DSN: "kept"}
		c.Waits.Settle = time.Minute
		err := decodeConfig("f.yaml", []byte("waits: {missing: 10m}\nlanes: [{name: a}]\nlabels: {x: y}\nsince: 2026-01-02T03:04:05Z\nlisten: :1\n"), &c)
		if err != nil || c.DSN != "kept" || c.Waits.Missing != 10*time.Minute || c.Waits.Settle != time.Minute || len(c.Lanes) != 1 || c.Labels["x"] != "y" || c.Since.Year() != 2026 || c.Shared.Listen != ":1" {
			t.Fatalf("%+v, %v", c, err)
		}
	})
	t.Run("an empty file and one of comments change nothing", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "# nothing\n", "---\n", "null\n"} {
			if err := decodeConfig("f.yaml", []byte(text), &nestedConfig{}); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}

func TestConfigSecrets(t *testing.T) {
	file := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("a value may come from the file that the variable with _FILE names, its line end left out", func(t *testing.T) {
		t.Setenv("BULKHEAD_TEST_NESTED_DSN_FILE", file(t, "postgres://x \n"))
		var c nestedConfig
		if err := LoadConfig("", &c); err != nil || c.DSN != "postgres://x " {
			t.Fatalf("%q, %v", c.DSN, err)
		}
	})
	t.Run("a variable reaches a field of a section", func(t *testing.T) {
		t.Setenv("BULKHEAD_TEST_SETTLE", "9s")
		var c nestedConfig
		if err := LoadConfig("", &c); err != nil || c.Waits.Settle != 9*time.Second {
			t.Fatalf("%v, %v", c.Waits, err)
		}
	})
	t.Run("both ways at once are refused", func(t *testing.T) {
		t.Setenv("BULKHEAD_TEST_NESTED_DSN", "a")
		t.Setenv("BULKHEAD_TEST_NESTED_DSN_FILE", "b")
		if err := LoadConfig("", &nestedConfig{}); err == nil || !strings.Contains(err.Error(), "keep one") {
			t.Fatal(err)
		}
	})
	t.Run("a file that is absent or too large is refused by name", func(t *testing.T) {
		for _, path := range []string{filepath.Join(t.TempDir(), "none"), file(t, strings.Repeat("x", maxSecret+1))} {
			t.Setenv("BULKHEAD_TEST_NESTED_DSN_FILE", path)
			if err := LoadConfig("", &nestedConfig{}); err == nil || !strings.Contains(err.Error(), path) {
				t.Error(err)
			}
		}
	})
	t.Run("a configuration that is too large is refused", func(t *testing.T) {
		if err := LoadConfig(file(t, strings.Repeat("#", maxConfig+1)), &nestedConfig{}); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Fatal(err)
		}
	})
	t.Run("a missing file says that it is missing", func(t *testing.T) {
		if err := LoadConfig(filepath.Join(t.TempDir(), "none"), &nestedConfig{}); !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add("dsn: x\nwaits: {missing: 1s}\n")
	f.Add("lanes: [{name: a}, {}]\nlabels: {1: 2}\n<<: *x\n")
	f.Add("? [a]: b\n!!map {dsn: 1}")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		_ = decodeConfig("f.yaml", []byte(text), &nestedConfig{}) // it refuses or accepts; it must not panic
	})
}
