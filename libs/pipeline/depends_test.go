package pipeline_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
)

func depending(edges map[string][]string) []*pipeline.Definition {
	var out []*pipeline.Definition
	for name, parents := range edges {
		out = append(out, &pipeline.Definition{Name: name, DependsOn: parents})
	}
	return out
}

func names(definitions []*pipeline.Definition) string {
	var out []string
	for _, d := range definitions {
		out = append(out, d.Name)
	}
	return strings.Join(out, " ")
}

func TestInOrder(t *testing.T) {
	t.Run("puts each behind those it depends on, otherwise by name", func(t *testing.T) {
		got, err := pipeline.InOrder(depending(map[string][]string{
			"a": {"z"}, "b": nil, "c": {"b", "not-here"}, "z": {"c"},
		}))
		if err != nil || names(got) != "b c z a" {
			t.Errorf("%s, %v", names(got), err)
		}
	})
	t.Run("prints a circle", func(t *testing.T) {
		for want, edges := range map[string]map[string][]string{
			"b → c → b":     {"a": {"b"}, "b": {"c"}, "c": {"b"}},
			"a → a":         {"a": {"a"}},
			"a → b → c → a": {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}},
		} {
			_, err := pipeline.InOrder(depending(edges))
			if _, ok := errors.AsType[*pipeline.CycleError](err); !ok || !strings.Contains(err.Error(), ": "+want+":") {
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
	t.Run("either orders everything or names a real circle", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			const n = 6
			edges := map[string][]string{}
			for i := range n {
				name := string(rune('a' + i))
				edges[name] = nil
				for _, to := range rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 2, rapid.ID[int]).Draw(t, name) {
					edges[name] = append(edges[name], string(rune('a'+to)))
				}
			}
			got, err := pipeline.InOrder(depending(edges))
			if cycle, ok := errors.AsType[*pipeline.CycleError](err); ok {
				for i := range len(cycle.Names) - 1 {
					if !slices.Contains(edges[cycle.Names[i]], cycle.Names[i+1]) {
						t.Fatalf("%v is no circle of %v", cycle.Names, edges)
					}
				}
				return
			}
			if len(got) != n {
				t.Fatalf("%d of %d", len(got), n)
			}
			for i, d := range got {
				for _, parent := range d.DependsOn {
					if slices.IndexFunc(got, func(d *pipeline.Definition) bool { return d.Name == parent }) >= i {
						t.Fatalf("%s stands before %s: %s", d.Name, parent, names(got))
					}
				}
			}
		})
	})
}
