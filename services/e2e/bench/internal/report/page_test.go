package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	write := func(t *testing.T, page string) (file string) {
		t.Helper()
		file = filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	read := func(t *testing.T, file string) string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Run("gets each command's tables in their place, as often as one likes", func(t *testing.T) {
		page := func(a, b string) string {
			return "# Page\n\n" + begin("run") + "\n" + a + end + "\n\nmore\n" + begin("stages") + "\n" + b + end + "\n"
		}
		file := write(t, page("old\n", ""))
		for range 2 {
			for command, tables := range map[string]string{"run": "| a |\n", "stages": "| b |\n"} {
				if err := WritePage(file, command, tables); err != nil {
					t.Fatal(err)
				}
			}
		}
		if text := read(t, file); text != page("| a |\n", "| b |\n") {
			t.Error(text)
		}
	})
	t.Run("is made where it was not there", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "new.md")
		if err := WritePage(file, "run", "| a |\n"); err != nil || read(t, file) != "| a |\n" {
			t.Errorf("%v", err)
		}
	})
	t.Run("is left alone where it has no place, and that is said before", func(t *testing.T) {
		for _, page := range []string{"# Page\n", end + "\n" + begin("run") + "\n", begin("run") + "\n", begin("stages") + "\n" + end} {
			file := write(t, page)
			if err := CheckPage(file, "run"); err == nil || !strings.Contains(err.Error(), "page.md") {
				t.Errorf("%q: %v", page, err)
			}
			if err := WritePage(file, "run", "x"); err == nil || read(t, file) != page {
				t.Errorf("%q: %v", page, err)
			}
		}
	})
	t.Run("of the repository has a place for each command", func(t *testing.T) {
		for _, command := range []string{"run", "stages", "trickle"} {
			if err := CheckPage("../../../../../docs/performance.md", command); err != nil {
				t.Error(err)
			}
		}
	})
}
