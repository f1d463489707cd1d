package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type testConfig struct {
	DSN   string        `yaml:"dsn" env:"BULKHEAD_TEST_DSN"`
	Lease time.Duration `yaml:"lease" env:"BULKHEAD_TEST_LEASE"`
	Lanes int           `yaml:"lanes" env:"BULKHEAD_TEST_LANES"`
}

func TestLoadConfig(t *testing.T) {
	file := func(t *testing.T, text string) string {
		p := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("the file overrides defaults and the environment overrides the file", func(t *testing.T) {
		t.Setenv("BULKHEAD_TEST_LEASE", "7s")
		c := testConfig{DSN: "a", Lease: time.Second, Lanes: 2}
		if err := LoadConfig(file(t, "dsn: b\nlease: 3s\n"), &c); err != nil {
			t.Fatal(err)
		}
		if c != (testConfig{DSN: "b", Lease: 7 * time.Second, Lanes: 2}) {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("an unknown key is refused with its line", func(t *testing.T) {
		err := LoadConfig(file(t, "dsn: b\nleese: 3s\n"), &testConfig{})
		if err == nil || !strings.Contains(err.Error(), "leese") || !strings.Contains(err.Error(), "2") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a repeated key is refused", func(t *testing.T) {
		if err := LoadConfig(file(t, "dsn: b\ndsn: c\n"), &testConfig{}); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("a bad value in the environment names the variable and not the value", func(t *testing.T) {
		t.Setenv("BULKHEAD_TEST_LANES", "s3cret")
		err := LoadConfig("", &testConfig{})
		if err == nil || !strings.Contains(err.Error(), "BULKHEAD_TEST_LANES") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnErrorOfAFileRepeatsNoneOfItsLines(t *testing.T) {
	for name, text := range map[string]string{
		"a quote that is not closed":  "dsn: postgres://u:s3cret@h/db\nlisten: \"127.0.0.1:7\nlanes: 4\n",
		"a value of another kind":     "dsn: postgres://u:s3cret@h/db\nlanes: [four]\n",
		"a line that is indented ill": "dsn: postgres://u:s3cret@h/db\n  listen: x\n lanes: 4\n",
	} {
		t.Run(name+" is told with its line, and the password beside it is not", func(t *testing.T) {
			var c struct {
				DSN    string `yaml:"dsn"`
				Listen string `yaml:"listen"`
				Lanes  int    `yaml:"lanes"`
			}
			err := decodeConfig("probe.yaml", []byte(text), &c)
			if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "probe.yaml") {
				t.Errorf("%v", err)
			}
			t.Log(err)
		})
	}
}
