package soql_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestAggregates(t *testing.T) {
	s := newStore(t)
	seed(t, s, "Account",
		map[string]string{"Name": "delta", "Industry": "Banking", "Employees": "20", "Revenue__c": "0.10", "Since__c": "2021-05-06"},
		map[string]string{"Name": "ALPHA", "Industry": "Banking", "Since__c": "2020-03-04"})
	for _, tc := range []finding{
		{"COUNT leaves null out", "SELECT COUNT(Id), COUNT(Employees), COUNT_DISTINCT(Name), COUNT_DISTINCT(Industry) FROM Account", "5|3|4|2"},
		{"SUM, AVG, MIN and MAX of numbers", "SELECT SUM(Employees), AVG(Employees), MIN(Employees), MAX(Employees), SUM(Revenue__c) FROM Account", "39|13|9|20|10.40"},
		{"MIN and MAX of texts, dates and picklists", "SELECT MIN(Name), MAX(Name), MIN(Since__c), MAX(Since__c), MIN(Industry), MAX(Industry) FROM Account", "Alpha|gamma|2020-01-02|2021-05-06|Energy|Banking"},
		{"of nothing there is a count and no sum", "SELECT COUNT(Id), SUM(Employees), MIN(Name) FROM Account WHERE Name = 'nobody'", "0||"},
		{"a row for each group, null too", "SELECT Industry, COUNT(Id) FROM Account GROUP BY Industry", "|1,Energy|1,Banking|3"},
		{"groups alone", "SELECT Industry FROM Account GROUP BY Industry ORDER BY Industry DESC NULLS LAST", "Banking,Energy,"},
		{"texts make one group whatever their case", "SELECT Name, COUNT(Id) FROM Account GROUP BY Name HAVING COUNT(Id) > 1", "Alpha|2"},
		{"groups of several fields", "SELECT Industry, Active__c, COUNT(Id) n FROM Account GROUP BY Industry, Active__c ORDER BY COUNT(Id) DESC, Industry LIMIT 2", "Banking|false|2,|false|1"},
		{"groups of a parent's field", "SELECT Account.Name, COUNT(Id) FROM Contact GROUP BY Account.Name", "|1,Alpha|1"},
		{"groups of a part of a date", "SELECT CALENDAR_YEAR(Since__c), COUNT(Id) FROM Account WHERE Since__c != null GROUP BY CALENDAR_YEAR(Since__c) ORDER BY CALENDAR_YEAR(Since__c) DESC", "2021|1,2020|2"},
		{"HAVING asks groups and aggregates", "SELECT Industry FROM Account GROUP BY Industry HAVING (SUM(Employees) > 5 OR COUNT(Id) = 1) AND (NOT Industry = 'Energy')", ",Banking"},
		{"an alias that is a field's name stays an alias", "SELECT MAX(Name) Industry, COUNT(Id) FROM Account GROUP BY Industry ORDER BY Industry DESC LIMIT 1", "gamma|1"},
		{"LIMIT and OFFSET count groups", "SELECT Industry FROM Account GROUP BY Industry LIMIT 1 OFFSET 1", "Energy"},
		{"ROLLUP adds subtotals", "SELECT Industry, Active__c, GROUPING(Industry) gi, GROUPING(Active__c) ga, COUNT(Id) FROM Account WHERE Industry = 'Banking' GROUP BY ROLLUP(Industry, Active__c)", "Banking|false|0|0|2,Banking|true|0|0|1,Banking||0|1|3,||1|1|3"},
		{"CUBE adds all subtotals", "SELECT Industry, Active__c, COUNT(Id) FROM Account WHERE Industry = 'Banking' GROUP BY CUBE(Industry, Active__c)", "Banking|false|2,Banking|true|1,Banking||3,|false|2,|true|1,||3"},
	} {
		tc.run(t, s)
	}
	t.Run("columns without an alias are numbered among themselves", func(t *testing.T) {
		var got []string
		for _, c := range found(t, s, "SELECT Name, MAX(Employees), MIN(Employees) least, SUM(Employees) FROM Account GROUP BY Name").Tally.Columns {
			got = append(got, fmt.Sprintf("%s=%s", c.Name, c.Shown))
		}
		if strings.Join(got, " ") != "Name=Name expr0=max(Employees) least=min(Employees) expr1=sum(Employees)" {
			t.Errorf("got %v", got)
		}
	})
}

func TestBadAggregatesAreRefused(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct{ does, query, part string }{
		{"a field outside the groups", "SELECT Name, COUNT(Id) FROM Account", "Field must be grouped or aggregated: Name"},
		{"an order outside the groups", "SELECT COUNT(Id) FROM Account GROUP BY Industry ORDER BY Name", "Ordered field must be grouped or aggregated: Name"},
		{"an order by an aggregate of rows", "SELECT Id FROM Account ORDER BY COUNT(Id)", "Field must be grouped or aggregated: Id"},
		{"a condition outside the groups", "SELECT COUNT(Id) FROM Account GROUP BY Industry HAVING Name = 'x'", "Field must be grouped or aggregated: Name"},
		{"all fields", "SELECT FIELDS(ALL), COUNT(Id) FROM Account GROUP BY Industry LIMIT 200", "Field must be grouped or aggregated"},
		{"LIMIT without a group", "SELECT MAX(Employees) FROM Account LIMIT 1", "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"},
		{"an order by an alias", "SELECT COUNT(Id) Name FROM Account GROUP BY Industry ORDER BY Name", "Ordered field must be grouped or aggregated: Name"},
		{"a sum of texts", "SELECT SUM(Name) FROM Account", "field Name does not support aggregate operator SUM"},
		{"a count of a checkbox", "SELECT COUNT(Active__c) FROM Account", "field Active__c does not support aggregate operator COUNT"},
		{"a count of a long text", "SELECT COUNT(Story__c) FROM Account", "does not support aggregate operator COUNT"},
		{"groups of a date-time", "SELECT COUNT(Id) FROM Account GROUP BY CreatedDate", "field 'CreatedDate' can not be grouped in a query call"},
		{"groups of amounts", "SELECT COUNT(Id) FROM Account GROUP BY Revenue__c", "can not be grouped in a query call"},
		{"groups of an aggregate", "SELECT COUNT(Id) FROM Account GROUP BY MAX(Name)", "Grouped field should not be aggregated"},
		{"two columns of one name", "SELECT COUNT(Id) n, MAX(Name) N FROM Account", "duplicate alias: N"},
		{"an aggregate in WHERE", "SELECT Name FROM Account WHERE COUNT(Id) > 1", "COUNT"},
		{"an alias of a field", "SELECT Name n FROM Account", "only aggregate expressions use field aliasing"},
		{"a date function without its group", "SELECT CALENDAR_YEAR(Since__c) FROM Account", "Field must be grouped or aggregated"},
		{"an hour of a day", "SELECT COUNT(Id) FROM Account GROUP BY HOUR_IN_DAY(Since__c)", "HOUR_IN_DAY"},
		{"GROUPING without subtotals", "SELECT GROUPING(Industry) FROM Account GROUP BY Industry", "GROUPING"},
		{"COUNT() with GROUP BY", "SELECT COUNT() FROM Account GROUP BY Industry", "COUNT()"},
		{"COUNT() with ORDER BY", "SELECT COUNT() FROM Account ORDER BY Name", "ORDER BY"},
		{"COUNT() among others", "SELECT COUNT(), Name FROM Account", "unexpected token: ','"},
		{"a sub-query beside an aggregate", "SELECT COUNT(Id), (SELECT Id FROM Contacts) FROM Account", "sub-queries"},
		{"an aggregate in a sub-query", "SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account", "only root queries support aggregate expressions"},
		{"too many subtotals", "SELECT COUNT(Id) FROM Account GROUP BY CUBE(Name, Industry, Since__c, OwnerId)", "at most 3"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if e := refusal(t, s, tc.query); e == nil || e.Code != "MALFORMED_QUERY" || !strings.Contains(e.Message, tc.part) {
				t.Errorf("got %v", e)
			}
		})
	}
}
