package badconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/service"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

// needed is what every service has to be told.
const needed = "dsn: postgres://u@127.0.0.1:1/x\nnatsUrl: nats://127.0.0.1:1\n"

// configs are the services' configurations with their defaults in them, as their programs start from.
func configs() map[string]service.Checked {
	e, s, o := extractor.DefaultConfig(), submitter.DefaultConfig(), ops.DefaultConfig()
	return map[string]service.Checked{
		"extractor": &e, "submitter": &s, "poller": new(poller.Config), "reconciler": new(reconciler.Config), "retrier": new(retrier.Config), "ops": &o,
	}
}

// load reads a file into a service's configuration and checks it, as its program does before it opens anything.
func load(path string, into service.Checked) error {
	if err := service.LoadConfig(path, into); err != nil {
		return err
	}
	return into.Check()
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// said fails unless the error says all words.
func said(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("it is taken")
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// everyService fails unless every service refuses a file with these words.
func everyService(path string, words ...string) func(*testing.T) {
	return func(t *testing.T) {
		for name, c := range configs() {
			t.Run(name, func(t *testing.T) { said(t, load(path, c), words...) })
		}
	}
}

// refusedBy fails unless each named service refuses a file with a line more than it needs, naming the line and the words.
func refusedBy(services, more string, words ...string) func(*testing.T) {
	return func(t *testing.T) {
		all := configs()
		for _, name := range strings.Fields(services) {
			t.Run(name, func(t *testing.T) { said(t, load(file(t, needed+more), all[name]), words...) })
		}
	}
}

const all = "extractor submitter poller reconciler retrier ops"

// third is how an error names the first line behind what is needed.
const third = "config.yaml:3:"

func noFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	everyService(path, path, "no such file")(t)
}

func emptyFile(t *testing.T) {
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) { said(t, load(file(t, ""), c), "dsn is missing", "BULKHEAD_DSN") })
	}
	t.Run("the environment is enough", func(t *testing.T) {
		t.Setenv("BULKHEAD_DSN", "postgres://u@127.0.0.1:1/x")
		t.Setenv("BULKHEAD_NATS", "nats://127.0.0.1:1")
		for name, c := range configs() {
			if err := load(file(t, ""), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func unreadableFile(t *testing.T) {
	// A file behind a file cannot be opened by anybody, root included; the other can be opened and not be read.
	behind := filepath.Join(file(t, needed), "config.yaml")
	everyService(behind, behind)(t)
	everyService("/proc/self/mem", "/proc/self/mem")(t)
}

func aliasBomb(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 20; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.Repeat(alias+", ", 9)+alias)
	}
	begun := time.Now()
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) { said(t, load(file(t, needed+bomb.String()), c), "unknown key") })
		t.Run(name+" in a known key", func(t *testing.T) {
			said(t, load(file(t, "natsUrl: nats://127.0.0.1:1\ndsn: &a x\nlisten: *a\n"), c), "anchors and aliases are not supported")
		})
	}
	t.Run("definitions", func(t *testing.T) {
		said(t, parseDefinition(strings.Replace(definition, "map:", bomb.String()+"map:", 1)), "unknown key")
		said(t, parseDefinition(strings.Replace(definition, "object: Contact", "object: &a Contact", 1)), "anchors, aliases and tags are not allowed")
	})
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func quotedNumber(t *testing.T) {
	all := configs()
	for name, more := range map[string]string{"submitter": "workers: \"3\"\n", "extractor": "openChunks: '7'\n", "poller": "concurrency: \"3\"\n", "ops": "replicas: \"3\"\n"} {
		if err := load(file(t, needed+more), all[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := all["submitter"].(*submitter.Config).Workers; got != 3 { //nolint:forcetypeassert // made above
		t.Errorf("%d workers", got)
	}
	if err := parseDefinition(strings.Replace(definition, "lanes: 2", `lanes: "3"`, 1)); err != nil {
		t.Error(err)
	}
}

func both(tests ...func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		for _, run := range tests {
			run(t)
		}
	}
}

func environmentWins(t *testing.T) {
	t.Setenv("BULKHEAD_NATS", "nats://elsewhere:4222")
	t.Setenv("BULKHEAD_SWEEP", "7s")
	c := new(poller.Config)
	if err := load(file(t, needed+"sweep: 9s\n"), c); err != nil {
		t.Fatal(err)
	}
	if c.NATSURL != "nats://elsewhere:4222" || c.Sweep != 7*time.Second {
		t.Errorf("%s every %s", c.NATSURL, c.Sweep)
	}
	t.Run("and is checked as strictly", func(t *testing.T) {
		for _, tc := range [][2]string{{"BULKHEAD_SWEEP", "10"}, {"BULKHEAD_SWEEP", "0s"}, {"BULKHEAD_SWEEP", "-5s"}, {"BULKHEAD_POLLER_CONCURRENCY", "010"}} {
			t.Setenv(tc[0], tc[1])
			said(t, load(file(t, needed), new(poller.Config)), tc[0])
			t.Setenv(tc[0], "")
		}
	})
	t.Run("a value and a file at once are refused", func(t *testing.T) {
		t.Setenv("BULKHEAD_NATS_FILE", file(t, "nats://third:4222"))
		said(t, load(file(t, needed), new(poller.Config)), "BULKHEAD_NATS", "BULKHEAD_NATS_FILE", "keep one")
	})
}

func secretWithLineEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", ""} {
		t.Setenv("BULKHEAD_DSN_FILE", file(t, "postgres://u:secret@127.0.0.1:1/x"+end))
		c := new(poller.Config)
		if err := load(file(t, "natsUrl: nats://127.0.0.1:1\n"), c); err != nil || c.DSN != "postgres://u:secret@127.0.0.1:1/x" {
			t.Errorf("%q, %v", c.DSN, err)
		}
	}
}

func emptySecret(t *testing.T) {
	for _, text := range []string{"", "\n", "  \r\n"} {
		secret := file(t, text)
		t.Setenv("BULKHEAD_DSN_FILE", secret)
		said(t, load(file(t, needed), new(poller.Config)), "BULKHEAD_DSN_FILE", secret, "is empty")
	}
	t.Setenv("BULKHEAD_DSN_FILE", filepath.Join(t.TempDir(), "none"))
	if err := load(file(t, needed), new(poller.Config)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func otherSchemes(t *testing.T) {
	for name, c := range configs() {
		for _, url := range []string{"http://127.0.0.1:4222", "https://u:secret@nats.example", "nats://a:4222,http://b:4222"} {
			err := load(file(t, "dsn: postgres://u@127.0.0.1:1/x\nnatsUrl: "+url+"\n"), c)
			said(t, err, "natsUrl", "nats://")
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s shows the password: %v", name, err)
			}
		}
	}
}
