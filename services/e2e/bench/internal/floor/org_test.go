package floor_test

import (
	"testing"

	"bulkhead/services/e2e/bench/internal/floor"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/org"
	"bulkhead/services/orgsim/simtest"
)

func TestOrg(t *testing.T) {
	const records = 400
	sim := simtest.Start(t)
	o := org.New(sim.URL + "/")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(o.AtOnce(t.Context()))
	must(o.Script(t.Context(), people.Fault(0.05)))
	files, _, err := floor.Write(t.TempDir(), records)
	must(err)
	loaded, err := floor.Run(t.Context(), sim.URL, sim.ClientID, sim.Secret, files)
	must(err)
	t.Run("counts rows, and refusals by its rules", func(t *testing.T) {
		rows, err := o.Rows(t.Context(), people.Object)
		must(err)
		hits, err := o.Hits(t.Context())
		must(err)
		if rows != loaded.Landed || hits != loaded.Failed || hits == 0 || rows+hits != records {
			t.Errorf("%d rows, %d refusals; the client says %+v", rows, hits, loaded)
		}
	})
	t.Run("sums up what the org did to rows", func(t *testing.T) {
		worked, err := o.Worked(t.Context())
		must(err)
		if worked.Saved != loaded.Landed || worked.Refused != loaded.Failed {
			t.Errorf("%+v; the client says %+v", worked, loaded)
		}
	})
	t.Run("shows one row by its key, and says when it holds none", func(t *testing.T) {
		found := 0
		for i := range int64(10) {
			rec, ok, err := o.Record(t.Context(), people.Object, people.Key(i))
			must(err)
			if ok && rec.Fields[people.KeyField] == people.Key(i) && len(rec.ID) == 18 {
				found++
			}
		}
		if _, ok, err := o.Record(t.Context(), people.Object, "nobody"); ok || err != nil || found < 5 {
			t.Errorf("%d of 10 found; nobody: %t, %v", found, ok, err)
		}
	})
	t.Run("gives every row with the time at which it was saved", func(t *testing.T) {
		var n int64
		must(o.Records(t.Context(), people.Object, func(r org.Record) error {
			if len(r.Versions) == 1 && !r.Versions[0].At.IsZero() {
				n++
			}
			return nil
		}))
		if n != loaded.Landed {
			t.Errorf("%d of %d rows", n, loaded.Landed)
		}
	})
	t.Run("lists the calls; a login is none that counts", func(t *testing.T) {
		calls, err := o.Calls(t.Context())
		must(err)
		by := map[string]int{}
		for _, c := range calls {
			if c.Counted() {
				by[c.Endpoint]++
			}
		}
		if by["create"] != 1 || by["upload"] != 1 || by["close"] != 1 || by["success"] != 1 || by["failed"] != 1 || by["token"] != 0 {
			t.Errorf("%v", by)
		}
	})
}
