package soql_test

import (
	"strings"
	"testing"
	"time"
)

func TestPeriods(t *testing.T) {
	// The day of these tests is Wednesday, 2026-11-18; its week began on Sunday, 2026-11-15.
	for _, tc := range []struct{ period, first, last string }{
		{"YESTERDAY", "2026-11-17", "2026-11-17"},
		{"TODAY", "2026-11-18", "2026-11-18"},
		{"TOMORROW", "2026-11-19", "2026-11-19"},
		{"LAST_WEEK", "2026-11-08", "2026-11-14"},
		{"THIS_WEEK", "2026-11-15", "2026-11-21"},
		{"NEXT_WEEK", "2026-11-22", "2026-11-28"},
		{"LAST_MONTH", "2026-10-01", "2026-10-31"},
		{"THIS_MONTH", "2026-11-01", "2026-11-30"},
		{"NEXT_MONTH", "2026-12-01", "2026-12-31"},
		{"LAST_QUARTER", "2026-07-01", "2026-09-30"},
		{"THIS_QUARTER", "2026-10-01", "2026-12-31"},
		{"NEXT_QUARTER", "2027-01-01", "2027-03-31"},
		{"LAST_YEAR", "2025-01-01", "2025-12-31"},
		{"THIS_YEAR", "2026-01-01", "2026-12-31"},
		{"NEXT_YEAR", "2027-01-01", "2027-12-31"},
		{"THIS_FISCAL_QUARTER", "2026-10-01", "2026-12-31"},
		{"LAST_FISCAL_YEAR", "2025-01-01", "2025-12-31"},
		{"LAST_90_DAYS", "2026-08-20", "2026-11-18"},
		{"NEXT_90_DAYS", "2026-11-19", "2027-02-16"},
		{"LAST_N_DAYS:2", "2026-11-16", "2026-11-18"},
		{"LAST_N_DAYS:0", "2026-11-18", "2026-11-18"},
		{"NEXT_N_DAYS:2", "2026-11-19", "2026-11-20"},
		{"N_DAYS_AGO:2", "2026-11-16", "2026-11-16"},
		{"LAST_N_WEEKS:2", "2026-11-01", "2026-11-14"},
		{"NEXT_N_WEEKS:1", "2026-11-22", "2026-11-28"},
		{"N_WEEKS_AGO:1", "2026-11-08", "2026-11-14"},
		{"LAST_N_MONTHS:2", "2026-09-01", "2026-10-31"},
		{"NEXT_N_MONTHS:2", "2026-12-01", "2027-01-31"},
		{"N_MONTHS_AGO:11", "2025-12-01", "2025-12-31"},
		{"LAST_N_QUARTERS:2", "2026-04-01", "2026-09-30"},
		{"NEXT_N_QUARTERS:2", "2027-01-01", "2027-06-30"},
		{"N_QUARTERS_AGO:3", "2026-01-01", "2026-03-31"},
		{"LAST_N_YEARS:2", "2024-01-01", "2025-12-31"},
		{"NEXT_N_YEARS:1", "2027-01-01", "2027-12-31"},
		{"N_YEARS_AGO:2", "2024-01-01", "2024-12-31"},
		{"NEXT_N_FISCAL_QUARTERS:1", "2027-01-01", "2027-03-31"},
		{"N_FISCAL_YEARS_AGO:1", "2025-01-01", "2025-12-31"},
	} {
		t.Run(tc.period, func(t *testing.T) {
			s := emptyStore(t, model)
			date := func(d string, days int) string {
				day, err := time.Parse(time.DateOnly, d)
				if err != nil {
					t.Fatal(err)
				}
				return day.AddDate(0, 0, days).Format(time.DateOnly)
			}
			for name, d := range map[string]string{"1": date(tc.first, -1), "2": tc.first, "3": tc.last, "4": date(tc.last, 1)} {
				seed(t, s, "Account", map[string]string{"Name": name, "Since__c": d, "Seen__c": d + "T00:00:00Z"})
			}
			seed(t, s, "Account", map[string]string{"Name": "null"})
			for op, want := range map[string]string{"=": "2,3", "!=": "1,4,null", "<": "1", "<=": "1,2,3", ">": "4", ">=": "2,3,4"} {
				for _, field := range []string{"Since__c", "Seen__c"} {
					if got := strings.Join(names(t, s, "SELECT Name FROM Account WHERE "+field+" "+op+" "+strings.ToLower(tc.period)+" ORDER BY Name"), ","); got != want {
						t.Errorf("%s %s %s found %s, want %s", field, op, tc.period, got, want)
					}
				}
			}
		})
	}
	t.Run("the last days go up to the present second", func(t *testing.T) {
		s := emptyStore(t, model)
		seed(t, s, "Account",
			map[string]string{"Name": "now", "Seen__c": now.Format(time.RFC3339)},
			map[string]string{"Name": "soon", "Seen__c": now.Add(time.Second).Format(time.RFC3339)})
		for period, want := range map[string]string{"LAST_N_DAYS:1": "now", "TODAY": "now,soon"} {
			if got := strings.Join(names(t, s, "SELECT Name FROM Account WHERE Seen__c = "+period), ","); got != want {
				t.Errorf("%s found %s", period, got)
			}
		}
	})
	t.Run("periods as long as history are cut to it", func(t *testing.T) {
		s := emptyStore(t, model)
		seed(t, s, "Account", map[string]string{"Name": "old", "Since__c": "1700-01-01"}, map[string]string{"Name": "far", "Since__c": "4000-12-31"})
		for period, want := range map[string]string{"LAST_N_YEARS:1000000": "old", "NEXT_N_YEARS:1000000": "far", "LAST_N_DAYS:1000000": "old", "N_YEARS_AGO:1000000": ""} {
			if got := strings.Join(names(t, s, "SELECT Name FROM Account WHERE Since__c = "+period), ","); got != want {
				t.Errorf("%s found %s", period, got)
			}
		}
	})
}
