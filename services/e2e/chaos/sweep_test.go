package main

import (
	"path/filepath"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
)

func TestASweepIsForThePointsAtWhichNothingDied(t *testing.T) {
	session := t.TempDir()
	dirs := []string{""} // a run that was not made
	for name, points := range map[string]*history.Points{
		"seed-1": {Killed: map[string]int{"ops.a.before_commit": 1}, Reached: map[string]int{"ops.b.before_commit": 3}},
		"seed-2": {Held: map[string]int{"ops.c.before_commit": 1}, Killed: map[string]int{"ops.a.before_commit": 0}},
		"seed-3": nil, // it told nothing
	} {
		dir := filepath.Join(session, name)
		if points != nil {
			if err := history.WriteJSON(filepath.Join(dir, history.PointsFile), *points); err != nil {
				t.Fatal(err)
			}
		}
		dirs = append(dirs, dir)
	}
	var declared []plan.Point
	for _, name := range []string{"ops.a.before_commit", "ops.b.before_commit", "ops.c.before_commit"} {
		declared = append(declared, plan.Point{Name: name, Service: "ops"})
	}
	left, err := alive(declared, dirs)
	if err != nil || len(left) != 2 || left[0].Name != declared[1].Name || left[1].Name != declared[2].Name {
		t.Errorf("%+v, %v", left, err)
	}
}
