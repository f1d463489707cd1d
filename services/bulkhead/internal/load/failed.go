package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// failedLine is what is read of a line of ops' export of failed records.
type failedLine struct {
	Run      string `json:"run"`
	Key      string `json:"key"`
	State    string `json:"state"`
	Class    string `json:"class"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	LetterID string `json:"letter_id"`
	Sequence uint64 `json:"sequence"`
	Index    int    `json:"index"`
}

// maxFailedLine bounds a line of the export: a payload of 900 KiB, every byte of it escaped, and what stands beside it.
const maxFailedLine = 8 << 20

// maxHeld bounds the failed records whose lines are looked for by reading the file once more; further ones keep their keys and have no line.
const maxHeld = 200_000

// busyEvery is the pause before an export is asked for again while ops makes as many as it does at a time.
const busyEvery = time.Second

// failed reads what of the run has not landed, all of one moment and the same that the balance counts, and finds each record's line: from its key,
// from where this load's frames lie, or, where the definition names the key and an earlier load published the record, in the file.
func (l *loader) failed(ctx context.Context, s *sending) error {
	var held []Problem
	err := l.export(ctx, l.run, func(f failedLine) error {
		p := f.problem()
		if p.Line = lineOf(l.known.prefix(), f.Key); p.Line == 0 {
			p.Line = s.lines.at(f.Sequence, f.Index)
		}
		if p.Line == 0 && len(l.def.Key) > 0 && len(held) < maxHeld {
			held = append(held, p)
			return nil
		}
		return l.tellOwn(p)
	})
	if err != nil {
		return err
	}
	if err := l.search(ctx, held); err != nil {
		return err
	}
	for _, p := range held {
		if err := l.tellOwn(p); err != nil {
			return err
		}
	}
	return nil
}

// tellOwn tells of a record of this run, and remembers the lines of those that reuse a key for something else: such a row is no repeat.
func (l *loader) tellOwn(p Problem) error {
	if p.Code == record.CodeKeyReused && p.Line > 0 && len(l.reused) < maxHeld {
		l.reused[p.Line] = true
	}
	return l.problems.put(p)
}

// repeated reads what the file's rows are repeats of and has not landed, as far as other runs brought it: a record belongs to the run that brought it
// first, and is in the balance of no other. own is how many records of this run have not landed.
//
// Of the pipeline's records those are this file's whose key is made of it, and those whose key the definition makes of a row. Of the latter no more
// than maxHeld are looked for; how many were not is told.
func (l *loader) repeated(ctx context.Context, own int64) error {
	whole, _, err := l.c.Ops.Balance(ctx, l.c.Pipeline, "")
	if err != nil {
		return err
	}
	if notLanded(whole.GetBalance()) <= own {
		return nil
	}
	tell := func(p Problem) error {
		l.result.RepeatsNotLanded++
		return l.problems.put(p)
	}
	var held []Problem
	err = l.export(ctx, "", func(f failedLine) error {
		if f.Run == l.run {
			return nil
		}
		p := f.problem()
		p.Repeat, p.Run = true, f.Run
		switch p.Line = lineOf(l.known.prefix(), f.Key); {
		case p.Line > 0:
			return tell(p)
		case len(l.def.Key) == 0 || record.IsMadeKey(f.Key):
		case len(held) < maxHeld:
			held = append(held, p)
		default:
			l.result.RepeatsUnchecked++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := l.result.RepeatsUnchecked; n > 0 {
		fmt.Fprintf(l.c.Notes, "note: %d records of other runs in %s have not landed beside the %d that were compared with this file: rows of it may be repeats of them (bulkhead dlq ls --pipeline %s)\n",
			n, l.c.Pipeline, maxHeld, l.c.Pipeline)
	}
	if err := l.search(ctx, held); err != nil {
		return err
	}
	for _, p := range held {
		if p.Line == 0 {
			continue // of another file
		}
		if err := tell(p); err != nil {
			return err
		}
	}
	return nil
}

// notLanded are the records that an export of failed ones holds.
func notLanded(b *opsv1.Balance) int64 {
	return b.GetDead() + b.GetUnresolved() + b.GetRetrying() + b.GetWaitingForParent()
}

func (f failedLine) problem() Problem {
	return Problem{State: f.State, Class: f.Class, Code: f.Code, Message: f.Message, Key: f.Key, Letter: f.LetterID}
}

// export gives each record of ops' export of what has not landed to a function; run "" = of all runs.
func (l *loader) export(ctx context.Context, run string, each func(failedLine) error) error {
	l.c.Progress.Phase("read what failed")
	defer l.c.Progress.Done()
	e, err := l.openExport(ctx, run)
	if err != nil {
		return err
	}
	defer e.Close()
	var (
		n, tell int64
		lines   = bufio.NewScanner(e)
	)
	lines.Buffer(make([]byte, 64<<10), maxFailedLine)
	for ; lines.Scan(); n++ {
		var f failedLine
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return fmt.Errorf("ops' export of failed records: %w", err)
		}
		if err := each(f); err != nil {
			return err
		}
		if n >= tell {
			tell = n + tellEvery
			l.c.Progress.At(n, e.Records, "records that did not land")
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if n != e.Records {
		return fmt.Errorf("ops announced %d failed records and sent %d: run the same command again", e.Records, n)
	}
	return nil
}

// openExport waits while ops makes as many exports as it does at a time.
func (l *loader) openExport(ctx context.Context, run string) (*opsclient.Export, error) {
	for {
		e, err := l.c.Ops.Export(ctx, "failed", l.c.Pipeline, run, FormatNDJSON)
		var refused *opsclient.Error
		if !errors.As(err, &refused) || refused.Code != codes.ResourceExhausted {
			return e, err
		}
		l.c.Progress.At(0, 0, refused.Message)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(busyEvery):
		}
	}
}

// search finds lines by the keys that the definition makes of the file's rows. Of several rows with one key the first is meant: the others are
// repeats, or refused under a key of their own, as is a row whose key was known with other content.
func (l *loader) search(ctx context.Context, held []Problem) error {
	if len(held) == 0 {
		return nil
	}
	wanted := make(map[string]*Problem, len(held))
	for i := range held {
		wanted[held[i].Key] = &held[i]
	}
	r, err := open(ctx, l.src, &l.known.Reading, l.members.nested)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return l.changedOr(err)
		}
		if row.refused != "" {
			continue
		}
		mapped, _ := l.def.Map(row.body)
		if mapped.Key == "" {
			continue
		}
		p := wanted[record.ReusedKey(mapped.Key, mapped.Content)]
		if p == nil && !l.reused[row.line] {
			p = wanted[mapped.Key]
		}
		if p != nil && p.Line == 0 {
			p.Line = row.line
		}
	}
}
