// Package db holds the typed functions that sqlc makes of the queries beside it; only package store calls them. Never edit the other
// files: change ../queries or ../migrations, then run `make generate`.
package db
