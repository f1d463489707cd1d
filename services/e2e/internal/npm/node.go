package npm

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
)

// nodeFiles are package.json and package-lock.json of the packages that hold nothing but the program node, one for each sort of machine; npm installs
// the one that fits. Clients of today need a newer Node than a stable Debian has.
//
//go:embed node/package.json node/package-lock.json
var nodeFiles embed.FS

// Node is the program node, in the version that this package's own lock file names, installed as Install does.
func Node(ctx context.Context) (string, error) {
	source, err := fs.Sub(nodeFiles, "node")
	if err != nil {
		return "", err
	}
	tree, err := Install(ctx, source)
	if err != nil {
		return "", err
	}
	program := filepath.Join(tree.Package(nodePackage(runtime.GOOS, runtime.GOARCH)), "bin", "node")
	if !exists(program) {
		return "", fmt.Errorf("npm: there is no package of Node for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return program, nil
}

// nodePackage is the name of the package for a sort of machine, in Go's words for it.
func nodePackage(system, arch string) string {
	switch {
	case arch == "amd64":
		arch = "x64"
	case system == "darwin" && arch == "arm64":
		system = "bin-darwin"
	}
	return "node-" + system + "-" + arch
}
