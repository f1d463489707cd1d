//go:build !fault

package fault

import (
	"context"
	"errors"
)

// Enabled says whether this binary was built with the tag `fault`.
const Enabled = false

// Point does nothing: this binary was built without the tag `fault`.
func Point(context.Context, string) error { return nil }

// With changes nothing: this binary was built without the tag `fault`. Who depends on its handler looks at [Enabled] first.
func With(ctx context.Context, _ Handler) context.Context { return ctx }

// Set checks the rules and, when there are any, refuses them: this binary was built without the tag `fault`.
func Set(rules string) error {
	parsed, err := parse(rules)
	if err != nil {
		return err
	}
	if len(parsed) > 0 {
		return errors.New("fault rules need a binary built with -tags fault")
	}
	return nil
}

// Hits is empty: this binary was built without the tag `fault`.
func Hits() map[string]int { return map[string]int{} }
