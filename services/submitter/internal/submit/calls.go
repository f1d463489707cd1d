package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"
)

const (
	// callBytes bounds the rows of one call: few seconds of work for the org. A row that is larger goes alone, or by a job.
	callBytes = 1 << 20
	// maxSilences is how many calls in a row may have no answer, the last ones for a single row: some rows set off more work than a call can wait for. Another
	// one is made when the org has just answered something else; if it gets no answer either, what is left comes back, and goes by a job.
	maxSilences = 12
	// maxRefusedText bounds what is stored of what a call says of a row, in bytes.
	maxRefusedText = 64 << 10
)

// collects says whether the chunk in hand goes by calls of sObject Collections: it is small, its operation is keyed and has such a call, and nothing of it
// was refused that way before, or had no answer.
func (t *turn) collects(ctx context.Context) (bool, error) {
	if Stage(t.w.State) != StageClaimed || t.w.ByJob != "" {
		return false, nil
	}
	if err := t.load(ctx); err != nil {
		return false, err
	}
	switch t.chunk.Operation {
	case pipeline.OperationUpsert, pipeline.OperationUpdate, pipeline.OperationDelete:
	default:
		return false, nil
	}
	if t.chunk.Rows >= pipeline.MaxBulkThreshold || t.chunk.Rows >= t.threshold(ctx) {
		return false, nil
	}
	call := t.callOf(nil)
	if salesforce.CollectionProblem(call.Object, call.Operation, call.ExternalIDField, call.Columns) != "" {
		return false, nil
	}
	unsure, err := t.unsure(ctx)
	return !unsure, err
}

// unsure says whether a record of the chunk in hand was sent before and nobody knows what became of it.
func (t *turn) unsure(ctx context.Context) (bool, error) {
	if t.w.Kind == record.ChunkFresh {
		return false, nil
	}
	read, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	packed, err := t.c.Store.Manifest(read, t.w.Chunk)
	if err != nil {
		return false, err
	}
	m, err := rowfile.ReadManifest(packed)
	if err != nil {
		return false, err
	}
	for row := range m.Len() {
		entries, err := m.Row(row)
		if err != nil {
			return false, err
		}
		for _, e := range entries.GetRecords() {
			if e.GetAmbiguous() {
				return true, nil
			}
		}
	}
	return false, nil
}

// silent says whether so many calls in a row had no answer that none is made any more.
func (t *turn) silent(ctx context.Context) (bool, error) {
	if Stage(t.w.State) != StageSent {
		return false, nil
	}
	read, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	p, err := t.c.Store.Progress(read, t.w.Chunk)
	return p.Unanswered > maxSilences, err
}

// threshold is the number of rows from which a chunk goes by a job: what its definition says, else what this service is told.
func (t *turn) threshold(ctx context.Context) int {
	def, err := t.c.Definition(ctx, t.w.Pipeline, t.w.Revision)
	switch {
	case err != nil:
		t.log.Debug("the definition cannot be read now, the chunk goes by a job", "error", err)
		return 0
	case def.BulkThreshold != nil:
		return *def.BulkThreshold
	}
	return t.c.BulkThreshold
}

// callOf is a call with these rows.
func (t *turn) callOf(rows [][]string) salesforce.Collection {
	call := salesforce.Collection{Object: t.chunk.Object, Operation: t.chunk.Operation, Columns: t.chunk.Header, Rows: rows}
	switch {
	case call.Operation == pipeline.OperationUpsert:
		call.ExternalIDField = t.chunk.KeyField
	case t.body.key >= 0 && t.chunk.KeyField != pipeline.FieldID:
		call.Columns = slices.Clone(call.Columns)
		call.Columns[t.body.key] = pipeline.FieldID
	}
	return call
}

// sending is what a turn knows of the calls of its chunk.
type sending struct {
	feed *feed
	// next is the chunk's first row without an answer; unanswered counts the calls in a row that were made for it and got none.
	next, unanswered int
	// most is how many rows a call may have, before any of those calls without an answer; slow says that one of the chunk's calls had none.
	most int
	slow bool

	// The call in hand: its number, its rows (and which of the chunk's they are), until when it may go out and until when its answer is waited for.
	call             int
	rows             [][]string
	at               []int
	end              int
	last             bool // no row is left behind it
	sendBy, answerBy time.Time
}

// answered goes on behind a call that was answered. Where calls of the chunk were not, the next one is for twice as many rows as the last that was.
func (s *sending) answered(rows int) {
	s.next, s.unanswered, s.most = s.end, 0, salesforce.MaxCollectionRows
	if s.slow {
		s.most = min(s.most, 2*rows)
	}
}

// room is how many rows the next call may have: half as many after each call for them that got no answer. An org that needs too long for many rows is so
// asked for ever fewer.
func (s *sending) room() int { return max(1, s.most>>min(s.unanswered, 16)) }

// saveSent takes the next rows and writes down that a call is about to be made for them.
func (t *turn) saveSent(ctx context.Context) (Event[string], error) {
	if err := t.load(ctx); err != nil {
		return broken(err)
	}
	if t.sending == nil {
		if e, err := t.ledgerKnows(ctx); e.Kind != Done {
			return e, err
		}
	}
	if err := t.nextCall(ctx); err != nil {
		return broken(err)
	}
	s := t.sending
	// A login, or the proof that it is the right org, must not use up the call's time.
	org, err := t.org(ctx)
	if err == nil && s.unanswered >= maxSilences {
		_, err = org.Jobs(ctx, "") // of the jobs that what is left would go by: an org that answers nothing at all is no matter of the rows in hand
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return broken(err)
	default:
		return Event[string]{Kind: Unsure}, err
	}
	// Before the write: what the ledger counts from its own now is later than this. Nobody else goes on with the chunk before the margin is over, so the
	// answer is waited for so long.
	s.sendBy = time.Now().Add(t.c.CallTime)
	s.answerBy = s.sendBy.Add(t.c.CallMargin)
	var gate store.Gate
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		s.call, gate, err = t.c.Store.SaveSent(ctx, t.w, store.Call{
			First: s.next, End: s.end, Rows: t.chunk.Rows - len(t.body.omitted.Rows), Time: t.c.CallTime, Margin: t.c.CallMargin,
		})
		return err
	})
	if e = t.gated(e, gate); e.Kind == Done {
		t.w.State = string(StageSent)
	}
	return e, err
}

// nextCall fills in the rows of the next call: as many as a call takes and the org answered for.
func (t *turn) nextCall(ctx context.Context) error {
	if t.sending == nil {
		s := &sending{most: salesforce.MaxCollectionRows}
		if Stage(t.w.State) == StageSent {
			read, cancel := context.WithTimeout(ctx, ledgerTime)
			defer cancel()
			p, err := t.c.Store.Progress(read, t.w.Chunk)
			if err != nil {
				return err
			}
			s.slow, s.end = p.Silent, p.Next
			if p.Next > 0 {
				s.answered(p.Answered)
			}
			s.unanswered = p.Unanswered
		}
		s.feed = t.body.feed(ctx)
		t.sending = s
	}
	s := t.sending
	most := s.room()
	s.rows, s.at = s.rows[:0], s.at[:0]
	columns := t.callOf(nil).Columns
	for size := 0; len(s.rows) < most; {
		row, cells, err := s.feed.peek()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if row >= s.next {
			n := salesforce.CollectionRecordBytes(t.chunk.Object, columns, cells)
			if len(s.rows) > 0 && size+n > callBytes {
				break
			}
			size += n
			s.rows, s.at = append(s.rows, slices.Clone(cells)), append(s.at, row)
		}
		s.feed.take()
	}
	if len(s.rows) == 0 {
		return fmt.Errorf("chunk %s: no row is left to be sent from row %d on, and not all have an answer", t.w.Chunk, s.next)
	}
	s.end = s.at[len(s.at)-1] + 1
	_, _, err := s.feed.peek()
	if s.last = errors.Is(err, io.EOF); !s.last && err != nil {
		return err
	}
	return nil
}

// stopTime bounds what a call that is on its way, and its answer, may keep a worker that is told to stop. Without it the next one to claim the chunk would
// have to wait until the call can land no more, and then make it again.
const stopTime = 5 * time.Second

// makeCall makes the call that was written down.
func (t *turn) makeCall(ctx context.Context) (Event[string], error) {
	asked := false
	e, err := call(ctx, t, pointBeforeCall, pointAfterCall, func(org Org) ([]salesforce.CollectionItem, error) {
		asked = true
		ctx, done := outliving(ctx, stopTime)
		defer done()
		return org.Collect(ctx, t.callOf(t.sending.rows), t.sending.sendBy, t.sending.answerBy)
	}, func(items []salesforce.CollectionItem, err error) Event[string] {
		t.answer = answerOf(t.sending, items)
		return called(err)
	})
	if e.Kind == Unsure && !asked {
		e.Kind = NoEffect
	}
	switch e.Kind {
	case Refused:
		t.refusal = err
	case Unsure:
		t.log.Warn("a call got no answer, its rows are called for again when it cannot land any more", "call", t.sending.call, "rows", len(t.sending.rows), "error", err)
	}
	t.c.Metrics.called(e.Kind, len(t.sending.rows))
	return e, err
}

// called is what came of Call.
func called(err error) Event[string] {
	switch {
	case err == nil:
		return Event[string]{Kind: Done}
	case !salesforce.Definite(err):
		return Event[string]{Kind: Unsure}
	case forGood(err), salesforce.IsNotFound(err):
		return Event[string]{Kind: Refused}
	}
	return Event[string]{Kind: NoEffect}
}

// answerOf writes a reply down as the ledger stores it.
func answerOf(s *sending, items []salesforce.CollectionItem) store.Answer {
	if len(items) != len(s.at) {
		return store.Answer{} // there was no answer
	}
	a := store.Answer{States: make([]byte, s.end-s.next), IDs: make([]byte, (s.end-s.next)*store.IDLength)}
	for i, item := range items {
		at := s.at[i] - s.next
		if id, err := salesforce.ID18(item.ID); err == nil {
			copy(a.IDs[at*store.IDLength:], id)
		}
		switch {
		case item.Created:
			a.States[at] = store.RowCreated
		case item.Saved:
			a.States[at] = store.RowSaved
		default:
			a.States[at] = store.RowRefused
			fields := make([]string, len(item.Error.Fields))
			for n, name := range item.Error.Fields {
				fields[n] = record.Storable(name, maxRefusedText)
			}
			a.Refused = append(a.Refused, store.Refused{
				Row: s.at[i], Code: record.Storable(item.Error.Code, maxRefusedText), Message: record.Storable(item.Error.Message, maxRefusedText), Fields: fields,
			})
		}
	}
	return a
}

func (t *turn) saveAnswer(ctx context.Context) (Event[string], error) {
	s := t.sending
	var fact *record.Message
	if s.last {
		m := t.answeredFact()
		fact = &m
	}
	ctx, done := outliving(ctx, handBackTime)
	defer done()
	e, err := t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveAnswer(ctx, t.w, s.call, t.answer, fact) })
	switch {
	case e.Kind != Done:
	case s.last:
		t.c.Metrics.collected(t.w.Kind)
		t.log.Info("answered", "calls", s.call+1, "rows", t.chunk.Rows-len(t.body.omitted.Rows), "kind", t.w.Kind, "lane", t.w.Lane)
	default:
		e.Kind = More
		t.w.Tries = 0
		s.answered(len(s.rows))
	}
	return e, err
}

// outliving is a context that ends so much later than ctx, when done is called at the latest.
func outliving(ctx context.Context, by time.Duration) (longer context.Context, done func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-longer.Done():
		case <-time.After(by):
			cancel(context.Cause(ctx))
		}
	})
	return longer, func() { stop(); cancel(nil) }
}

func (t *turn) saveVoid(ctx context.Context) (Event[string], error) {
	words := ""
	if t.refusal != nil {
		words = refusalWords(t.refusal)
		t.log.Info("a call was refused for good, the chunk goes by a job", "error", words)
	}
	e, err := t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveVoid(ctx, t.w, t.sending.call, words) })
	if e.Kind == Done {
		t.w.ByJob = words
	}
	return e, err
}

func (t *turn) saveRest(ctx context.Context) (Event[string], error) {
	refused, words := store.NoCall, fmt.Sprintf("%d calls in a row had no answer", maxSilences+1)
	if t.refusal != nil {
		refused, words = t.sending.call, refusalWords(t.refusal)
	}
	e, err := t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveRest(ctx, t.w, refused, words, t.answeredFact()) })
	if e.Kind == Done {
		t.c.Metrics.collected(t.w.Kind)
		t.log.Warn("no more calls are made for the chunk, what is left is sent again", "error", words)
	}
	return e, err
}

func (t *turn) answeredFact() record.Message {
	return bus.FlowMessage(bus.NewEnvelope(t.w.Pipeline, t.w.Revision, &flowv1.ChunkAnswered{Chunk: t.w.Chunk.String()}))
}

// refusalWords are Salesforce's words of a refusal, bounded.
func refusalWords(err error) string {
	words := err.Error()
	return words[:min(len(words), maxRefusal)]
}

// feed gives the rows that are sent, one after the other, each as it is sent.
type feed struct {
	u    *upload
	rows *rowfile.RowReader

	row   int
	cells []string
	err   error
	ahead bool // row, cells and err are the next one's
}

func (u *upload) feed(ctx context.Context) *feed {
	return &feed{u: u, rows: rowfile.Rows(u.chunk.Header, u.pieces(ctx))}
}

// peek is the next row, io.EOF behind the last. The cells are good until the next call of peek after take.
func (f *feed) peek() (row int, cells []string, err error) {
	for !f.ahead {
		f.row = f.rows.Row()
		if f.cells, f.err = f.rows.Next(); f.err == nil && f.u.omitted.Rows[f.row] {
			continue
		}
		if f.err == nil {
			f.cells = f.u.asSent(f.row, f.cells)
		}
		f.ahead = true
	}
	return f.row, f.cells, f.err
}

// take goes on behind the row that was peeked at; behind the last one it stays there.
func (f *feed) take() {
	if f.err == nil {
		f.ahead = false
	}
}

func (f *feed) close() { f.rows.Close() }
