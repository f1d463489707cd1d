package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// CycleError says that pipelines depend on each other in a circle, so that none of them could be first.
type CycleError struct {
	// Names are the pipelines of the circle, each depending on the one behind it; the first stands at the end again.
	Names []string
}

func (e *CycleError) Error() string {
	return fmt.Sprintf("dependsOn goes in a circle: %s: take one of these dependencies out", strings.Join(e.Names, " → "))
}

// InOrder returns the definitions so that each stands behind those that it depends on, otherwise by name. Names that are not among them do not
// count. The error is a [*CycleError].
func InOrder(definitions []*Definition) ([]*Definition, error) {
	byName := make(map[string]*Definition, len(definitions))
	names := make([]string, 0, len(definitions))
	for _, d := range definitions {
		byName[d.Name] = d
		names = append(names, d.Name)
	}
	slices.Sort(names)
	out := make([]*Definition, 0, len(definitions))
	done := map[string]bool{}
	var path []string // from the pipeline that was begun with to the one that is looked at
	var visit func(name string) error
	visit = func(name string) error {
		d, known := byName[name]
		if !known || done[name] {
			return nil
		}
		if at := slices.Index(path, name); at >= 0 {
			return &CycleError{Names: append(slices.Clone(path[at:]), name)}
		}
		path = append(path, name)
		for _, parent := range d.DependsOn {
			if err := visit(parent); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		out = append(out, d)
		return nil
	}
	for _, name := range slices.Compact(names) {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}
