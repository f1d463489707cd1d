//go:build planted

package account

import "bulkhead/libs/record"

// position is the first row that was sent and of which no file has told yet: what the next result row is about, if results came in the
// order of the upload.
func (r *Reading) position() (int, bool) {
	for row, state := range r.states {
		if state == 0 && !r.index.leftOut(row) {
			return row, true
		}
	}
	return 0, false
}

// sendAllAgain makes every row that landed one that is sent again, when any row is.
func (o *Outcome) sendAllAgain(job Job) {
	again := false
	for row := range o.States {
		if of := o.Of(row); of != record.OutcomeLanded && of != record.OutcomeSuperseded {
			again = again || Dispose(o, row, job).Disposition == DispositionRetry
		}
	}
	for row := range o.States {
		if again && o.Of(row) == record.OutcomeLanded {
			o.States[row] = record.OutcomeUnprocessed.Byte()
			clear(o.IDs[row*IDSize : (row+1)*IDSize])
			o.Landed--
			o.Unprocessed++
		}
	}
	if again {
		o.Created = 0
	}
}
