package realdata

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const (
	root       = "../../.."
	envData    = "BULKHEAD_TESTDATA"
	envRequire = "BULKHEAD_REQUIRE_TESTDATA"
	envBinary  = "BULKHEAD_BINARY"
)

// scratch is a directory for all tests.
var scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := os.Stat(filepath.Join(files(), "airports.csv.gz")); err != nil {
		fmt.Printf("LEFT OUT: the journeys of the real data (%v); %s names the directory that holds ourairports\n", err, envData)
		if os.Getenv(envRequire) == "1" {
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "bulkhead-realdata")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

// files is the directory of the CSV files.
func files() string {
	data := os.Getenv(envData)
	if data == "" {
		data = filepath.Join(root, "../shared/data") // beside the repository
	}
	return filepath.Join(data, "ourairports")
}

// binary is the program under test, built once and without the race detector: the processes run at full speed.
func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return path, nil
	}
	// This package imports nothing of the program, so that `go test` would take an old result for a new program. It notes what a
	// test looks at: these are the sources.
	for _, module := range []string{"libs", "proto", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	path := filepath.Join(scratch, "bulkhead")
	if out, err := exec.Command("go", "build", "-o", path, "bulkhead/services/bulkhead").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})
