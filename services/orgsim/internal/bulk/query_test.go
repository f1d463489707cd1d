package bulk

import (
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// queried runs a query job to its end.
func queried(t *testing.T, m *Manager, text string) string {
	t.Helper()
	info, err := m.CreateQuery(QuerySpec{Operation: QueryRows, Query: text, Version: 66})
	if err != nil {
		t.Fatal(err)
	}
	m.running.Wait()
	return info.ID
}

func result(t *testing.T, m *Manager, id string) string {
	t.Helper()
	page, err := m.QueryResults(id, "", "", 66)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	n, err := page.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d of %d bytes: %v", n, b.Len(), err)
	}
	return b.String()
}

func TestQueryJobsMakeRoom(t *testing.T) {
	m := newManager(t, outcomesModel)
	finished(t, m, 1_001) // one row of them fails
	const text = "SELECT Id FROM Contact"
	one := int64(1_000*rowBytes + len(text))
	m.stock.limit = 2 * one
	var ids []string
	for range 4 {
		ids = append(ids, queried(t, m, text))
	}
	t.Run("the oldest expire when there is no room for their rows, and are not found any more", func(t *testing.T) {
		for i, id := range ids {
			v, _ := m.View(id)
			if wants := i < 2; (v.Gone == GoneExpired) != wants || v.Processed != 1_000 || v.Query != text {
				t.Errorf("job %d: %+v", i, v)
			}
		}
		if _, err := m.QueryInfo(ids[0]); err == nil {
			t.Error("the oldest is still there")
		}
		if n := strings.Count(result(t, m, ids[3]), "\n"); n != 1_001 {
			t.Errorf("%d lines", n)
		}
	})
	t.Run("one that is deleted gives its room to others", func(t *testing.T) {
		if err := m.DeleteQuery(ids[3]); err != nil {
			t.Fatal(err)
		}
		queried(t, m, text)
		if v, _ := m.View(ids[2]); v.Gone != "" || m.stock.held != 2*one {
			t.Errorf("%+v, %d bytes are held", v, m.stock.held)
		}
	})
	t.Run("a single one that is too large stays, and a reset empties all", func(t *testing.T) {
		m.stock.limit = 1
		last := queried(t, m, text)
		if v, _ := m.View(last); v.Gone != "" || len(m.stock.jobs) != 1 {
			t.Errorf("%+v beside %d others", v, len(m.stock.jobs)-1)
		}
		m.Reset(nil)
		if len(m.stock.jobs) != 0 || m.stock.held != 0 {
			t.Errorf("%d bytes are held", m.stock.held)
		}
	})
}

func TestALongQueryThatIsGoneIsCutShort(t *testing.T) {
	m := newManager(t, outcomesModel)
	long := "SELECT Id FROM Contact WHERE LastName IN ('" + strings.Repeat("ä", 3_000) + "')"
	id := queried(t, m, long)
	if v, _ := m.View(id); v.Query != long {
		t.Error("it is cut short before its time")
	}
	if err := m.DeleteQuery(id); err != nil {
		t.Fatal(err)
	}
	if v, _ := m.View(id); len(v.Query) > goneText+4 || !strings.HasSuffix(v.Query, "…") || !strings.HasPrefix(long, strings.TrimSuffix(v.Query, "…")) {
		t.Errorf("got %q", v.Query)
	}
}

// What a job found stays as it was, although every later change comes within the same millisecond.
func TestResultsAreOfOneMoment(t *testing.T) {
	m := newManager(t, outcomesModel)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m.Clock.Set(at)
	finished(t, m, 3)
	const text = "SELECT LastName, IsDeleted FROM Contact"
	ids := []string{queried(t, m, text)}
	var rows []string
	m.Store.Read(func(r org.Reader) {
		o := m.Store.Model().Object("Contact")
		for row := range r.Rows(o) {
			rows = append(rows, r.ID(o, row))
		}
	})
	for _, spec := range []struct {
		operation org.Operation
		csv       string
	}{{org.Update, "Id,LastName\n" + rows[0] + ",changed\n"}, {org.Delete, "Id\n" + rows[1] + "\n"}} {
		id := uploaded(t, m, Spec{Object: "Contact", Operation: spec.operation, Version: 66}, []byte(spec.csv))
		if _, err := m.Close(id); err != nil {
			t.Fatal(err)
		}
		m.running.Wait()
		ids = append(ids, queried(t, m, text))
	}
	const header = "\"LastName\",\"IsDeleted\"\n"
	for i, want := range []string{
		header + "\"N\",\"false\"\n\"N\",\"false\"\n", header + "\"changed\",\"false\"\n\"N\",\"false\"\n", header + "\"changed\",\"false\"\n",
	} {
		if got := result(t, m, ids[i]); got != want {
			t.Errorf("job %d got %q, want %q", i, got, want)
		}
	}
}

// However long rows are, no more than some of them lie ready at a time.
func TestResultsAreWrittenInPieces(t *testing.T) {
	m := newManager(t, strings.ReplaceAll(outcomesModel, "type: string, length: 80", "type: textarea, length: 100000"))
	long := strings.Repeat("x", 50_000)
	id := uploaded(t, m, goneSpec, []byte("Key__c,LastName\n"+strings.Repeat(","+long+"\n", 100)))
	if _, err := m.Close(id); err != nil {
		t.Fatal(err)
	}
	m.running.Wait()
	id = queried(t, m, "SELECT LastName FROM Contact")
	page, err := m.QueryResults(id, "", "", 66)
	if err != nil {
		t.Fatal(err)
	}
	largest := 0
	n, err := page.WriteTo(writes(func(b []byte) { largest = max(largest, len(b)) }))
	if v, _ := m.View(id); err != nil || n != int64(len("\"LastName\"\n"))+v.ResultBytes || v.ResultBytes != 100*int64(len(long)+3) || largest > lockBytes+len(long)+3 {
		t.Errorf("%d bytes in pieces of up to %d, %+v: %v", n, largest, v, err)
	}
}

// writes is a writer that shows what it is given.
type writes func([]byte)

func (w writes) Write(b []byte) (int, error) { w(b); return len(b), nil }
