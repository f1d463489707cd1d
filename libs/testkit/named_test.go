package testkit_test

import (
	"strings"
	"testing"

	"bulkhead/libs/testkit"
)

func TestNamedTests(t *testing.T) {
	n := &testkit.Named{Root: "../.."}
	for _, tc := range []struct{ does, dir, name, part, problem string }{
		{"finds a test", "libs/testkit", "TestNamedTests", "", ""},
		{"finds a part of a test", "libs/testkit", "TestNamedTests", `"finds a part of a test`, ""},
		{"misses a test whose name goes on", "libs/testkit", "TestNamed", "", "libs/testkit has no TestNamed"},
		{"misses a part", "libs/testkit", "TestNamedTests", "what nobody " + "wrote", "is called"},
		{"misses a package", "libs/nothing", "TestNamedTests", "", "libs/nothing has no"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			err := n.Find(tc.dir, tc.name, tc.part)
			if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}
