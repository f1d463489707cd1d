package store

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// unitOf is what a record waits and goes together with.
type unitOf struct {
	chunk uuid.UUID
	row   int
}

// genWaiting draws records that wait in one lane, or not quite: some are of another lane or revision, or due later.
func genWaiting(t *rapid.T, pipeline string) []Waiting {
	versions := []record.Version{nil, {1}, {2}, {2, 0}}
	var out []Waiting
	for row := range rapid.IntRange(0, 12).Draw(t, "units") {
		due, lane := noon, 0
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			due = noon.Add(time.Minute)
		case 1:
			lane = 1
		}
		chunk := uuid.UUID{byte(rapid.IntRange(0, 2).Draw(t, "chunk"))}
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			out = append(out, Waiting{
				FailureID: int64(len(out) + 1), UnitChunk: chunk, UnitRow: row, Pipeline: pipeline, Revision: 1, Lane: lane, Due: due, Since: noon,
				KeyHash: record.Hash(uuid.New()), EntityHash: record.Hash(uuid.New()),
				Place:   record.Place{Seq: rapid.Uint64Range(1, 4).Draw(t, "seq"), Idx: uint32(len(out))},
				Version: rapid.SampledFrom(versions).Draw(t, "version"),
			})
		}
	}
	return out
}

// compareVersions orders versions; none comes first or last.
func compareVersions(a, b record.Version, none int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return none
	case b == nil:
		return -none
	}
	return bytes.Compare(a, b)
}

// dueUnits are the units that are due, in their order, each with its records in theirs.
func dueUnits(waiting []Waiting) [][]Waiting {
	by := map[unitOf][]Waiting{}
	for _, w := range waiting {
		if w.Lane == 0 && !w.Due.After(noon) {
			by[unitOf{w.UnitChunk, w.UnitRow}] = append(by[unitOf{w.UnitChunk, w.UnitRow}], w)
		}
	}
	type unit struct {
		of      unitOf
		records []Waiting
		version record.Version
		place   record.Place
	}
	var units []unit
	for of, records := range by {
		slices.SortFunc(records, func(a, b Waiting) int {
			return cmp.Or(compareVersions(a.Version, b.Version, -1), a.Place.Compare(b.Place))
		})
		oldest := slices.MinFunc(records, func(a, b Waiting) int {
			return cmp.Or(compareVersions(a.Version, b.Version, +1), a.Place.Compare(b.Place))
		})
		units = append(units, unit{of: of, records: records, version: oldest.Version, place: oldest.Place})
	}
	slices.SortFunc(units, func(a, b unit) int {
		return cmp.Or(compareVersions(a.version, b.version, -1), a.place.Compare(b.place), bytes.Compare(a.of.chunk[:], b.of.chunk[:]), cmp.Compare(a.of.row, b.of.row))
	})
	out := make([][]Waiting, len(units))
	for i, u := range units {
		out[i] = u.records
	}
	return out
}

func TestDue(t *testing.T) {
	db := testkit.NewLedger(t)
	admin, s := db.AdminPool(t), New(db.Pool(t, "retrier"))
	t.Run("the oldest units come whole, in their order, and no more of them than are asked for", rapid.MakeCheck(func(rt *rapid.T) {
		ctx := t.Context()
		if _, err := admin.Exec(ctx, `DELETE FROM retrier.waiting`); err != nil {
			rt.Fatal(err)
		}
		waiting := genWaiting(rt, "contacts")
		var rows [][]any
		for _, w := range waiting {
			var version any
			if w.Version != nil {
				version = []byte(w.Version)
			}
			rows = append(rows, []any{
				w.FailureID, w.UnitChunk, int32(w.UnitRow), w.Pipeline, int32(w.Revision), int32(w.Lane), "", uuid.UUID(w.KeyHash), uuid.UUID(w.EntityHash), int16(0),
				int64(w.Place.Seq), int32(w.Place.Idx), "contention", "UNABLE_TO_LOCK_ROW", int16(1), "", w.Due, version,
			})
		}
		columns := []string{
			"failure_id", "unit_chunk", "unit_row", "pipeline", "revision", "lane", "run", "key_hash", "entity_hash", "generation", "seq", "idx", "class", "code", "attempt", "reason", "due_at", "version",
		}
		if _, err := admin.CopyFrom(ctx, pgx.Identifier{"retrier", "waiting"}, columns, pgx.CopyFromRows(rows)); err != nil {
			rt.Fatal(err)
		}
		units := dueUnits(waiting)
		most := rapid.IntRange(1, 12).Draw(rt, "most")
		var want []int64
		for _, u := range units[:min(most, len(units))] {
			for _, w := range u {
				want = append(want, w.FailureID)
			}
		}
		due, err := s.Due(ctx, Lane{Pipeline: "contacts", Revision: 1}, noon, most)
		if err != nil {
			rt.Fatal(err)
		}
		var got []int64
		for _, w := range due {
			got = append(got, w.FailureID)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%d units at most: %v, want %v", most, got, want)
		}
		if n, err := s.CountDueUnits(ctx, Lane{Pipeline: "contacts", Revision: 1}, noon, most); err != nil || n != min(most, len(units)) {
			rt.Fatalf("%d units, want %d: %v", n, min(most, len(units)), err)
		}
	}))
}

func TestLanes(t *testing.T) {
	t.Run("each lane in which something waits is told once, with what is due first, unless a resend of it is on its way", func(t *testing.T) {
		db := testkit.NewLedger(t)
		admin, s := db.AdminPool(t), New(db.Pool(t, "retrier"))
		exec := func(sql string, args ...any) {
			t.Helper()
			if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
				t.Fatal(err)
			}
		}
		if lanes, err := s.Lanes(t.Context()); err != nil || len(lanes) != 0 {
			t.Fatalf("of nothing: %v, %v", lanes, err)
		}
		for i, w := range []struct {
			pipeline       string
			lane, revision int
			due            time.Duration
		}{{"b", 1, 2, time.Hour}, {"b", 1, 1, -time.Hour}, {"a", 1, 1, time.Minute}, {"a", -1, 1, 0}, {"a", 0, 1, 0}, {"a", 0, 3, -time.Second}} {
			exec(`INSERT INTO retrier.waiting (failure_id, unit_chunk, unit_row, pipeline, revision, lane, run, key_hash, entity_hash, generation, seq, idx, class, code, attempt, reason, due_at)
				VALUES ($1, $2, 0, $3, $4, $5, '', $2, $2, 0, 1, 0, '', '', 0, '', $6)`, i, uuid.New(), w.pipeline, w.revision, w.lane, noon.Add(w.due))
		}
		exec(`INSERT INTO retrier.chunks (chunk, pipeline, revision, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq)
			VALUES ($1, 'a', 1, 'main', 'Contact', 'upsert', 'E', 's', 1, '{}', 0, 0, 0, '', 0)`, uuid.New())
		lanes, err := s.Lanes(t.Context())
		for i := range lanes {
			lanes[i].OldestDue = lanes[i].OldestDue.UTC()
		}
		want := []Lane{
			{Pipeline: "a", Lane: -1, Revision: 1, OldestDue: noon},
			{Pipeline: "a", Lane: 0, Revision: 3, OldestDue: noon.Add(-time.Second)},
			{Pipeline: "b", Lane: 1, Revision: 1, OldestDue: noon.Add(-time.Hour)},
		}
		if err != nil || !slices.Equal(lanes, want) {
			t.Fatalf("%+v, %v", lanes, err)
		}
	})
}
