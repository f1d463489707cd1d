package store

import (
	"embed"

	"bulkhead/libs/pg"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the schema that ops writes; no other service does.
const Schema = "ops"

// Migrations are ops' migrations, to be run by the database's owner.
func Migrations() pg.Migrations { return pg.Migrations{Service: Schema, FS: migrations} }
