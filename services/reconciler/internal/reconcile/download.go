package reconcile

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
)

// Fault points around the download of one result file, and in it, where it has told of half as many rows as were sent.
const (
	pointBeforeFile = "reconciler.read.before_call"
	pointHalfFile   = "reconciler.read.at_half"
	pointAfterFile  = "reconciler.read.after_call"
)

// download reads the result files that apply, once and whole. Whatever it returns an error for leaves nothing behind.
func (r *Reconciler) download(ctx context.Context, org Org, log *slog.Logger, jobID string, job account.Job, c *chunk, x *account.Index) (*account.Reading, error) {
	reading := account.NewReading(x, org.Classes())
	for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed} {
		if err := r.file(ctx, org, log, jobID, kind, c, reading); err != nil {
			return nil, err
		}
	}
	if landed, failed := reading.Told(); !job.NeedsUnprocessed(landed, failed, x.Sent()) {
		return reading, nil
	}
	if err := r.file(ctx, org, log, jobID, salesforce.Unprocessed, c, reading); err != nil {
		return nil, err
	}
	return reading, nil
}

// maxSurplus is how many more rows than were sent are read of one file before it is given up: more say nothing more.
const maxSurplus = 10_000

// file reads one result file to its end and hands its rows to the reading.
func (r *Reconciler) file(ctx context.Context, org Org, log *slog.Logger, jobID string, kind salesforce.ResultKind, c *chunk, reading *account.Reading) error {
	if err := fault.Point(ctx, pointBeforeFile); err != nil {
		return err
	}
	results, err := org.Results(ctx, jobID, kind)
	if err != nil {
		return err
	}
	defer func() { _ = results.Close() }() // the download is over either way; what was read is judged by Next
	rows := reading.Open(kind, results.Header())
	for _, name := range results.Header() {
		if account.ColumnOf(c.Header, name) < 0 && account.ColumnOf([]string{account.ColumnID}, name) < 0 {
			log.InfoContext(ctx, "a result file has a column that was not sent; it is ignored", "file", kind.String(), "column", record.Storable(name, maxWord))
		}
	}
	for {
		row, err := results.NextRaw()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := rows.Take(row); err != nil {
			return err
		}
		if results.Rows() == (int64(c.Rows)+1)/2 {
			if err := fault.Point(ctx, pointHalfFile); err != nil {
				return err
			}
		}
		if results.Rows() > int64(c.Rows)+maxSurplus {
			break
		}
	}
	return fault.Point(ctx, pointAfterFile)
}
