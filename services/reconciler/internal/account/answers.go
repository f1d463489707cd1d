package account

import (
	"fmt"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// Call is a call of sObject Collections that was made for the chunk's rows from First up to, not including, End. Its rows stand in their order: a reply
// names what became of each in the order of the request (Salesforce: "processed and answered in request order").
type Call struct {
	First, End int
	// States is a byte a row: 'c' created, 'l' saved, 'f' refused, 0 left out; IDs are [IDSize] bytes a row, zero bytes where the reply named no id.
	// Both are nil of a call whose answer nobody knows: any of its rows may have landed.
	States, IDs []byte
}

// AnswerCalls takes in what calls of collections said of the chunk's rows, in place of result files. refused says why rows were refused, sent with which id
// a row of an update or delete was sent; "" = it is not known.
//
// A row that no call answered for has not been looked at, unless a call for it was made whose answer nobody knows: then it is missing. A row that two calls
// answered for, or an answer that leaves a row out, cannot be: the error wraps [ErrChunk].
func (r *Reading) AnswerCalls(calls []Call, refused map[int]salesforce.RowError, sent func(row int) string) error {
	unsure := make([]bool, r.index.chunk.Rows)
	for _, call := range calls {
		n := call.End - call.First
		if call.First < 0 || n <= 0 || call.End > r.index.chunk.Rows || call.States != nil && (len(call.States) != n || len(call.IDs) != n*IDSize) {
			return fmt.Errorf("%w: a call for its rows %d to %d of %d", ErrChunk, call.First, call.End, r.index.chunk.Rows)
		}
		for row := call.First; row < call.End; row++ {
			if r.index.leftOut(row) {
				continue
			}
			if call.States == nil {
				unsure[row] = true
				continue
			}
			if r.states[row] != 0 {
				return fmt.Errorf("%w: two calls answered for its row %d", ErrChunk, row)
			}
			at := row - call.First
			if err := r.answer(row, call.States[at], call.IDs[at*IDSize:(at+1)*IDSize], refused, sent(row)); err != nil {
				return err
			}
			unsure[row] = unsure[row] || r.states[row] == 0 // an answer that cannot be believed says nothing
		}
	}
	for row, state := range r.states {
		if state == 0 && !unsure[row] && !r.index.leftOut(row) {
			r.mark(row, record.OutcomeUnprocessed)
		}
	}
	r.repeated = unsure
	return nil
}

// answer takes in what a call said of one row.
func (r *Reading) answer(row int, state byte, id []byte, refused map[int]salesforce.RowError, sent string) error {
	switch state {
	case 'c', 'l':
		full, ok := r.answeredID(id)
		if ok && sent != "" && string(full) != sent {
			ok = false // the reply names another row than was sent
		}
		if !ok {
			r.badIDs++ // not taken as landed: it is missing, and sent again
			return nil
		}
		r.mark(row, record.OutcomeLanded)
		copy(r.ids[row*IDSize:], full)
		r.created[row] = state == 'c'
	case 'f':
		r.mark(row, record.OutcomeFailed)
		r.failures[row] = failureOf(r.classes, "", refused[row])
	default:
		return fmt.Errorf("%w: a call's answer leaves out its row %d, which was to be sent", ErrChunk, row)
	}
	return nil
}

// answeredID is the long form of an id that an answer names, good until the next call. One of another object than those before, or than the chunk's, is as
// none: an answer stands in the ledger for good, so nothing would be won by waiting until it says something else.
func (r *Reading) answeredID(id []byte) ([]byte, bool) {
	var before [IDSize]byte
	n := copy(before[:], r.prefix)
	full, ok := r.goodID(id)
	if !r.prefixes {
		return full, ok
	}
	r.prefix, r.prefixes = append(r.prefix[:0], before[:n]...), false
	return nil, false
}
