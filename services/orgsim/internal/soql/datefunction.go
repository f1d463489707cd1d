package soql

import (
	"strconv"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// dateFunction takes a part out of a date or a date-time (Salesforce: date functions).
type dateFunction struct {
	of    func(time.Time) int // nil for DAY_ONLY, which comes to a date
	timed bool                // for date-times only
}

// dateFunctions are the functions of dates. The fiscal year of a new org is that of the calendar.
var dateFunctions = map[string]dateFunction{
	"CALENDAR_YEAR":    {of: time.Time.Year},
	"CALENDAR_QUARTER": {of: quarterOf},
	"CALENDAR_MONTH":   {of: monthOf},
	"FISCAL_YEAR":      {of: time.Time.Year},
	"FISCAL_QUARTER":   {of: quarterOf},
	"FISCAL_MONTH":     {of: monthOf},
	"DAY_IN_MONTH":     {of: time.Time.Day},
	"DAY_IN_WEEK":      {of: func(t time.Time) int { return int(t.Weekday()) + 1 }}, // Sunday is 1
	"DAY_IN_YEAR":      {of: time.Time.YearDay},
	"WEEK_IN_MONTH":    {of: func(t time.Time) int { return (t.Day()-1)/7 + 1 }},
	"WEEK_IN_YEAR":     {of: func(t time.Time) int { return (t.YearDay()-1)/7 + 1 }},
	"HOUR_IN_DAY":      {of: time.Time.Hour, timed: true},
	"DAY_ONLY":         {timed: true},
}

func monthOf(t time.Time) int { return int(t.Month()) }

func quarterOf(t time.Time) int { return (int(t.Month())-1)/3 + 1 }

// typ is the type of what the function comes to.
func (f dateFunction) typ() org.FieldType {
	if f.of == nil {
		return org.TypeDate
	}
	return org.TypeInt
}

// apply computes the function of a stored date or date-time; "" for null.
func (f dateFunction) apply(v string) string {
	t, ok := storedTime(v)
	if !ok {
		return ""
	}
	if f.of == nil {
		return t.Format(time.DateOnly)
	}
	return strconv.Itoa(f.of(t))
}

// storedTime reads a date or a date-time in its stored form.
func storedTime(v string) (time.Time, bool) {
	form := org.Stamp
	if len(v) == len(time.DateOnly) {
		form = time.DateOnly
	}
	t, err := time.Parse(form, v)
	return t.UTC(), err == nil
}
