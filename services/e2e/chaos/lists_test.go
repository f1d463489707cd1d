package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTheShippedListsAreGood(t *testing.T) {
	if _, err := kept(); err != nil {
		t.Error(err)
	}
	declared, err := points()
	if err != nil {
		t.Fatal(err)
	}
	if len(declared) < 60 {
		t.Errorf("%d crash points, fewer than 60", len(declared))
	}
}

func TestKeptSeedsAreRead(t *testing.T) {
	t.Run("a seed and what it showed", func(t *testing.T) {
		got, err := parseKept("# why\n\n17 a letter that was never published again\n")
		if err != nil || !slices.Equal(got, []keptSeed{{17, "a letter that was never published again"}}) {
			t.Errorf("%v, %v", got, err)
		}
	})
	for _, text := range []string{"17", "17  ", "seventeen lost", "-1 lost"} {
		t.Run("refused: "+text, func(t *testing.T) {
			if _, err := parseKept(text); err == nil || !strings.Contains(err.Error(), "line 1") {
				t.Errorf("error %v", err)
			}
		})
	}
}
