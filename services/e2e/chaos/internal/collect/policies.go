package collect

import (
	"context"
	"fmt"
	"maps"
	"net/url"

	"github.com/goccy/go-yaml"
)

// defaultAttempts are the tries of the preset `default`, by class. The others of Salesforce's classes are dead at once, or count nothing.
func defaultAttempts() map[string]int {
	return map[string]int{
		"transient": 8, "contention": 8, "reference": 3, "unclassified": 2, "data": 1, "duplicate": 1, "permission": 1, "code": 1,
	}
}

type opsRevisions struct {
	Revisions []struct {
		Revision int    `json:"revision"`
		YAML     string `json:"yaml"`
	} `json:"revisions"`
}

// policies notes how many tries the definitions allow. A record may have been judged by any revision of its own, so the most bounds it and the fewest may end it.
func (c *collector) policies(ctx context.Context) error {
	c.final.Attempts, c.final.Fewest = defaultAttempts(), defaultAttempts()
	for _, p := range c.pipelines {
		r, err := ops[opsRevisions](ctx, c, "/v1/pipelines/"+url.PathEscape(p.Name)+"/revisions")
		if err != nil {
			return fmt.Errorf("revisions of %s: %w", p.Name, err)
		}
		most, fewest := map[string]int{}, map[string]int{}
		for _, revision := range r.Revisions {
			attempts, err := attemptsOf(revision.YAML)
			if err != nil {
				return fmt.Errorf("revision %d of %s: %w", revision.Revision, p.Name, err)
			}
			for class, n := range attempts {
				most[class] = max(most[class], n)
				if had, ok := fewest[class]; !ok || n < had {
					fewest[class] = n
				}
			}
		}
		note := func(into, from map[string]int) {
			for class, n := range from {
				if n != into[class] {
					into[p.Name+"/"+class] = n
				}
			}
		}
		note(c.final.Attempts, most)
		note(c.final.Fewest, fewest)
	}
	return nil
}

// attemptsOf are the tries that a definition allows, by class.
func attemptsOf(definition string) (map[string]int, error) {
	var d struct {
		Retry map[string]any `yaml:"retry"`
	}
	if err := yaml.Unmarshal([]byte(definition), &d); err != nil {
		return nil, err
	}
	out := maps.Clone(defaultAttempts())
	for class, policy := range d.Retry {
		if m, ok := policy.(map[string]any); ok {
			switch n := m["attempts"].(type) {
			case uint64:
				out[class] = int(n)
			case int64:
				out[class] = int(n)
			case int:
				out[class] = n
			}
		}
	}
	return out, nil
}
