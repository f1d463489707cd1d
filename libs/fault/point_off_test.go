//go:build !fault

package fault

import (
	"context"
	"errors"
	"testing"
)

func TestPointWithoutTheTag(t *testing.T) {
	t.Run("refuses rules, so that nobody believes a fault was tested", func(t *testing.T) {
		if err := Set("a.b=error"); err == nil {
			t.Fatal("Set accepted a rule that can have no effect")
		}
	})
	t.Run("accepts the absence of rules", func(t *testing.T) {
		if err := Set(""); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("asks no handler", func(t *testing.T) {
		ctx := With(t.Context(), func(context.Context, string) error { return errors.New("asked") })
		if err := Point(ctx, "a.b"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("does nothing and costs no allocation", func(t *testing.T) {
		if Enabled {
			t.Fatal("Enabled without the tag")
		}
		if n := testing.AllocsPerRun(100, func() {
			if err := Point(t.Context(), "a.b"); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Fatalf("Point allocates %v times", n)
		}
		if len(Hits()) != 0 {
			t.Fatal("hits were counted")
		}
	})
}
