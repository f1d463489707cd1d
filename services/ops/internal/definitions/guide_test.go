package definitions_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"bulkhead/libs/pipeline"
)

// yamlBlocks are the YAML examples of a page.
var yamlBlocks = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/guides/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := yamlBlocks.FindAllSubmatch(page, -1)
	t.Run("every example is a definition or an org that is taken", func(t *testing.T) {
		for i, example := range examples {
			var err error
			if bytes.HasPrefix(example[1], []byte("kind: Org\n")) {
				_, err = pipeline.ParseOrg(example[1])
			} else {
				_, _, err = pipeline.ParseDefinition(example[1])
			}
			if err != nil {
				t.Errorf("example %d: %v", i+1, err)
			}
		}
	})
	t.Run("there is an example of every operation", func(t *testing.T) {
		var shown []string
		for _, example := range examples {
			if d, _, err := pipeline.ParseDefinition(example[1]); err == nil {
				shown = append(shown, d.Operation)
			}
		}
		for _, operation := range pipeline.Operations() {
			if !slices.Contains(shown, operation) {
				t.Errorf("no example of %s", operation)
			}
		}
	})
	t.Run("every key of the examples stands in the table", func(t *testing.T) {
		key := regexp.MustCompile(`(?m)^([a-zA-Z]+):`)
		for _, example := range examples {
			for _, m := range key.FindAllSubmatch(example[1], -1) {
				if !regexp.MustCompile("(?m)^\\| .*`" + string(m[1]) + "`.* \\|").Match(page) {
					t.Errorf("the table lacks %s", m[1])
				}
			}
		}
	})
}
