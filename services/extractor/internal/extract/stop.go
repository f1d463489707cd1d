package extract

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

// Codes of an alarm that stops a pipeline.
const (
	// StoppedRecreated: the stream was deleted and made again; places of the old one mean nothing in it.
	StoppedRecreated = "STREAM_RECREATED"
	// StoppedShortened: messages that were not read yet are gone, or the stream ends before what was read.
	StoppedShortened = "STREAM_SHORTENED"
	// StoppedReplaced: other messages stand where some were read, or where some were missing by a person's word, since the stream was put back to an earlier
	// state and written to.
	StoppedReplaced = "STREAM_REPLACED"
)

// foundError says that a message stands where the stream held none when a person accepted that it is lost. Whether it is that one or another nobody can say.
type foundError struct {
	stream string
	seq    uint64
}

func (e *foundError) Error() string {
	return fmt.Sprintf("stream %s: message %d stands where none did when it was accepted that it is lost: it was restored from another state", e.stream, e.seq)
}

// missing says once that there is no stream. A new pipeline's is made in a moment; one that was read before should be there.
func (r *Reader) missing(ctx context.Context) {
	h := r.held
	if h.missing {
		return
	}
	h.missing = true
	if h.Incarnation.IsZero() {
		r.Logger.InfoContext(ctx, "waiting for the stream to be made", "stream", bus.RecordsStream(r.pipeline))
		return
	}
	r.Logger.ErrorContext(ctx, "alarm: the stream is gone: restore it, or let ops make it again and see `extractor resume`", "stream", bus.RecordsStream(r.pipeline))
}

// found fails when a message behind what was read stands where none is to stand. The stream's leader is asked: a replica that hands messages out may hold what
// the leader has lost, and that was given up.
func (r *Reader) found(ctx context.Context, msgs []bus.Msg) error {
	h, stream := r.held, bus.RecordsStream(r.pipeline)
	gone := uint64(0) // up to there the leader holds nothing
	for _, m := range msgs {
		if m.Seq <= max(h.Read.Seq, gone) || !bus.Covered(h.skipped, m.Seq, m.Seq) || bus.IsFiller(m) {
			continue
		}
		next, err := r.Next(ctx, stream, m.Seq)
		switch {
		case errors.Is(err, bus.ErrNoMessage):
			return nil
		case err != nil:
			return err
		case next.Seq == m.Seq:
			return &foundError{stream: stream, seq: m.Seq}
		}
		gone = next.Seq - 1
	}
	return nil
}

// stopFor stops the pipeline when an error of the stream means loss; false = it does not. What is known is said once: as long as the cause stays, the alarm
// tells how things stood when it was found.
func (r *Reader) stopFor(ctx context.Context, cause error) (bool, error) {
	var (
		recreated *bus.IncarnationError
		shortened *bus.ShortenedError
		gap       *bus.GapError
		replaced  *bus.ReplacedError
		found     *foundError
		code      string
	)
	switch {
	case errors.As(cause, &recreated):
		code = StoppedRecreated
	case errors.As(cause, &shortened), errors.As(cause, &gap):
		code = StoppedShortened
	case errors.As(cause, &replaced), errors.As(cause, &found):
		code = StoppedReplaced
	default:
		return false, nil
	}
	h := r.held
	r.reopen(ctx)
	h.recheck = r.Now().Add(r.Recheck)
	r.Metrics.stopped(r.pipeline, true)
	if h.StoppedCode == code {
		return true, nil
	}
	known, err := r.known(ctx)
	if err != nil {
		return false, err
	}
	message := cause.Error() + "; " + known + ". Put the stream back as it was, or accept that what is missing is lost by `extractor resume " + r.pipeline +
		"`: reading then goes on with what the stream holds and nobody has read"
	if err := r.Store.Stop(ctx, h.Fence, code, message); err != nil {
		return false, err
	}
	h.StoppedCode, h.StoppedMessage = code, message
	r.Logger.ErrorContext(ctx, "alarm: the pipeline is stopped", "code", code, "message", message)
	return true, nil
}

// stillLost looks whether messages are missing behind a sequence that nobody has accepted as lost, or stand where they were: reading would come to them only
// later, and stop again. It fails with an error that stops.
func (r *Reader) stillLost(ctx context.Context, after uint64, skipped []bus.Range) error {
	stream := bus.RecordsStream(r.pipeline)
	holes, _, err := lost(ctx, r.Holes, stream, after, skipped)
	if err != nil {
		return err
	}
	if len(holes) > 0 {
		return &bus.GapError{Stream: stream, Expected: holes[0].From, Got: holes[0].Through + 1}
	}
	for _, s := range skipped {
		s.From = max(s.From, r.held.Read.Seq+1, after+1)
		m, there, err := firstOf(ctx, r.Next, stream, s)
		if err != nil {
			return err
		}
		if there {
			return &foundError{stream: stream, seq: m.Seq}
		}
	}
	return nil
}

// known says what the ledger has and what the stream holds.
func (r *Reader) known(ctx context.Context) (string, error) {
	marks, err := r.Store.Marks(ctx, r.pipeline)
	if err != nil {
		return "", err
	}
	skipped, err := r.Store.Skipped(ctx, r.pipeline)
	if err != nil {
		return "", err
	}
	low, high := bounds(marks)
	has := fmt.Sprintf("the ledger has what was read up to message %d", high.Seq)
	if low.Seq < high.Seq {
		has = fmt.Sprintf("the ledger has what was read up to message %d, of some lanes up to %d", low.Seq, high.Seq)
	}
	info, err := r.Info(ctx, bus.RecordsStream(r.pipeline))
	switch {
	case err != nil:
		return has + ", and what the stream holds cannot be asked", nil //nolint:nilerr // the alarm is the more important
	case info.Messages == 0:
		return fmt.Sprintf("%s, and the stream holds nothing: its next message is %d", has, info.Last+1), nil
	}
	holes, all, err := lost(ctx, r.Holes, bus.RecordsStream(r.pipeline), decidedUpTo(low), skipped)
	if err != nil {
		return fmt.Sprintf("%s, and the stream holds %d to %d, as far as it can be asked", has, info.First, info.Last), nil //nolint:nilerr // as above
	}
	return fmt.Sprintf("%s, and the stream holds %d to %d%s", has, info.First, info.Last, without(holes, all)), nil
}

// mostTold is how many holes an alarm names.
const mostTold = 5

// without says which messages are missing; all = false when there may be more.
func without(holes []bus.Range, all bool) string {
	var s strings.Builder
	for i, h := range holes[:min(len(holes), mostTold)] {
		s.WriteString([]string{" without ", ", "}[min(i, 1)])
		fmt.Fprint(&s, h.From)
		if h.Through > h.From {
			fmt.Fprintf(&s, " to %d", h.Through)
		}
	}
	if more := len(holes) - mostTold; more > 0 {
		fmt.Fprintf(&s, " and in %d places more", more)
	} else if !all && len(holes) > 0 {
		s.WriteString(" and more")
	}
	return s.String()
}

// bounds are the smallest and the greatest mark.
func bounds(marks map[int]record.Place) (low, high record.Place) {
	first := true
	for _, m := range marks {
		if first || m.Less(low) {
			low, first = m, false
		}
		if high.Less(m) {
			high = m
		}
	}
	return low, high
}
