package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"bulkhead/libs/record"
	"bulkhead/libs/service"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

func TestShippedServiceConfigurationsAreValid(t *testing.T) {
	configs := map[string]any{
		"extractor": new(extractor.Config), "submitter": new(submitter.Config), "poller": new(poller.Config),
		"reconciler": new(reconciler.Config), "retrier": new(retrier.Config), "ops": new(ops.Config),
	}
	files, err := filepath.Glob(filepath.Join(root, "deploy/config/services/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(configs) {
		t.Errorf("%d files for %d services", len(files), len(configs))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(name+" knows every key of its file", func(t *testing.T) {
			if err := service.LoadConfig(f, configs[name]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestComposeFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Volumes []string `yaml:"volumes"`
			Build   struct {
				Dockerfile string            `yaml:"dockerfile"`
				Args       map[string]string `yaml:"args"`
			} `yaml:"build"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	t.Run("starts every service", func(t *testing.T) {
		dirs, err := filepath.Glob(filepath.Join(root, "services/*/main.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			name := filepath.Base(filepath.Dir(d))
			if name == "bulkhead" {
				continue // the command line
			}
			if s, ok := file.Services[name]; !ok || s.Build.Args["SERVICE"] != name {
				t.Errorf("%s is not built and started", name)
			}
		}
	})
	t.Run("mounts and builds only what exists", func(t *testing.T) {
		for name, s := range file.Services {
			paths := []string{s.Build.Dockerfile}
			for _, v := range s.Volumes {
				if from, _, _ := strings.Cut(v, ":"); strings.HasPrefix(from, "./") {
					paths = append(paths, from)
				}
			}
			for _, p := range paths {
				if _, err := os.Stat(filepath.Join(root, p)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

func TestWaitsAreSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "dsn: d\nnatsUrl: nats\nlease: 10s\nsweep: 30s\nwaits: {settle.wait: 7s, missing.wait: 8s, gone.wait: 9s, lookup.wait: 10s, bind.max_age: 11m, orphan.age: 12m}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := record.Waits{
		Settle: 7 * time.Second, Missing: 8 * time.Second, Gone: 9 * time.Second, Lookup: 10 * time.Second,
		BindMaxAge: 11 * time.Minute, OrphanAge: 12 * time.Minute,
	}
	var (
		p poller.Config
		r reconciler.Config
		s submitter.Config
	)
	for name, c := range map[string]struct {
		config any
		waits  *record.Waits
	}{"poller": {&p, &p.Waits}, "reconciler": {&r, &r.Waits}, "submitter": {&s, &s.Waits}} {
		t.Run(name+" takes each wait by the name that its messages use", func(t *testing.T) {
			if err := service.LoadConfig(file, c.config); err != nil {
				t.Fatal(err)
			}
			if *c.waits != want {
				t.Errorf("%+v", *c.waits)
			}
		})
	}
}
