package journeys

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program is the file of a command that is built when a journey needs it first: extractor, or nats-server.
func program(t *testing.T, name string) string {
	t.Helper()
	build, known := programs[name]
	if !known {
		t.Fatalf("no journey builds %s", name)
	}
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var programs = map[string]func() (string, error){
	"extractor":   sync.OnceValues(func() (string, error) { return build("bulkhead/services/extractor") }),
	"nats-server": sync.OnceValues(func() (string, error) { return build("github.com/nats-io/nats-server/v2") }),
}

// build makes a command beside the binary; the tool names its file.
func build(path string) (string, error) {
	name := strings.TrimSuffix(path, "/v2")
	file := filepath.Join(filepath.Dir(binary), name[strings.LastIndexByte(name, '/')+1:])
	out, err := exec.Command("go", "build", "-o", file, path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", path, err, out)
	}
	return file, nil
}
