package rest

import (
	"strings"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

// save saves one record in the name of the caller.
func (ex *exchange) save(o *org.Object, operation org.Operation, keyField string, record org.Member) (org.Outcome, error) {
	plan, rows, problem := ex.s.Store.NewRecordPlan(o, operation, keyField, []org.Member{record})
	if problem != nil {
		return org.Outcome{}, badRequest(problem)
	}
	ex.strike(plan, rows)
	return ex.saveCall([]org.Batch{{Plan: plan, Rows: rows}}, false)[0], nil
}

// saveCall saves in the name of the caller.
func (ex *exchange) saveCall(batches []org.Batch, allOrNone bool) []org.Outcome {
	if ex.saver != nil {
		return ex.saver(ex.user, batches, allOrNone)
	}
	return ex.s.Store.SaveCall(ex.user, batches, allOrNone)
}

// strike lets the faults of rows strike the records of a request.
func (ex *exchange) strike(p *org.Plan, rows []org.Row) {
	faults := ex.s.Faults.Rows(fault.Subject{Object: p.Object.Name, Operation: string(p.Operation)})
	if faults == nil {
		return
	}
	for i := range rows {
		cells := rows[i].Cells
		line := fault.Line{
			Key: p.KeyOf(cells), Names: func() []string { return ex.s.Store.Names(p, cells) },
			Cell: func(name string) (string, bool) { return ex.s.Store.Cell(p, cells, name) },
		}
		if line.Key == "" {
			line.Key = strings.Join(cells, "\x1f")
		}
		if text := faults.Error(line); text != "" {
			rows[i].Error = org.ParseRowError(text)
		}
	}
}
