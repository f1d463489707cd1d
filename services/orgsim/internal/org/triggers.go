package org

import (
	"fmt"
	"slices"
)

// batchSaveRetries is how often Salesforce runs a transaction again without the rows that failed, when code of the org
// takes part in it.
const batchSaveRetries = 2

// rounds runs the org's code over a transaction before anything of it is saved. As real orgs do, it runs again without
// the rows that failed, at most twice; if rows still fail then, all that are left fail with them, whatever they are
// themselves. Rows that end here have their outcome set; the others are to be saved.
//
// What only saving can find, a value that another row of the same transaction takes, fails its row without another run.
func (sv *saver) rounds(rows []Row, out []Outcome) {
	for round := 1; ; round++ {
		live := 0
		for i := range out {
			if out[i].Result == Unprocessed {
				live++
			}
		}
		failed := 0
		for i := range rows {
			if out[i].Result != Unprocessed {
				continue
			}
			sv.facts.rows, sv.facts.round = live, round
			if row, problem := sv.rehearse(&rows[i]); problem != nil {
				out[i] = sv.failure(row, problem)
				failed++
			}
		}
		if failed == 0 {
			return
		}
		if round > batchSaveRetries {
			sv.collateral(rows, out, failed)
			return
		}
	}
}

// collateral fails the rows that are left of a transaction.
func (sv *saver) collateral(rows []Row, out []Outcome, failed int) {
	for i := range rows {
		if out[i].Result != Unprocessed {
			continue
		}
		row := noRow
		if sv.p.Operation != Insert {
			row, _, _ = sv.target(&rows[i])
		}
		out[i] = sv.failure(row, rowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", fmt.Sprintf(
			"Too many retries of batch save in the presence of Apex triggers with failures: %d Number of retries: %d", failed, batchSaveRetries)))
	}
}

// rehearse does everything for a row but save it.
func (sv *saver) rehearse(r *Row) (uint32, *RowError) {
	if sv.p.deletes() {
		row, problem := sv.deletable(r)
		if problem == nil {
			unpack(sv.t.rows[row].now.data, sv.old)
			problem = sv.fire(Delete, nil, sv.old)
		}
		return row, problem
	}
	row, exists, problem := sv.prepare(r)
	if problem != nil {
		return row, problem
	}
	op, old := Insert, []string(nil)
	if exists {
		op, old = Update, sv.old
	}
	if problem = sv.fire(op, sv.values, old); problem == nil {
		problem = sv.check(row, exists)
	}
	return row, problem
}

// fire runs the triggers of an operation on one row.
func (sv *saver) fire(op Operation, values, old []string) *RowError {
	for i := range sv.p.Object.Triggers {
		t := &sv.p.Object.Triggers[i]
		if !slices.Contains(t.On, op) {
			continue
		}
		sv.facts.new, sv.facts.old, sv.facts.isNew = values, old, op == Insert
		refuses, err := t.refuse.holds(&sv.facts)
		cause := t.Error
		if err != nil {
			cause = err.Error()
		}
		if refuses || err != nil {
			return rowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", t.Name+": execution of "+event(op)+" caused by: "+cause)
		}
	}
	return nil
}

// event is what an operation is called in the texts of triggers.
func event(op Operation) string {
	switch op {
	case Insert:
		return "BeforeInsert"
	case Update:
		return "BeforeUpdate"
	default:
		return "BeforeDelete"
	}
}
