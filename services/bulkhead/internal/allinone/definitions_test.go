package allinone

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// directory makes a directory of definitions: file name → what stands between name and map.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, keys := range files {
		text := "apiVersion: bulkhead/v1\nkind: Pipeline\n" + keys + "\norg: main\nobject: Account\noperation: upsert\nexternalId: External_Id__c\nmap:\n  - {from: id, to: External_Id__c, type: string, required: true}\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var nameOf = regexp.MustCompile(`(?m)^name: (.*)$`)

func TestReadDefinitions(t *testing.T) {
	t.Run("puts those first that others depend on", func(t *testing.T) {
		texts, names, err := readDefinitions(directory(t, map[string]string{
			"1.yaml": "name: runways\ndependsOn: [airports]", "2.yml": "name: airports\ndependsOn: [regions, elsewhere]", "3.yaml": "name: regions",
		}))
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, text := range texts {
			order = append(order, string(nameOf.FindSubmatch(text)[1]))
		}
		if strings.Join(order, " ") != "regions airports runways" || strings.Join(names, " ") != "airports regions runways" {
			t.Errorf("texts %v, names %v", order, names)
		}
	})
	t.Run("reads the shipped ones when no directory is given", func(t *testing.T) {
		texts, names, err := readDefinitions("")
		if err != nil || len(texts) != 2 || strings.Join(names, " ") != "accounts contacts" {
			t.Errorf("%v, %v", names, err)
		}
	})
	for name, c := range map[string]struct {
		files map[string]string
		file  string // that the error names
		want  string
	}{
		"a circle of dependencies":    {map[string]string{"a.yaml": "name: a\ndependsOn: [b]", "b.yaml": "name: b\ndependsOn: [a]"}, "a.yaml", "a → b → a"},
		"one name twice":              {map[string]string{"a.yaml": "name: a", "b.yaml": "name: a"}, "b.yaml", "a.yaml already"},
		"a definition that is wrong":  {map[string]string{"a.yaml": "name: a\ncolour: red"}, "a.yaml", "line 4"},
		"a file that is far too long": {map[string]string{"a.yaml": "name: a\n" + strings.Repeat("#", maxDocument)}, "a.yaml", "larger than"},
		"a directory without any":     {nil, "", "no *.yaml"},
	} {
		t.Run("refuses "+name+" and names the file", func(t *testing.T) {
			_, _, err := readDefinitions(directory(t, c.files))
			e, ok := errors.AsType[*DefinitionError](err)
			if !ok || !strings.HasSuffix(e.File, c.file) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
