// Package layout holds the tests of the repository itself: import arrows, package comments, and that docs/architecture.md and
// the code use the same words. It has no product code.
package layout
