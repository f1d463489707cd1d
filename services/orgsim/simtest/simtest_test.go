package simtest_test

import (
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestEveryTestHasAnOrgOfItsOwn(t *testing.T) {
	a, b := simtest.Start(t), simtest.Start(t, simtest.Seed(2))
	if a.URL == b.URL || a.OrgID() == b.OrgID() {
		t.Errorf("%s and %s are one org", a, b)
	}
	a.Seed("Account", map[string]string{"Name": "A"})
	if a.Counts()["Account"].Rows != 1 || b.Counts()["Account"].Rows != 0 {
		t.Error("they share rows")
	}
	if _, ok := b.Record("Account", "nobody"); ok {
		t.Error("a row of nobody was found")
	}
	if again := simtest.Attach(t, b.URL+"/"); again.OrgID() != b.OrgID() {
		t.Error("an attached org is another one")
	}
}
