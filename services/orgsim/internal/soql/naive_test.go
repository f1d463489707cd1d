package soql_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// naive answers conditions by another way than the package does: it writes each comparison out as a plain function of the
// values, and joins them as it draws them.
type naive struct {
	text  string
	holds func(row map[string]string) bool
}

// naiveFields are the fields that conditions are drawn over, with the values that rows may have. "" is null.
var naiveFields = map[string][]string{
	"Name":       {"ab", "AB", "a%b", "b_a", "c", "abc"},
	"Memo__c":    {"", "ab", "aB", "x\ny", "%"},
	"Employees":  {"", "-1", "0", "2", "10"},
	"Revenue__c": {"", "-0.50", "0.00", "2.00", "10.00"},
	"Since__c":   {"", "2026-11-17", "2026-11-18", "2027-01-01"},
	"Active__c":  {"true", "false"},
	"Industry":   {"", "Energy", "Banking"},
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// comparison draws a comparison of one field.
func comparison(t *rapid.T) naive {
	names := make([]string, 0, len(naiveFields))
	for name := range naiveFields {
		names = append(names, name)
	}
	slices.Sort(names)
	field := rapid.SampledFrom(names).Draw(t, "field")
	values := naiveFields[field]
	literal := func() (string, string) {
		v := rapid.SampledFrom(values).Draw(t, "value")
		switch {
		case v == "":
			return v, "null"
		case slices.Contains([]string{"Employees", "Revenue__c", "Since__c", "Active__c"}, field):
			return v, v
		default:
			return v, quote(v)
		}
	}
	number := func(v string) float64 { n, _ := strconv.ParseFloat(v, 64); return n }
	equal := func(a, b string) bool {
		if field == "Employees" || field == "Revenue__c" {
			return (a == "") == (b == "") && number(a) == number(b)
		}
		return strings.EqualFold(a, b)
	}
	less := func(a, b string) bool {
		if field == "Employees" || field == "Revenue__c" {
			return number(a) < number(b)
		}
		return strings.ToUpper(a) < strings.ToUpper(b)
	}
	ops := []string{"=", "!=", "IN", "NOT IN"}
	if field != "Active__c" {
		ops = append(ops, "<", "<=", ">", ">=")
	}
	if field == "Name" || field == "Memo__c" || field == "Industry" {
		ops = append(ops, "LIKE")
	}
	op := rapid.SampledFrom(ops).Draw(t, "op")
	switch op {
	case "IN", "NOT IN":
		var list, texts []string
		for range rapid.IntRange(1, 3).Draw(t, "values") {
			v, text := literal()
			list, texts = append(list, v), append(texts, text)
		}
		return naive{field + " " + op + " (" + strings.Join(texts, ", ") + ")", func(row map[string]string) bool {
			in := slices.ContainsFunc(list, func(v string) bool { return equal(row[field], v) })
			return in == (op == "IN")
		}}
	case "LIKE":
		pattern, form := "", "(?is)^"
		for range rapid.IntRange(0, 4).Draw(t, "pieces") {
			piece := rapid.SampledFrom([]string{"%", "_", "a", "B", "c", `\%`, `\_`}).Draw(t, "piece")
			pattern += piece
			switch piece {
			case "%":
				form += ".*"
			case "_":
				form += "."
			default:
				form += regexp.QuoteMeta(strings.TrimPrefix(piece, `\`))
			}
		}
		fits := regexp.MustCompile(form + "$")
		return naive{field + " LIKE '" + pattern + "'", func(row map[string]string) bool { return row[field] != "" && fits.MatchString(row[field]) }}
	}
	v, text := literal()
	return naive{field + " " + op + " " + text, func(row map[string]string) bool {
		have := row[field]
		switch op {
		case "=":
			return equal(have, v)
		case "!=":
			return !equal(have, v)
		}
		if have == "" || v == "" {
			return false
		}
		return map[string]bool{"<": less(have, v), "<=": !less(v, have), ">": less(v, have), ">=": !less(have, v)}[op]
	}}
}

// joined draws a condition; depth is how many joins may be in each other.
func joined(t *rapid.T, depth int) naive {
	kind := rapid.SampledFrom([]string{"one", "AND", "OR", "NOT"}).Draw(t, "kind")
	if depth == 0 || kind == "one" {
		return comparison(t)
	}
	if kind == "NOT" {
		inner := joined(t, depth-1)
		return naive{"NOT (" + inner.text + ")", func(row map[string]string) bool { return !inner.holds(row) }}
	}
	var parts []naive
	var texts []string
	for range rapid.IntRange(2, 3).Draw(t, "parts") {
		p := joined(t, depth-1)
		parts, texts = append(parts, p), append(texts, "("+p.text+")")
	}
	return naive{strings.Join(texts, " "+kind+" "), func(row map[string]string) bool {
		for _, p := range parts {
			if p.holds(row) == (kind == "OR") {
				return kind == "OR"
			}
		}
		return kind == "AND"
	}}
}

func TestConditionsHoldAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := emptyStore(t, model)
		var rows []map[string]string
		for i := range rapid.IntRange(0, 8).Draw(rt, "rows") {
			row := map[string]string{"External_Id__c": fmt.Sprintf("k%d", i)}
			for field, values := range naiveFields {
				if v := rapid.SampledFrom(values).Draw(rt, field); v != "" {
					row[field] = v
				}
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			seed(t, s, "Account", rows...)
		}
		for range 4 {
			c := joined(rt, 3)
			var want []string
			for _, row := range rows {
				if c.holds(row) {
					want = append(want, row["External_Id__c"])
				}
			}
			if got := names(t, s, "SELECT External_Id__c FROM Account WHERE "+c.text); strings.Join(got, ",") != strings.Join(want, ",") {
				rt.Fatalf("%s over %v found %v, want %v", c.text, rows, got, want)
			}
		}
	})
}

func TestOrdersAndGroupsAreWhatTheRowsSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := emptyStore(t, model)
		count, sum := map[string]int{}, map[string]int{}
		var rows []map[string]string
		for i := range rapid.IntRange(1, 12).Draw(rt, "rows") {
			row := map[string]string{"Name": fmt.Sprintf("n%02d", i)}
			industry := rapid.SampledFrom(naiveFields["Industry"]).Draw(rt, "industry")
			if industry != "" {
				row["Industry"] = industry
			}
			count[industry]++
			if n := rapid.IntRange(-3, 4).Draw(rt, "employees"); n != 4 {
				row["Employees"] = strconv.Itoa(n)
				sum[industry] += n
			}
			rows = append(rows, row)
		}
		seed(t, s, "Account", rows...)
		for _, line := range names(t, s, "SELECT Industry, COUNT(Id), SUM(Employees) FROM Account GROUP BY Industry") {
			cells := strings.Split(line, "|")
			if cells[1] != strconv.Itoa(count[cells[0]]) || cells[2] != "" && cells[2] != strconv.Itoa(sum[cells[0]]) {
				rt.Fatalf("rows %v came to %s", rows, line)
			}
			delete(count, cells[0])
		}
		if len(count) > 0 {
			rt.Fatalf("no group of %v", count)
		}
		desc, last := rapid.Bool().Draw(rt, "desc"), rapid.Bool().Draw(rt, "last")
		query := "SELECT Employees, Name FROM Account ORDER BY Employees"
		if desc {
			query += " DESC"
		}
		if last {
			query += " NULLS LAST"
		}
		lines := names(t, s, query+", Name")
		if !slices.IsSortedFunc(lines, func(a, b string) int {
			x, nameX, _ := strings.Cut(a, "|")
			y, nameY, _ := strings.Cut(b, "|")
			switch {
			case x == y:
				return strings.Compare(nameX, nameY)
			case x == "" || y == "":
				if (x == "") == last {
					return 1
				}
				return -1
			}
			n, _ := strconv.Atoi(x)
			m, _ := strconv.Atoi(y)
			if (n < m) == desc {
				return 1
			}
			return -1
		}) {
			rt.Fatalf("%s came to %v", query, lines)
		}
	})
}
