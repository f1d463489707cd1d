package soql_test

import (
	"fmt"
	"testing"

	"bulkhead/services/orgsim/internal/soql"
)

// BenchmarkConditions asks 100,000 rows; maxWork is set by what one comparison takes.
func BenchmarkConditions(b *testing.B) {
	const rows = 100_000
	s := emptyStore(b, model)
	records := make([]map[string]string, rows)
	for i := range records {
		records[i] = map[string]string{"Name": fmt.Sprintf("Account number %d", i), "Employees": fmt.Sprint(i % 1000), "Since__c": "2026-11-18", "Industry": "Banking"}
	}
	seed(b, s, "Account", records...)
	for _, text := range []string{
		"SELECT COUNT() FROM Account WHERE Employees > 500",
		"SELECT COUNT() FROM Account WHERE Name = 'x'",
		"SELECT COUNT() FROM Account WHERE Name LIKE '%7_%'",
		"SELECT COUNT() FROM Account WHERE Since__c = THIS_MONTH",
		"SELECT COUNT() FROM Account WHERE Owner.Name = 'x'",
		"SELECT Id FROM Account ORDER BY Name DESC",
		"SELECT Industry, SUM(Employees) FROM Account GROUP BY Industry",
	} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				q, err := soql.Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := q.Run(s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
