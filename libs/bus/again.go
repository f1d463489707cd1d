package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Again says which messages of a pipeline's stream are to be stored again, and where: sequences say which record is newer, and these stand under sequences
// that stood for others before.
type Again struct {
	// From and Through are the first and the last of the messages; there is none when Through < From, or From is 0.
	From, Through uint64
	// Behind is the sequence that the first of them follows; at or behind Through. What is missing up to there is filled with messages that nobody reads.
	Behind uint64
}

// Messages is how many there are. Where one is missing, a message stands for it that nobody reads.
func (a Again) Messages() uint64 {
	if a.From == 0 || a.Through < a.From {
		return 0
	}
	return a.Through - a.From + 1
}

// End is the sequence of the last of them, when they are stored again.
func (a Again) End() uint64 { return a.Behind + a.Messages() }

// While messages are stored again the stream takes none from publishers: it listens on another subject, and remembers in its own settings what is going on.
const (
	metaFrom    = "bulkhead_from"
	metaThrough = "bulkhead_through"
	metaBehind  = "bulkhead_behind"
	metaBytes   = "bulkhead_max_bytes"

	againMessages = 200
	againBytes    = 4 << 20
)

// metaAgain are all of these names.
var metaAgain = []string{metaFrom, metaThrough, metaBehind, metaBytes}

// headerFiller marks a message that stands for one that is missing.
const headerFiller = "Bulkhead-Filler"

func filler(pipeline string) *nats.Msg {
	m := nats.NewMsg(againSubject(pipeline))
	m.Header.Set(headerFiller, "1")
	return m
}

// IsFiller says whether a message was stored by [StoreAgain] in place of one that is missing: there is nothing to read in it.
func IsFiller(m Msg) bool {
	return IsCopy(m) && m.Header.Get(headerFiller) != ""
}

// IsCopy says whether [StoreAgain] stored a message, as a copy or in place of one that is missing.
func IsCopy(m Msg) bool { return strings.HasPrefix(m.Subject, againSubject("")) }

// againSubject is what messages that are stored again, and those that fill up, are published on.
func againSubject(pipeline string) string { return "again." + pipeline }

// StoreAgain stores messages of a pipeline's stream again, at its end and in their order, and deletes none. From its beginning on publishers are refused as by a
// stream that is not there, until [Reopen]: nothing of theirs is acknowledged meanwhile, and who tries again gets in. decide says which messages, when nobody can publish any more. A call that broke off anywhere
// is made again and goes on where it stopped; what was decided stays. It takes as long as there are messages, in time and room.
func StoreAgain(ctx context.Context, conn *Conn, pipeline string, decide func(StreamInfo) (Again, error)) (Again, error) {
	a, err := storeAgain(ctx, conn, pipeline, decide)
	if err != nil {
		return a, fmt.Errorf("store messages of %s again: %w", RecordsStream(pipeline), err)
	}
	return a, nil
}

func storeAgain(ctx context.Context, conn *Conn, pipeline string, decide func(StreamInfo) (Again, error)) (Again, error) {
	stream := RecordsStream(pipeline)
	if err := shut(ctx, conn, pipeline); err != nil {
		return Again{}, err
	}
	a, err := decided(ctx, conn, stream, decide)
	if err != nil {
		return a, err
	}
	// What was published right before it was shut may have ids that the broker still takes for repeats.
	pause(ctx, 2*duplicateWindow)
	for {
		info, err := Info(ctx, conn, stream)
		if err != nil {
			return a, err
		}
		var batch []*nats.Msg
		switch {
		case info.Last > a.End():
			return a, fmt.Errorf("it ends at %d and not at %d: something else was stored meanwhile", info.Last, a.End())
		case info.Last < a.Behind:
			for range min(MaxBatch, a.Behind-info.Last) {
				batch = append(batch, filler(pipeline))
			}
		case info.Last < a.End():
			if batch, err = nextAgain(ctx, conn, pipeline, a, info.Last-a.Behind); err != nil {
				return a, err
			}
		default:
			return a, nil
		}
		if err := publishAgain(ctx, conn, batch, info.Last); err != nil {
			return a, err
		}
	}
}

// shut has the stream listen on nothing that anybody publishes on, and take what has to be stored again however full it is.
func shut(ctx context.Context, conn *Conn, pipeline string) error {
	return change(ctx, conn, RecordsStream(pipeline), func(c *jetstream.StreamConfig) bool {
		if c.Metadata[metaBytes] != "" {
			return false
		}
		note(c, metaBytes, uint64(max(c.MaxBytes, 0)))
		c.Subjects, c.MaxBytes = []string{againSubject(pipeline)}, -1
		return true
	})
}

// Reopen lets publishers publish again, after [StoreAgain]. A stream that is open stays as it is.
func Reopen(ctx context.Context, conn *Conn, pipeline string) error {
	return change(ctx, conn, RecordsStream(pipeline), func(c *jetstream.StreamConfig) bool {
		most, shut := noted(*c, metaBytes)
		if !shut {
			return false
		}
		c.Subjects, c.MaxBytes = []string{RecordsSubject(pipeline)}, -1
		if most > 0 {
			c.MaxBytes = int64(most)
		}
		c.Metadata = kept(c.Metadata)
		return true
	})
}

// decided is what the stream remembers, or what decide says now.
func decided(ctx context.Context, conn *Conn, stream string, decide func(StreamInfo) (Again, error)) (a Again, err error) {
	was := false
	err = change(ctx, conn, stream, func(c *jetstream.StreamConfig) bool {
		if a.Behind, was = noted(*c, metaBehind); was {
			a.From, _ = noted(*c, metaFrom)
			a.Through, _ = noted(*c, metaThrough)
		}
		return false
	})
	if err != nil || was {
		return a, err
	}
	info, err := Info(ctx, conn, stream)
	if err != nil {
		return a, err
	}
	if a, err = decide(info); err != nil {
		return a, err
	}
	return a, change(ctx, conn, stream, func(c *jetstream.StreamConfig) bool {
		note(c, metaFrom, a.From)
		note(c, metaThrough, a.Through)
		note(c, metaBehind, a.Behind)
		return true
	})
}

// change changes a stream's settings, or only reads them; change says which.
func change(ctx context.Context, conn *Conn, stream string, change func(*jetstream.StreamConfig) bool) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := conn.Broker.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	c := s.Config
	if !change(&c) {
		return nil
	}
	return wrapStream(stream, conn.Broker.UpdateStream(ctx, c))
}

func note(c *jetstream.StreamConfig, name string, n uint64) {
	c.Metadata = maps.Clone(c.Metadata) // the other one is the broker's
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	c.Metadata[name] = strconv.FormatUint(n, 10)
}

func noted(c jetstream.StreamConfig, name string) (uint64, bool) {
	n, err := strconv.ParseUint(c.Metadata[name], 10, 64)
	return n, err == nil
}

// nextAgain are the next messages as they are stored again: as they were published, on another subject. done of them are stored. No id stands twice among
// them: the broker would take the second for a repeat.
func nextAgain(ctx context.Context, conn *Conn, pipeline string, a Again, done uint64) ([]*nats.Msg, error) {
	var (
		batch []*nats.Msg
		bytes int
		seqs  []uint64
		ids   = map[string]bool{}
		gone  uint64 // up to there messages are missing
	)
	for seq := a.From + done; seq <= a.Through && len(seqs) < againMessages; seq++ {
		seqs = append(seqs, seq)
	}
	// Few of them at a time: all are in memory.
	for len(seqs) > 0 {
		n := min(len(seqs), directNear)
		found, err := GetMany(ctx, conn, RecordsStream(pipeline), seqs[:n])
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs[:n] {
			m, ok := found[seq]
			if !ok && seq > gone {
				if gone, err = endOfHole(ctx, conn, RecordsStream(pipeline), seq, a.Through); err != nil {
					return nil, err
				}
				if seq > gone {
					return nil, fmt.Errorf("message %d stands in the stream and was not given: %w", seq, ErrNoMessage)
				}
			}
			if !ok {
				batch = append(batch, filler(pipeline))
				continue
			}
			id := m.Header.Get(jetstream.MsgIDHeader)
			if bytes += len(m.Data); len(batch) > 0 && (bytes > againBytes || ids[id]) {
				return batch, nil
			}
			if id != "" {
				ids[id] = true
			}
			batch = append(batch, copyOf(pipeline, m))
		}
		seqs = seqs[n:]
	}
	return batch, nil
}

// copyOf is a message as it is stored again. What its headers told the broker was told once, and a publisher's own are not ours.
func copyOf(pipeline string, m Msg) *nats.Msg {
	out := nats.NewMsg(againSubject(pipeline))
	out.Data = m.Data
	for name, values := range m.Header {
		if name == jetstream.MsgIDHeader || !strings.HasPrefix(name, "Nats-") {
			out.Header[name] = values
		}
	}
	if !IsFiller(m) {
		out.Header.Del(headerFiller)
	}
	return out
}

// publishAgain stores messages behind a sequence, or none: a copy that came late would otherwise stand there twice. Of a batch that is refused because one of
// them is too large with what tells where it belongs, each is stored by itself.
func publishAgain(ctx context.Context, conn *Conn, batch []*nats.Msg, last uint64) error {
	bound, cancel := bounded(ctx)
	defer cancel()
	err := nats.ErrMaxPayload
	if len(batch) > 1 {
		batch[0].Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(last, 10))
		_, err = conn.Broker.PublishBatch(bound, batch)
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		err = publishEach(ctx, conn, batch, last)
	}
	if err == nil {
		// The ids of these may come again among the next.
		pauseForIDs(ctx, batch)
	}
	return err
}

// publishEach stores messages one by one, each behind the one before.
func publishEach(ctx context.Context, conn *Conn, batch []*nats.Msg, last uint64) error {
	for i, m := range batch {
		for _, name := range []string{headerBatchID, headerBatchSeq, headerBatchCommit} {
			m.Header.Del(name) // a batch that was refused has left them
		}
		if err := publishBehind(ctx, conn, m, last+uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

func publishBehind(ctx context.Context, conn *Conn, m *nats.Msg, last uint64) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(last, 10))
	err := conn.Broker.Publish(ctx, m)
	if errors.Is(err, nats.ErrMaxPayload) { // it was as large as one may be before it was told where it belongs
		m.Header.Del(jetstream.ExpectedLastSeqHeader)
		err = conn.Broker.Publish(ctx, m)
	}
	return err
}

func pauseForIDs(ctx context.Context, batch []*nats.Msg) {
	for _, m := range batch {
		if m.Header.Get(jetstream.MsgIDHeader) != "" {
			pause(ctx, duplicateWindow+duplicateWindow/2)
			return
		}
	}
}
