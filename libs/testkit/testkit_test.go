package testkit

import (
	"testing"
	"time"

	"bulkhead/libs/pg"
)

func TestDatabase(t *testing.T) {
	t0 := time.Now()
	db := Database(t)
	t.Log(time.Since(t0))
	for _, s := range pg.Services {
		db.Pool(t, s)
	}
	t0 = time.Now()
	Database(t)
	t.Log(time.Since(t0))
}
