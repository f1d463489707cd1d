package soql_test

import (
	"errors"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// FuzzParse reads and runs any text over a small org. What it finds has to be readable, its refusals are the package's
// own, and neither takes long.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id FROM Account", "SELECT COUNT() FROM Account WHERE Name = 'x' AND Employees IN (1, 2) LIMIT 5",
		"SELECT Id, Account.Name FROM Contact WHERE Id NOT IN ('a\\'b') ORDER BY LastName DESC NULLS LAST OFFSET 2", "'", "SELECT", "\\",
		"SELECT Id FROM Account LIMIT 99999999999999999999", "SELECT Id FROM Account LIMIT -1", "SELECT Id FROM Account LIMIT 1.5",
		"SELECT a.Name, (SELECT LastName, Account.Owner.Name FROM a.Contacts c WHERE LastName LIKE '%_\\%' LIMIT 1) FROM Account a",
		"SELECT Id FROM Account WHERE (Name = '\\u00e9' OR NOT (Employees < 5)) AND Id IN (SELECT AccountId FROM Contact)",
		"SELECT TYPEOF Who WHEN Account THEN Name ELSE LastName END, Who.Type FROM Task",
		"SELECT FIELDS(ALL) FROM Account WHERE Id = '001000000000000AAA' OR Id IN ('001000000000001AAA')",
		"SELECT Industry i, CALENDAR_YEAR(Since__c), COUNT(Id), GROUPING(Industry), AVG(Revenue__c) FROM Account GROUP BY ROLLUP(Industry, CALENDAR_YEAR(Since__c)) HAVING COUNT(Id) > 0 ORDER BY Industry NULLS LAST, COUNT(Id) DESC",
		"SELECT Id FROM Account WHERE Since__c = LAST_N_DAYS:30 OR CreatedDate >= N_FISCAL_QUARTERS_AGO:2 OR DAY_ONLY(CreatedDate) = 2026-11-18",
		"SELECT Id FROM Account USING SCOPE everything WITH USER_MODE FOR VIEW FOR REFERENCE UPDATE TRACKING, VIEWSTAT ALL ROWS",
	} {
		f.Add(seed)
	}
	s := newStore(f)
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		q, err := soql.Parse(text)
		if err == nil {
			_ = q.BulkRefusal()
			var res *soql.Result
			if res, err = q.RunAll(s); err == nil {
				s.Read(func(r org.Reader) { _ = tree(r, res.Object, res.Rows, res.Members) })
			}
		}
		var refusal *soql.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %v is not a *soql.Error", text, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%q took %v", text, took)
		}
	})
}
