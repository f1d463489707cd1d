package progress

import (
	"strings"
	"testing"
)

func TestBar(t *testing.T) {
	t.Run("is a line for each phase where there is no terminal", func(t *testing.T) {
		var out strings.Builder
		b := New(&out)
		b.Phase("build", 0)
		b.Phase("load", 100)
		b.At(50)
		b.Said("postgres was killed")
		b.Done()
		b.Done()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 || !strings.HasSuffix(lines[0], " build") || !strings.HasSuffix(lines[1], " load") || !strings.HasSuffix(lines[2], " postgres was killed") {
			t.Errorf("%q", lines)
		}
	})
}
