package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Named finds tests by their names, for lists that say which test shows what. It is for one goroutine.
type Named struct {
	// Root is the folder below which packages lie.
	Root string

	sources map[string]string // the text of all tests of a package, by its folder
}

// Find returns an error unless the package in dir, a path below Root with slashes, has a test function of the name and, where
// part is not empty, the text of part somewhere in its tests.
func (n *Named) Find(dir, name, part string) error {
	source, known := n.sources[dir]
	if !known {
		files, err := filepath.Glob(filepath.Join(n.Root, filepath.FromSlash(dir), "*_test.go"))
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			b.Write(text)
		}
		source = b.String()
		if n.sources == nil {
			n.sources = map[string]string{}
		}
		n.sources[dir] = source
	}
	switch {
	case !strings.Contains(source, "\nfunc "+name+"("):
		return fmt.Errorf("%s has no %s", dir, name)
	case !strings.Contains(source, part):
		return fmt.Errorf("no part of %s in %s is called %q", name, dir, part)
	default:
		return nil
	}
}
