package reconcile_test

import (
	"context"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/reconciler/internal/reconcile"
)

// numbersAnew is an org that writes the numbers of a query's answer anew, as Salesforce does.
type numbersAnew struct{ reconcile.Org }

func (o numbersAnew) Lookup(ctx context.Context, object, field string, values []string, more ...string) ([]salesforce.Found, error) {
	found, err := o.Org.Lookup(ctx, object, field, values, more...)
	for i := range found {
		found[i].Value += ".0"
	}
	return found, err
}

func TestAnInsertedRowThatANumberNamesIsFoundHoweverTheOrgWritesIt(t *testing.T) {
	b := setup(t)
	b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: []string{"7"}}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
	b.form = inserts
	c := b.seal(record.ChunkFresh, []row{{cells: []string{"7", "Seven", "555", ""}, records: []rec{{key: "seven"}}}}).send()
	b.run(b.reconciler(func(config *reconcile.Config) {
		config.Org = func(context.Context, string) (reconcile.Org, error) { return numbersAnew{b.client}, nil }
	}), time.Hour)
	held, _ := b.sim.Record("Account", "7")
	if o := c.outcome(); o.States != "l" || string(o.IDs) != held.ID {
		t.Errorf("%+v %+v: a row that is there would be inserted again", o, c.failures())
	}
}

func TestARowThatDidNotFitTheUploadIsSentAgain(t *testing.T) {
	b := setup(t)
	b.form = updatesBy
	ids := b.seed("a", "b")
	c := b.seal(record.ChunkFresh, []row{accountRow("a"), accountRow("b")})
	c.resolvedTo(ids[0], "")
	c.unsent(1, "transient", "UPLOAD_IS_FULL")
	c.send(1)
	b.run(b.reconciler(), time.Hour)
	if o := c.outcome(); o.States != "lf" {
		t.Fatalf("%+v", o)
	}
	if f := c.failures(); len(f) != 1 || f[0].Disposition != "retry" || f[0].Code != "UPLOAD_IS_FULL" || f[0].LetterID.Valid {
		t.Errorf("%+v", f)
	}
}
