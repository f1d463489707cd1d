package load

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/publish"
)

// UnreachableError says that NATS could not be reached at the address.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach NATS at %s: %v (is it running? name another with --nats or BULKHEAD_NATS)", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// connect makes the connection that rows are published on. It is kept up for ever: what is not acknowledged is sent again.
func connect(address string) (*bus.Conn, error) {
	conn, err := bus.Connect(address, bus.ConnectOptions{Name: "bulkhead-load"})
	if err != nil {
		err = errors.Unwrap(err)
		if quoted := (*url.Error)(nil); errors.As(err, &quoted) {
			err = errNoURL
		}
		return nil, &UnreachableError{Address: redacted(address), Err: err}
	}
	return conn, nil
}

// key is the key of the row that begins on a line.
func key(prefix string, line int64) string { return prefix + ":" + strconv.FormatInt(line, 10) }

// sending is the second reading of a file.
type sending struct {
	l     *loader
	out   *publish.Publisher // nil = nothing is published, rows are only looked at
	lines lines

	stored    int64  // rows acknowledged
	done      int64  // rows read
	last      uint64 // sequence of the last frame
	waitsNote string
}

// send publishes the rows, or only looks for those that could not be.
func (l *loader) send(ctx context.Context, dry bool) (*sending, error) {
	s := &sending{l: l}
	if !dry {
		conn, err := connect(l.c.NATS)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		s.out, err = publish.New(conn.NC, l.c.Pipeline, publish.WithRun(l.run), publish.WithAck(s.acked),
			publish.WithRetry(func(w publish.Wait) { s.wait("NATS does not answer, trying again", w) }),
			publish.WaitWhenFull(func(w publish.Wait) { s.wait("the stream is full, waiting for room", w) }))
		if err != nil {
			return nil, &UsageError{err}
		}
	}
	l.c.Progress.Phase(map[bool]string{true: "look", false: "publish"}[dry])
	defer l.c.Progress.Done()
	err := s.rows(ctx)
	if err == nil && s.out != nil {
		err = s.out.Flush(ctx)
	}
	if errors.Is(err, publish.ErrNoStream) {
		err = fmt.Errorf("%w (bulkhead status says whether ops has made the stream)", err)
	}
	return s, err
}

func (s *sending) rows(ctx context.Context) error {
	k := s.l.known
	r, err := open(ctx, s.l.src, &k.Reading, s.l.members.nested)
	if err != nil {
		return err
	}
	defer r.Close()
	limit := bus.MaxFrameBytes
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.l.changedOr(err)
		}
		s.done++
		if row.refused == "" {
			if row.refused, err = s.publish(ctx, row, limit); err != nil {
				return err
			}
		}
		if row.refused != "" {
			if err := s.l.problems.refuse(row.line, row.refused); err != nil {
				return err
			}
		}
		if s.done%tellEvery == 0 {
			s.tell()
		}
	}
	if digest(r.hash.Sum(nil), k.told) != k.digest {
		return s.l.changedOr(errors.New("its content was another one the second time"))
	}
	s.tell()
	return nil
}

// publish hands one row to the publisher; refused says why it cannot be published.
func (s *sending) publish(ctx context.Context, r row, limit int) (refused string, _ error) {
	record := publish.Record{Key: key(s.l.known.prefix(), r.line), Body: r.body}
	if s.out == nil {
		if len(r.body) > limit {
			return (&publish.TooLargeError{Bytes: len(r.body), Max: limit}).Error(), nil
		}
		return "", nil
	}
	err := s.out.Add(ctx, record)
	var (
		large *publish.TooLargeError
		bad   *publish.RecordError
	)
	switch {
	case err == nil:
		s.lines.added(r.line)
		return "", nil
	case errors.As(err, &large), errors.As(err, &bad):
		return err.Error(), nil
	}
	return "", err
}

func (s *sending) acked(a publish.Ack) {
	s.lines.stored(a.Sequence, a.Records)
	s.stored += int64(a.Records)
	s.last = max(s.last, a.Sequence)
	s.waitsNote = ""
	s.tell()
}

func (s *sending) wait(why string, w publish.Wait) {
	s.waitsNote = fmt.Sprintf("%s since %s", why, time.Since(w.Since).Round(time.Second))
	s.tell()
}

func (s *sending) tell() {
	note := fmt.Sprintf("rows published %d, refused %d", s.stored, s.l.problems.refused)
	if s.waitsNote != "" {
		note += " · " + s.waitsNote
	}
	s.l.c.Progress.At(s.done, s.l.known.rows+s.l.known.refused, note)
}

// changedOr says that the file changed, if that explains an error.
func (l *loader) changedOr(err error) error {
	if !l.src.changed() {
		return fileError(err)
	}
	return fmt.Errorf("%s changed while it was read; what was published of it stays published: %w", l.src.name, err)
}

// lineOf reads the line from a key that this package made of this file; 0 = it is none.
func lineOf(prefix, key string) int64 {
	if len(key) <= keyDigits || key[:keyDigits] != prefix || key[keyDigits] != ':' {
		return 0
	}
	if _, err := hex.DecodeString(prefix); err != nil {
		return 0
	}
	digits := key[keyDigits+1:]
	for i, c := range digits {
		if c == '#' { // the same key with other content: its hash follows
			digits = digits[:i]
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 {
		return 0
	}
	return n
}
