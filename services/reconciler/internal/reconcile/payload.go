package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/store"
)

// Fault points around a direct get from RECORDS.
const (
	pointBeforeGet = "reconciler.payload.before_get"
	pointAfterGet  = "reconciler.payload.after_get"
)

// original is what a record was before this chunk: its bytes as published and its tries so far.
type original struct {
	payload  []byte
	attempts []bus.LetterAttempt
}

// records finds the originals of one pipeline's records: a first try's in RECORDS by its place, a later one's in the ledger, by the failure
// or the letter that it is sent again from. One per chunk; not for concurrent use.
type records struct {
	r        *Reconciler
	pipeline string
	log      *slog.Logger

	checked  bool
	lost     bool // the stream is not the one that the places belong to
	source   store.Source
	replaced bool // it was put back to an earlier state: what was stored later than what was read is not what the places mean
}

// originals returns the originals of the entries, in their order. A payload that is nowhere any more is empty, logged and counted: the row as
// it was sent is still there, and with it everything that is needed to send it again.
func (p *records) originals(ctx context.Context, entries []*flowv1.ManifestEntry) ([]original, error) {
	var failureIDs []int64
	var letterIDs []uuid.UUID
	wanted := map[uint64][]uint32{}
	for _, e := range entries {
		switch {
		case e.GetFailureId() != 0:
			failureIDs = append(failureIDs, e.GetFailureId())
		case len(e.GetLetterId()) > 0:
			letterIDs = append(letterIDs, uuid.UUID(e.GetLetterId()))
		default:
			wanted[e.GetSeq()] = append(wanted[e.GetSeq()], e.GetIdx())
		}
	}
	byFailure, err := p.r.cfg.Store.PastFailures(ctx, failureIDs)
	if err != nil {
		return nil, err
	}
	byLetter, err := p.r.cfg.Store.PastLetters(ctx, letterIDs)
	if err != nil {
		return nil, err
	}
	byPlace, err := p.published(ctx, wanted)
	if err != nil {
		return nil, err
	}
	out := make([]original, len(entries))
	for i, e := range entries {
		var past store.Past
		var found bool
		switch {
		case e.GetFailureId() != 0:
			past, found = byFailure[e.GetFailureId()]
		case len(e.GetLetterId()) > 0:
			past, found = byLetter[uuid.UUID(e.GetLetterId())]
		default:
			past.Payload, found = byPlace[place{e.GetSeq(), e.GetIdx()}]
		}
		if !found {
			p.r.metrics.lostPayloads.Inc()
			p.log.ErrorContext(ctx, "payload of a record that did not land is not there any more; its row as sent is kept",
				"key", e.GetKey(), "sequence", e.GetSeq(), "index", e.GetIdx(), "failure_id", e.GetFailureId())
			continue
		}
		out[i].payload = past.Payload
		if len(past.Attempts) > 0 {
			if err := json.Unmarshal(past.Attempts, &out[i].attempts); err != nil {
				return nil, fmt.Errorf("attempts of key %q: %w", e.GetKey(), err)
			}
		}
	}
	return out, nil
}

// place is a record's place in RECORDS.
type place struct {
	seq uint64
	idx uint32
}

// published reads messages of RECORDS by direct get and takes them apart. wanted are the places in each.
func (p *records) published(ctx context.Context, wanted map[uint64][]uint32) (map[place][]byte, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	if err := p.check(ctx); err != nil || p.lost {
		return nil, err
	}
	if err := fault.Point(ctx, pointBeforeGet); err != nil {
		return nil, err
	}
	msgs, err := p.r.cfg.Streams.GetMany(ctx, bus.RecordsStream(p.pipeline), slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return nil, fmt.Errorf("payloads: %w", err)
	}
	if err := fault.Point(ctx, pointAfterGet); err != nil {
		return nil, err
	}
	out := make(map[place][]byte, len(wanted))
	for seq, m := range msgs {
		if p.source.Skips(seq) || p.replaced && p.source.Read.Before(m) {
			continue
		}
		places := wanted[seq]
		slices.Sort(places)
		raw, refusal := bus.DecodeSome(m.Header, m.Data, places)
		if refusal != nil {
			// The extractor took it apart once, so that this is another message: what it holds is not ours.
			p.log.ErrorContext(ctx, "message of RECORDS cannot be taken apart any more", "sequence", seq, "code", refusal.Code)
			continue
		}
		for _, r := range raw {
			out[place{seq, r.Idx}] = bytes.Clone(r.Body) // a copy: a record must not keep its whole frame in memory
		}
	}
	return out, nil
}

// check finds out, once per chunk, whether the stream is still the one that the places belong to. A stream made again, or put back to an earlier state, numbers
// other messages alike, and handing out one of those as a payload would be worse than none.
func (p *records) check(ctx context.Context) error {
	if p.checked {
		return nil
	}
	source, err := p.r.cfg.Store.Source(ctx, p.pipeline)
	if err != nil {
		return err
	}
	stream := bus.RecordsStream(p.pipeline)
	info, err := p.r.cfg.Streams.Info(ctx, stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		p.lost = true
	case err != nil:
		return fmt.Errorf("payloads: %w", err)
	case source.Incarnation != nil:
		// PostgreSQL keeps microseconds, the broker nanoseconds; whoever stored it may have cut or rounded.
		apart := source.Incarnation.Sub(info.Incarnation).Abs()
		p.lost = apart > time.Microsecond
	}
	hole := false
	if read := source.Read; !p.lost && read.Seq > 0 {
		found, err := p.r.cfg.Streams.GetMany(ctx, stream, []uint64{read.Seq})
		if err != nil {
			return fmt.Errorf("payloads: %w", err)
		}
		m, there := found[read.Seq]
		p.replaced, hole = read.Against(stream, info, m, there) != nil, !there && read.Seq >= info.First
	}
	if p.lost || p.replaced {
		p.log.ErrorContext(ctx, "RECORDS is gone, was made again or was put back: payloads of failures are lost", "stream", stream)
	}
	// Where the message is in a hole nobody knows: what was stored later is not ours in any case.
	p.checked, p.source, p.replaced = true, source, p.replaced || hole
	return nil
}
