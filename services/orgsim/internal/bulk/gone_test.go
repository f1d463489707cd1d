package bulk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
)

var goneSpec = Spec{Object: "Contact", Operation: org.Insert, Version: 66}

// finished makes a job of some rows, one of which fails, and waits for its end.
func finished(t *testing.T, m *Manager, rows int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("Key__c,LastName\n,\n")
	for range rows - 1 {
		b.WriteString(",N\n")
	}
	id := uploaded(t, m, goneSpec, []byte(b.String()))
	if _, err := m.Close(id); err != nil {
		t.Fatal(err)
	}
	m.running.Wait()
	return id
}

func TestRowsOfJobsThatAreGone(t *testing.T) {
	const rows = 1_000
	build := func(t *testing.T) (*Manager, []string) {
		m := newManager(t, outcomesModel)
		var ids []string
		for range 3 {
			ids = append(ids, finished(t, m, rows))
		}
		return m, ids
	}
	dropped := func(t *testing.T, m *Manager, ids []string) string {
		t.Helper()
		var out []string
		for _, id := range ids {
			v, _ := m.View(id)
			if v.UploadRows != rows || v.Processed != rows || v.Failed != 1 {
				t.Errorf("the counts are gone: %+v", v)
			}
			u, err := m.UploadOf(id)
			if wrote := m.WriteRows(io.Discard, id); errors.Is(wrote, ErrDropped) != v.Dropped || errors.Is(err, ErrDropped) != v.Dropped || (u == nil) != v.Dropped {
				t.Errorf("%v: %v, %v", v.Dropped, wrote, err)
			}
			if page, _, _, err := m.RowPage(id, "", 0, 1); err != nil || (len(page) == 0) != v.Dropped {
				t.Errorf("%v: %v, %v", v.Dropped, page, err)
			}
			out = append(out, fmt.Sprint(v.Dropped))
		}
		return strings.Join(out, " ")
	}
	t.Run("are kept while there is room", func(t *testing.T) {
		m, ids := build(t)
		for _, id := range ids {
			if err := m.Delete(id); err != nil {
				t.Fatal(err)
			}
		}
		if got := dropped(t, m, ids); got != "false false false" {
			t.Error(got)
		}
	})
	t.Run("give way to newer ones, those that went first before the others", func(t *testing.T) {
		m, ids := build(t)
		merge(t, m.Settings, fmt.Sprintf(`{"gone_job_bytes": %d}`, 2*m.any(ids[0]).size()))
		for _, i := range []int{1, 0, 2} {
			if err := m.Delete(ids[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got := dropped(t, m, ids); got != "false true false" {
			t.Error(got)
		}
	})
	t.Run("are never taken from a job that the API shows", func(t *testing.T) {
		m, ids := build(t)
		merge(t, m.Settings, `{"gone_job_bytes": 0}`)
		if err := m.Delete(ids[0]); err != nil {
			t.Fatal(err)
		}
		if got := dropped(t, m, ids); got != "true false false" {
			t.Error(got)
		}
	})
	t.Run("leave a download whole that has begun", func(t *testing.T) {
		m, ids := build(t)
		merge(t, m.Settings, `{"gone_job_bytes": 0}`)
		r, err := m.Results(ids[0], SuccessfulFile, 66)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Delete(ids[0]); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := r.WriteTo(&b); err != nil || strings.Count(b.String(), "\n") != rows {
			t.Errorf("%d lines, %v", strings.Count(b.String(), "\n"), err)
		}
	})
	t.Run("go when their job is too old, though nobody looks at it", func(t *testing.T) {
		m, ids := build(t)
		merge(t, m.Settings, `{"gone_job_bytes": 0}`)
		m.Clock.Advance(keptFor + time.Hour)
		if _, err := m.Create(goneSpec); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if j := m.any(id); !j.dropped || j.gone != GoneExpired {
				t.Errorf("%+v", j.view())
			}
		}
	})
	t.Run("go after the last batch of their job, when that is still worked on", func(t *testing.T) {
		m := newManager(t, outcomesModel, func(s *settings.Settings) {
			s.GoneJobBytes, s.QueueDelay, s.RowsPerSecond = 0, 0, 1
		})
		id := uploaded(t, m, goneSpec, []byte("Key__c,LastName\n,N\n"))
		if _, err := m.Close(id); err != nil {
			t.Fatal(err)
		}
		m.Clock.Advance(keptFor + time.Hour)
		if v, _ := m.View(id); v.Gone != GoneExpired {
			t.Errorf("got %+v", v)
		}
		m.running.Wait()
		if v, _ := m.View(id); !v.Dropped {
			t.Errorf("got %+v", v)
		}
	})
}

func TestReset(t *testing.T) {
	t.Run("forgets what is kept of jobs that are gone", func(t *testing.T) {
		m := newManager(t, outcomesModel)
		if err := m.Delete(finished(t, m, 100)); err != nil {
			t.Fatal(err)
		}
		m.Reset(m.Store.Reset)
		if m.attic.held != 0 || len(m.attic.jobs) != 0 || len(m.Views()) != 0 {
			t.Errorf("%d bytes are held", m.attic.held)
		}
	})
	t.Run("after a stop begins nothing", func(t *testing.T) {
		m := newManager(t, outcomesModel)
		m.Stop()
		m.Reset(nil)
		id := finished(t, m, 10)
		if v, _ := m.View(id); v.State != UploadComplete {
			t.Errorf("got %+v", v)
		}
	})
}
