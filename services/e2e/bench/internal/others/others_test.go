package others

import (
	"path/filepath"
	"testing"
)

func TestPrepareJSforce(t *testing.T) {
	t.Run("is left out where there is no node", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := prepareJSforce(t.Context(), filepath.Join("..", "..", jsforce), t.TempDir()); err == nil || err.Error() != "node is not on PATH" {
			t.Error(err)
		}
	})
}
