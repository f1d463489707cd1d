package plan

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
)

// Point is a declared crash point: a named place in a service at which its process can be made to die or wait.
type Point struct {
	Name    string
	Service string
	// Needs name what must happen for it to be reached; none = it is passed in any run.
	Needs []string
}

// Services are the six of the product, in the order in which a record meets them.
func Services() []string {
	return []string{"extractor", "submitter", "poller", "reconciler", "retrier", "ops"}
}

// Instances are how many of each service run.
const Instances = 2

// ParsePoints reads the list of crash points: a name and its service a line, then `needs=word,word` if it takes something special. Blank
// lines and lines that begin with # say nothing.
func ParsePoints(text string) ([]Point, error) {
	var out []Point
	seen := map[string]bool{}
	in := bufio.NewScanner(strings.NewReader(text))
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		var needs []string
		if len(words) == 3 {
			said, ok := strings.CutPrefix(words[2], "needs=")
			if ok {
				words, needs = words[:2], strings.Split(said, ",")
			}
		}
		switch {
		case len(words) != 2:
			return nil, fmt.Errorf("crash points, line %d: %q is not a name, a service and what it needs", n, line)
		case !slices.Contains(Services(), words[1]):
			return nil, fmt.Errorf("crash points, line %d: %q names none of %v", n, line, Services())
		case seen[words[0]]:
			return nil, fmt.Errorf("crash points, line %d: %s stands there twice", n, words[0])
		}
		seen[words[0]] = true
		out = append(out, Point{Name: words[0], Service: words[1], Needs: needs})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("crash points: %w", err)
	}
	return out, nil
}
