package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
)

// Failure is a row of reconciler.failures, whose columns say what each field is.
type Failure struct {
	Chunk       uuid.UUID
	Row, Record int32
	Pipeline    string
	Revision    int32
	Lane        int32
	Run         string
	Key         string
	KeyHash     uuid.UUID
	Generation  int16
	Entity      string
	EntityHash  uuid.UUID
	Seq         int64
	Idx         int32
	Columns     []byte
	AcceptedAt  time.Time
	Attempt     int16
	Outcome     string
	Class       string
	Code        string
	Message     string
	Fields      []string
	SfID        string
	Disposition string
	LetterID    uuid.NullUUID
	Header      []string
	Cells       []string
	Payload     []byte
	Attempts    []byte // JSON
	DecidedAt   time.Time
	Ambiguous   bool
	Version     []byte // empty = the definition names none
	Tries       int16
	RowRecords  int32
}

// The columns in the order in which [copyFailures] writes them.
var (
	failuresTable   = pgx.Identifier{Schema, "failures"}
	failuresColumns = []string{
		"chunk", "row", "record", "pipeline", "revision", "lane", "run", "key", "key_hash", "generation", "entity", "entity_hash", "seq", "idx", "columns",
		"accepted_at", "attempt", "outcome", "class", "code", "message", "fields", "sf_id", "disposition", "letter_id", "header", "cells", "payload", "attempts",
		"decided_at", "ambiguous", "version", "tries", "row_records",
	}
)

// copyFailures writes failures by hand: of a chunk with many of them they are most of what it stores.
func copyFailures(ctx context.Context, tx pgx.Tx, failures []Failure) error {
	return pg.Copy(ctx, tx, failuresTable, failuresColumns, len(failures), func(i int, to *pg.CopyRow) {
		f := &failures[i]
		to.UUID((*[16]byte)(&f.Chunk))
		to.Int4(f.Row)
		to.Int4(f.Record)
		to.Text(f.Pipeline)
		to.Int4(f.Revision)
		to.Int4(f.Lane)
		to.Text(f.Run)
		to.Text(f.Key)
		to.UUID((*[16]byte)(&f.KeyHash))
		to.Int2(f.Generation)
		to.Text(f.Entity)
		to.UUID((*[16]byte)(&f.EntityHash))
		to.Int8(f.Seq)
		to.Int4(f.Idx)
		to.Bytes(f.Columns)
		to.Time(f.AcceptedAt)
		to.Int2(f.Attempt)
		to.Text(f.Outcome)
		to.Text(f.Class)
		to.Text(f.Code)
		to.Text(f.Message)
		to.Texts(f.Fields)
		to.Text(f.SfID)
		to.Text(f.Disposition)
		if f.LetterID.Valid {
			to.UUID((*[16]byte)(&f.LetterID.UUID))
		} else {
			to.Null()
		}
		to.Texts(f.Header)
		to.Texts(f.Cells)
		to.Bytes(f.Payload)
		to.JSONB(f.Attempts)
		to.Time(f.DecidedAt)
		to.Bool(f.Ambiguous)
		if len(f.Version) > 0 {
			to.Bytes(f.Version)
		} else {
			to.Null()
		}
		to.Int2(f.Tries)
		to.Int4(f.RowRecords)
	})
}
