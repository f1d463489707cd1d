package submit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

// broken is a fault of our own side before or after a call.
func broken(err error) (Event[string], error) { return Event[string]{Kind: Broken}, err }

// call makes one request to the org between its two fault points. Only ctx's own end is Broken; what the call itself says is for of.
func call[T any](ctx context.Context, t *turn, before, after string, ask func(Org) (T, error), of func(T, error) Event[string]) (Event[string], error) {
	org, err := t.org(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return broken(err)
		}
		return Event[string]{Kind: Unsure}, err // nothing was sent
	}
	if err := at(ctx, before); err != nil {
		return broken(err)
	}
	answer, err := ask(org)
	if err != nil {
		err = t.pauseIfAnotherOrg(ctx, err)
	}
	if err := at(ctx, after); err != nil {
		return broken(err)
	}
	if err != nil && ctx.Err() != nil {
		return broken(fmt.Errorf("stopped during a call: %w", context.Cause(ctx)))
	}
	return of(answer, err), err
}

func (t *turn) takeLane(ctx context.Context) (Event[string], error) {
	if e, err := t.ledgerKnows(ctx); e.Kind != Done {
		return e, err
	}
	var gate store.Gate
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		gate, err = t.c.Store.TakeLane(ctx, t.w)
		return err
	})
	return t.gated(e, gate), err
}

func (t *turn) bind(ctx context.Context, jobID string) (Event[string], error) {
	if e, err := t.ledgerKnows(ctx); e.Kind != Done {
		return e, err
	}
	var gate store.Gate
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		gate, err = t.c.Store.Bind(ctx, t.w, jobID, t.c.BindMaxAge)
		return err
	})
	if e = t.gated(e, gate); e.Kind == Done {
		t.w.Tries = 0 // as the ledger says now
	}
	return e, err
}

func (t *turn) gated(e Event[string], gate store.Gate) Event[string] {
	switch {
	case e.Kind != Done:
	case gate.Closed != "":
		t.parked.WaitingFor = gate.Closed
		e.Kind = Waiting
	case gate.TooOld:
		e.Kind = TooOld
	}
	return e
}

func (t *turn) create(ctx context.Context) (Event[string], error) {
	if err := t.load(ctx); err != nil {
		return broken(err)
	}
	t.asked = t.c.Now()
	spec := salesforce.JobSpec{Object: t.chunk.Object, Operation: t.chunk.Operation}
	if spec.Operation == pipeline.OperationUpsert {
		spec.ExternalIDField = t.chunk.KeyField
	}
	e, err := call(ctx, t, pointBeforeCreate, pointAfterCreate, func(org Org) (salesforce.JobInfo, error) { return org.CreateJob(ctx, spec) }, created)
	if e.Kind == Refused {
		if err := t.pause(ctx, "create refused", err); err != nil {
			return broken(err)
		}
	}
	return e, err
}

// upload sends the rows. What was sent is compared with what was sealed (or, for a resend, decided), so that a job never holds anything else.
func (t *turn) upload(ctx context.Context, jobID string) (Event[string], error) {
	if err := t.load(ctx); err != nil {
		return broken(err)
	}
	want := store.Upload{Rows: t.chunk.Rows, Bytes: t.chunk.Bytes}
	if t.w.Checked {
		want = *t.w.Upload
	}
	var m *meter
	none := struct{}{}
	e, err := call(ctx, t, pointBeforeUpload, pointAfterUpload, func(org Org) (struct{}, error) {
		return none, org.Upload(ctx, jobID, want.Bytes, func() (io.ReadCloser, error) {
			body := t.body.open(ctx)
			m = newMeter(withPoints(ctx, body, want.Bytes))
			return meteredBody{m, body}, nil
		})
	}, func(_ struct{}, err error) Event[string] {
		if err != nil {
			return callFailed(err)
		}
		return Event[string]{Kind: Done}
	})
	switch e.Kind {
	case Refused:
		if t.w.Tries+1 >= uploadsRefused {
			if err := t.pause(ctx, "uploads refused", err); err != nil {
				return broken(err)
			}
		}
		return e, err
	case Done:
	default:
		return e, err
	}
	sent := t.body.measured(m)
	if !m.ended || sent.Bytes != want.Bytes || want.SHA256 != nil && !bytes.Equal(sent.SHA256, want.SHA256) {
		return Event[string]{Kind: Unsure}, fmt.Errorf("chunk %s: %d bytes with hash %x were uploaded, expected are %d with %x: the job is left behind",
			t.w.Chunk, sent.Bytes, sent.SHA256, want.Bytes, want.SHA256)
	}
	t.sent, t.w.Upload = &sent, &sent
	return e, nil
}

type meteredBody struct {
	*meter
	io.Closer
}

func (t *turn) announce(ctx context.Context, jobID string) (Event[string], error) {
	c, err := t.sealed(ctx)
	if err != nil {
		return broken(err)
	}
	e := bus.NewEnvelope(t.w.Pipeline, t.w.Revision, &flowv1.JobBound{
		Chunk: t.w.Chunk.String(), JobId: jobID, Epoch: t.w.Epoch, Org: t.w.Org, FromSeq: c.From, ThroughSeq: c.Through,
	})
	// The same binding told again is the same fact.
	e.Id = uuid.NewSHA1(t.w.Chunk, []byte("job_bound "+jobID)).String()
	if err := at(ctx, pointBeforeAnnounce); err != nil {
		return broken(err)
	}
	publish, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	err = t.c.Publish(publish, bus.FlowMessage(e))
	if err == nil {
		err = at(ctx, pointAfterAnnounce)
		if err != nil {
			return broken(err)
		}
		return Event[string]{Kind: Done}, nil
	}
	if ctx.Err() != nil {
		return broken(err)
	}
	return Event[string]{Kind: Unsure}, fmt.Errorf("publishing job_bound: %w", err)
}

func (t *turn) close(ctx context.Context, jobID string) (Event[string], error) {
	e, err := call(ctx, t, pointBeforeClose, pointAfterClose, func(org Org) (salesforce.JobInfo, error) { return org.CloseJob(ctx, jobID) }, closed)
	if e.Kind == Refused {
		t.refusal = err
	}
	return e, err
}

func (t *turn) look(ctx context.Context, jobID string) (Event[string], error) {
	e, err := call(ctx, t, pointBeforeLook, pointAfterLook, func(org Org) (salesforce.JobInfo, error) { return org.Job(ctx, jobID) }, looked)
	return t.mayNot(ctx, "look at a bound job refused", e, err)
}

func (t *turn) abort(ctx context.Context, jobID string) (Event[string], error) {
	e, err := call(ctx, t, pointBeforeAbort, pointAfterAbort, func(org Org) (salesforce.JobInfo, error) { return org.AbortJob(ctx, jobID) }, aborted)
	return t.mayNot(ctx, "abort of a bound job refused", e, err)
}

// mayNot pauses the pipeline where a call for a bound job was refused for good, unless for the state that the job is in: the job is another user's, say.
// No other job may take its place, so the chunk keeps its lane and the call is repeated until a person has seen to it; without a pause nobody would hear.
func (t *turn) mayNot(ctx context.Context, what string, e Event[string], err error) (Event[string], error) {
	if e.Kind == Broken || err == nil || !forGood(err) || salesforce.IsJobState(err) {
		return e, err
	}
	if failed := t.pause(ctx, what, err); failed != nil {
		return broken(failed)
	}
	return e, err
}

// maxRefusal bounds what is kept of Salesforce's words.
const maxRefusal = 2000

func (t *turn) saveRefused(ctx context.Context, jobID string) (Event[string], error) {
	words := t.refusal.Error()
	if len(words) > maxRefusal {
		words = words[:maxRefusal]
	}
	var paused bool
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		paused, err = t.c.Store.SaveRefused(ctx, t.w, jobID, words, t.reason("two closes in a row refused", t.refusal))
		return err
	})
	if e.Kind == Done {
		t.log.Warn("the close was refused for good, the job is aborted and its rows are sent again", "job_id", jobID, "error", words, "paused", paused)
	}
	return e, err
}

func (t *turn) saveSubmitted(ctx context.Context, jobID string) (Event[string], error) {
	rows := 0
	if t.w.Upload != nil {
		rows = t.w.Upload.Rows
	}
	fact := bus.NewEnvelope(t.w.Pipeline, t.w.Revision, &flowv1.JobSubmitted{
		Chunk: t.w.Chunk.String(), JobId: jobID, Org: t.w.Org, Rows: int32(rows),
	})
	e, err := t.write(ctx, func(ctx context.Context) error {
		return t.c.Store.SaveSubmitted(ctx, t.w, jobID, bus.FlowMessage(fact))
	})
	if e.Kind == Done {
		t.c.Metrics.submitted(t.w.Kind)
		t.log.Info("submitted", "job_id", jobID, "rows", rows, "kind", t.w.Kind, "lane", t.w.Lane)
	}
	return e, err
}

// pause states a pause of the pipeline, for what refuses its chunks whatever they hold.
func (t *turn) pause(ctx context.Context, what string, cause error) error {
	p := t.reason(what, cause)
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	stated, err := t.c.Store.Pause(ctx, p)
	if stated {
		t.log.Error("the pipeline pauses until a person lifts it", "class", p.Class, "code", p.Code, "error", p.Message)
	}
	return err
}

func (t *turn) reason(what string, cause error) store.Pause {
	return store.Pause{Pipeline: t.w.Pipeline, Class: pauseClass(cause), Code: codeOf(cause), Message: what + ": " + cause.Error()}
}

// straight says that nothing is asked before the upload: see [Stored].
func (t *turn) straight() bool {
	return t.w.Kind == record.ChunkFresh && !t.w.Resolves && !t.w.Versioned
}

// sealed is what the sealer says of the chunk.
func (t *turn) sealed(ctx context.Context) (store.Chunk, error) {
	if t.chunk != nil {
		return *t.chunk, nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	return t.c.Store.Chunk(ctx, t.w.Chunk)
}

// load reads what is needed to create and upload, once per turn.
func (t *turn) load(ctx context.Context) error {
	if t.body != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	c, err := t.c.Store.Chunk(ctx, t.w.Chunk)
	if err != nil {
		return err
	}
	u := &upload{chunk: c, key: slices.Index(c.Header, c.KeyField), pieces: pieceSource(t.c.Store, c)}
	if !t.straight() {
		if u.omitted, err = t.c.Store.Omitted(ctx, t.w.Chunk); err != nil {
			return err
		}
		if u.ids, err = t.c.Store.RowIDs(ctx, t.w.Chunk); err != nil {
			return err
		}
		columns, err := t.c.Store.Columns(ctx, c.Pipeline)
		if err != nil {
			return err
		}
		u.ordinal = ordinals(c.Header, columns)
	}
	t.chunk, t.body = &c, u
	return nil
}
