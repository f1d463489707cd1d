package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bulkhead/libs/record"
)

// failedLine is what is read of a line of ops' export of failed records.
type failedLine struct {
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

// failed reads what of the run has not landed, all of one moment and the same that the balance counts, and finds each record's line: from its key,
// from where this load's frames lie, or, where the definition names the key and an earlier load published the record, in the file.
func (l *loader) failed(ctx context.Context, s *sending) error {
	e, err := l.c.Ops.Export(ctx, "failed", l.c.Pipeline, l.run, FormatNDJSON)
	if err != nil {
		return err
	}
	defer e.Close()
	l.c.Progress.Phase("read what failed")
	defer l.c.Progress.Done()
	var (
		n, tell int64
		held    []Problem
		lines   = bufio.NewScanner(e)
	)
	lines.Buffer(make([]byte, 64<<10), maxFailedLine)
	for ; lines.Scan(); n++ {
		var f failedLine
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return fmt.Errorf("ops' export of failed records: %w", err)
		}
		p := Problem{State: f.State, Class: f.Class, Code: f.Code, Message: f.Message, Key: f.Key, Letter: f.LetterID}
		if p.Line = lineOf(l.known.prefix(), f.Key); p.Line == 0 {
			p.Line = s.lines.at(f.Sequence, f.Index)
		}
		if p.Line == 0 && len(l.def.Key) > 0 && len(held) < maxHeld {
			held = append(held, p)
			continue
		}
		if err := l.problems.put(p); err != nil {
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
	if err := l.search(ctx, held); err != nil {
		return err
	}
	for _, p := range held {
		if err := l.problems.put(p); err != nil {
			return err
		}
	}
	return nil
}

// search finds lines by the keys that the definition makes of the file's rows. Of several rows with one key the first is meant: the others are
// repeats, or refused under a key of their own.
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
		for _, k := range []string{mapped.Key, record.ReusedKey(mapped.Key, mapped.Content)} {
			if p := wanted[k]; p != nil && p.Line == 0 {
				p.Line = row.line
			}
		}
	}
}
