package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bulkhead/libs/fault"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
)

// Fault points around the download of one result file.
const (
	pointBeforeFile = "reconciler.read.before_call"
	pointAfterFile  = "reconciler.read.after_call"
)

// download reads the result files that apply, once and whole. Whatever it returns an error for leaves nothing behind.
func (r *Reconciler) download(ctx context.Context, org Org, jobID string, job account.Job, c *chunk, x *account.Index) (*account.Reading, error) {
	reading := account.NewReading(x)
	err := r.file(ctx, org, jobID, salesforce.Successful, c, func(value string, row salesforce.Row) {
		reading.Landed(value, row.ID, row.Created)
	})
	if err != nil {
		return nil, err
	}
	err = r.file(ctx, org, jobID, salesforce.Failed, c, func(value string, row salesforce.Row) {
		reading.Failed(value, row.ID, row.Error)
	})
	if err != nil {
		return nil, err
	}
	landed, failed := reading.Told()
	if !job.NeedsUnprocessed(landed, failed, x.Sent()) {
		return reading, nil
	}
	err = r.file(ctx, org, jobID, salesforce.Unprocessed, c, func(value string, _ salesforce.Row) {
		reading.Unprocessed(value)
	})
	if err != nil {
		return nil, err
	}
	return reading, nil
}

// maxSurplus is how many more rows than were sent are read of one file before it is given up: more say nothing more.
const maxSurplus = 10_000

// file reads one result file to its end and hands over each row with its external id.
func (r *Reconciler) file(ctx context.Context, org Org, jobID string, kind salesforce.ResultKind, c *chunk, take func(value string, row salesforce.Row)) error {
	if err := fault.Point(ctx, pointBeforeFile); err != nil {
		return err
	}
	results, err := org.Results(ctx, jobID, kind)
	if err != nil {
		return err
	}
	defer func() { _ = results.Close() }() // the download is over either way; what was read is judged by Next
	keyAt := account.ColumnOf(results.Header(), c.ExternalIDField)
	for {
		row, err := results.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if keyAt < 0 {
			return fmt.Errorf("column %s is not in the header of the %s rows: %w", c.ExternalIDField, kind, salesforce.ErrMalformed)
		}
		take(row.Cells[keyAt], row)
		if results.Rows() > int64(c.Rows)+maxSurplus {
			break
		}
	}
	return fault.Point(ctx, pointAfterFile)
}
