package soql

import "time"

// period says how long the stretch of time is that a date literal means, and where it lies (Salesforce: date formats and
// date literals in WHERE).
type period struct {
	unit    unit
	from    int  // first unit, counted from the present one: 0 is today, this week, …
	counted bool // a number follows behind a colon, and from says how it counts
	way     way
}

// unit is what a period is counted in.
type unit uint8

const (
	day unit = iota
	week
	month
	quarter
	year
)

// way is how a period lies to the present unit, when it is counted.
type way uint8

const (
	single way = iota // one unit: from, or n units ago
	last              // the n units before the present one; of days, today too
	next              // the n units behind the present one
)

// maxPeriod bounds the number behind a colon; no number of Salesforce is known.
const maxPeriod = 1_000_000

// firstYear and lastYear are those that periods are cut to: dates are compared as texts, whose years have four digits.
const firstYear, lastYear = 1, 9999

// periods are the date literals. The fiscal year of a new org is that of the calendar.
var periods = func() map[string]period {
	all := map[string]period{
		"YESTERDAY": {unit: day, from: -1}, "TODAY": {unit: day}, "TOMORROW": {unit: day, from: 1},
		"LAST_90_DAYS": {unit: day, from: 90, way: last}, "NEXT_90_DAYS": {unit: day, from: 90, way: next},
		"LAST_N_DAYS": {unit: day, way: last, counted: true}, "NEXT_N_DAYS": {unit: day, way: next, counted: true},
		"N_DAYS_AGO": {unit: day, counted: true},
	}
	for name, u := range map[string]unit{
		"WEEK": week, "MONTH": month, "QUARTER": quarter, "YEAR": year, "FISCAL_QUARTER": quarter, "FISCAL_YEAR": year,
	} {
		all["LAST_"+name], all["THIS_"+name], all["NEXT_"+name] = period{unit: u, from: -1}, period{unit: u}, period{unit: u, from: 1}
		all["LAST_N_"+name+"S"] = period{unit: u, way: last, counted: true}
		all["NEXT_N_"+name+"S"] = period{unit: u, way: next, counted: true}
		all["N_"+name+"S_AGO"] = period{unit: u, counted: true}
	}
	return all
}()

// span is the stretch from its first moment to the one behind its last. now is in UTC, n the number behind the colon.
func (p period) span(now time.Time, n int) (from, to time.Time) {
	first, count := p.from, 1
	switch {
	case p.way == last:
		if !p.counted {
			n = p.from
		}
		first, count = -n, n
		if p.unit == day {
			count++ // today
		}
	case p.way == next:
		if !p.counted {
			n = p.from
		}
		first, count = 1, n
	case p.counted:
		first = -n
	}
	start := p.unit.start(now)
	return clamp(p.unit.add(start, first)), clamp(p.unit.add(start, first+count))
}

// start is the first moment of the unit that holds a time; weeks begin on Sunday.
func (u unit) start(t time.Time) time.Time {
	y, m, d := t.Date()
	switch u {
	case week:
		d -= int(t.Weekday())
	case month:
		d = 1
	case quarter:
		m, d = (m-1)/3*3+1, 1
	case year:
		m, d = 1, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (u unit) add(t time.Time, n int) time.Time {
	switch u {
	case day:
		return t.AddDate(0, 0, n)
	case week:
		return t.AddDate(0, 0, 7*n)
	case month:
		return t.AddDate(0, n, 0)
	case quarter:
		return t.AddDate(0, 3*n, 0)
	default:
		return t.AddDate(n, 0, 0)
	}
}

func clamp(t time.Time) time.Time {
	switch {
	case t.Year() < firstYear:
		return time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > lastYear:
		return time.Date(lastYear, 12, 31, 23, 59, 59, 0, time.UTC)
	default:
		return t
	}
}
