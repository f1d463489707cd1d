package marked

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMarked(t *testing.T) {
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
			return "# Page\n\n" + begin("bench run") + "\n" + a + end + "\n\nmore\n" + begin("bench stages") + "\n" + b + end + "\n"
		}
		file := write(t, page("old\n", ""))
		for range 2 {
			for command, tables := range map[string]string{"bench run": "| a |\n", "bench stages": "| b |\n"} {
				if err := Write(file, command, tables); err != nil {
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
		if err := Write(file, "bench run", "| a |\n"); err != nil || read(t, file) != "| a |\n" {
			t.Errorf("%v", err)
		}
	})
	t.Run("is left alone where it has no place, and that is said before", func(t *testing.T) {
		for _, page := range []string{"# Page\n", end + "\n" + begin("bench run") + "\n", begin("bench run") + "\n", begin("bench stages") + "\n" + end} {
			file := write(t, page)
			if err := Check(file, "bench run"); err == nil || !strings.Contains(err.Error(), "page.md") {
				t.Errorf("%q: %v", page, err)
			}
			if err := Write(file, "bench run", "x"); err == nil || read(t, file) != page {
				t.Errorf("%q: %v", page, err)
			}
		}
	})
	t.Run("of the repository has a place for each command", func(t *testing.T) {
		for command, page := range map[string]string{
			"bench run": "performance", "bench stages": "performance", "bench trickle": "performance", "chaos soak": "reliability",
		} {
			if err := Check("../../../../docs/"+page+".md", command); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %s, want %s", n, got, want)
		}
	}
}
