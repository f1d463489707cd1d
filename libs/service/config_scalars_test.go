package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type scalarConfig struct {
	Name  string        `yaml:"name" env:"BULKHEAD_TEST_NAME"`
	Count int           `yaml:"count" env:"BULKHEAD_TEST_COUNT"`
	Needs int           `yaml:"needs" env:"BULKHEAD_TEST_NEEDS" check:"positive"`
	Wait  time.Duration `yaml:"wait" env:"BULKHEAD_TEST_WAIT"`
	Every time.Duration `yaml:"every" env:"BULKHEAD_TEST_EVERY" check:"positive"`
	Waits struct {
		Long time.Duration `yaml:"long"`
	} `yaml:"waits"`
}

func TestScalars(t *testing.T) {
	load := func(t *testing.T, text string) (scalarConfig, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte("# a comment\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var c scalarConfig
		return c, LoadConfig(path, &c)
	}
	for _, good := range []string{
		"name: text", `name: "no"`, "name: 'null'", "name: |\n  no", "name: 12", "count: 0", "count: \"7\"", "needs: 1", "wait: 0s", "wait: 1h30m",
		`every: "5s"`, "waits: {long: 5s}",
	} {
		t.Run(good+" is taken", func(t *testing.T) {
			if _, err := load(t, good); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []struct{ text, want string }{
		{"name: no", "in quotes"},
		{"name: Off", "in quotes"},
		{`name: "a ${B_1} c"`, "${B_1} stands for a variable"},
		{"count: 010", "plain digits"},
		{"count: 0x10", "plain digits"},
		{"count: 1e3", "plain digits"},
		{"count: 1.0", "plain digits"},
		{"count: 1_000", "plain digits"},
		{"count: -1", "below zero"},
		{"count: 99999999999999999999", "plain digits"},
		{"needs: 0", "leave it out"},
		{"wait: 0", "0 has no unit"},
		{"wait: 10", "10 has no unit: write 10s"},
		{"wait: 1.5", "the units are"},
		{"wait: 1w", "ms, s, m and h"},
		{"wait: -5s", "below zero"},
		{"every: 0", "no unit"},
		{"every: 0ms", "leave it out"},
		{"waits: {long: 10}", "10 has no unit"},
	} {
		t.Run(bad.text+" is refused with its line", func(t *testing.T) {
			_, err := load(t, bad.text)
			if err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "c.yaml:2:") {
				t.Errorf("%v does not say %q", err, bad.want)
			}
		})
	}
	t.Run("the environment is read as strictly", func(t *testing.T) {
		for name, bad := range map[string]string{
			"BULKHEAD_TEST_COUNT": "010", "BULKHEAD_TEST_NEEDS": "0", "BULKHEAD_TEST_WAIT": "-1s", "BULKHEAD_TEST_EVERY": "0s",
		} {
			t.Setenv(name, bad)
			if err := LoadConfig("", new(scalarConfig)); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, bad, err)
			}
			t.Setenv(name, "")
		}
	})
}

func TestReadLogLevel(t *testing.T) {
	for text, good := range map[string]bool{"": true, "debug": true, "WARN": true, " error ": true, "loud": false, "info+2": false, "4": false} {
		t.Setenv("BULKHEAD_LOG_LEVEL", text)
		if _, err := ReadLogLevel(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
