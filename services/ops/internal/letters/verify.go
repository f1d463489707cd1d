package letters

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/bus"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// verifyBatch is how many messages one pass looks for.
const verifyBatch = 200

// Verify looks, once for each letter from the start of the process on, whether the messages of open letters stand where they were noted, and says how many it
// looked for. A ledger that was restored to an earlier moment calls letters open that were replayed or discarded since, and whose messages were deleted
// then. The reader does not go back to where they stood, so nobody else finds that out. Their deciders are asked for all open letters.
func (x *Index) Verify(ctx context.Context) (int, error) {
	x.verifying.Lock()
	defer x.verifying.Unlock()
	if x.verified {
		return 0, nil
	}
	rows, err := x.store.Read().MessagesOfOpen(ctx, db.MessagesOfOpenParams{After: int64(x.verifiedTo), MaxMessages: verifyBatch}) //nolint:gosec // a sequence
	if err != nil {
		return 0, fmt.Errorf("look for messages of open letters: %w", err)
	}
	if len(rows) == 0 {
		x.verified = true
		return 0, nil
	}
	if _, same, err := x.dlqAsRead(ctx); err != nil || !same {
		return 0, err // of a stream that was made again the reader notes all anew
	}
	var gone []store.LetterMessage
	for _, r := range rows {
		m := store.LetterMessage{Seq: uint64(r.Seq), LetterID: r.LetterID} //nolint:gosec // a sequence
		stored, err := bus.GetMessage(ctx, x.conn, bus.StreamDLQ, m.Seq)
		switch {
		case errors.Is(err, bus.ErrNoMessage), err == nil && stored.Header.Get(bus.HeaderDeadLetter) != m.LetterID.String():
			gone = append(gone, m)
		case err != nil:
			return 0, fmt.Errorf("look for the message of letter %s: %w", m.LetterID, err)
		}
	}
	if len(gone) > 0 {
		// Before the places are forgotten: whoever dies between the two finds them again.
		if err := bus.AskForLetters(ctx, x.conn); err != nil {
			return 0, err
		}
		for _, m := range gone {
			if err := x.store.ForgetMessage(ctx, m); err != nil {
				return 0, fmt.Errorf("forget where letter %s stood: %w", m.LetterID, err)
			}
		}
		x.logger.WarnContext(ctx, "open letters have no message on the DLQ stream, as when the ledger was restored to an earlier moment: open letters are asked for again", "letters", len(gone))
	}
	x.verifiedTo = uint64(rows[len(rows)-1].Seq) //nolint:gosec // a sequence
	return len(rows), nil
}
