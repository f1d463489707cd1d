//go:build planted

package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault/planted"
)

// unbind lets go of the job that a submission is bound to, which no move of the ledger does: the planted bugs that make another job after
// the bind need it; without them it does nothing. The job stays a bound one in the ledger's book: one that was told of and is not is taken for forgotten.
func unbind(ctx context.Context, tx pgx.Tx, w *Work) error {
	if !planted.On(planted.NewJobAfterLostClose) && !planted.On(planted.SendAgainOn404) && !planted.On(planted.TakeoverAborts) {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE submitter.submissions SET state = 'created' WHERE chunk = $1 AND epoch = $2 AND state = 'bound'`, w.Chunk, w.Epoch)
	return err
}
