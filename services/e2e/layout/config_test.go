package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

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
