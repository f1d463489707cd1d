// Package syntax reads the PostgreSQL dialect that the product's migrations and queries are written in, as a tree.
//
// What always holds:
//
//   - Parse gives the statements of a text in order, or an error that names the place (line and column) and what was expected there.
//   - What it does not know it refuses; it never guesses and never skips a part of a statement that has a meaning. Grants, comments and the body of
//     a function are the exceptions: they are read over, since nothing here enforces or runs them.
//   - A tree is for any number of readers at once, who do not change it.
//   - Identifiers are folded as PostgreSQL folds them: to lower case, unless quoted.
//
// What is left to others: names and types. Nothing is looked up here.
package syntax
