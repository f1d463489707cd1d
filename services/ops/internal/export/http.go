package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const (
	// Pattern is where [Handler] is to be mounted.
	Pattern = "GET /v1/exports/{kind}"
	// HeaderRecords announces how many records follow; a reader that counts fewer knows that its download is not whole.
	HeaderRecords = "Bulkhead-Records"

	// maxTime bounds an export, and with it the life of its snapshot.
	maxTime = 30 * time.Minute
	// stall is how long a caller may take for each few records.
	stall = time.Minute
	// aliveEvery is how many records these are.
	aliveEvery = 1000
	// atOnce bounds the exports that run at the same time: each holds a connection to the ledger.
	atOnce = 2
	// buffer is what is gathered before it is sent.
	buffer = 64 << 10
)

// Refuse answers with ops' error body; status is HTTP's.
type Refuse func(w http.ResponseWriter, status int, message string)

// Handler serves exports. Errors that come before the first line are answered with refuse; later ones break the connection, so that what was sent
// so far cannot be taken for the whole.
func Handler(e *Exporter, logger *slog.Logger, refuse Refuse) http.Handler {
	free := make(chan struct{}, atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := ParseRequest(r.PathValue("kind"), r.URL.Query())
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
		default:
			refuse(w, http.StatusTooManyRequests, fmt.Sprintf("%d exports are running already: try again when one has ended", atOnce))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), maxTime)
		defer cancel()
		begin := time.Now()
		out := &response{w: w, control: http.NewResponseController(w), format: request.Format, name: fileName(request)}
		n, err := e.Run(ctx, request, out)
		if err == nil {
			err = out.end()
		}
		log := logger.With("kind", request.Kind, "pipeline", request.Pipeline, "run", request.Run, "format", request.Format, "records", n,
			"duration_ms", time.Since(begin).Milliseconds())
		switch {
		case err == nil:
			log.InfoContext(ctx, "export finished")
			return
		case errors.Is(err, ErrUnknownPipeline):
			refuse(w, http.StatusNotFound, fmt.Sprintf("pipeline %q is not defined", request.Pipeline))
			return
		case errors.Is(err, ErrDiffers):
			log.ErrorContext(ctx, "export differs from the balance: this is an incident", "error", err)
		case r.Context().Err() != nil:
			log.InfoContext(ctx, "the caller of an export went away")
		default:
			log.ErrorContext(ctx, "export broke off", "error", err)
		}
		if !out.started {
			refuse(w, http.StatusServiceUnavailable, "the ledger could not be read: see /readyz and the log of ops")
			return
		}
		panic(http.ErrAbortHandler) // the one way in which net/http breaks a reply off
	})
}

func fileName(r Request) string {
	name := r.Pipeline
	if r.Run != "" {
		name += "-" + r.Run
	}
	return fmt.Sprintf("%s-%s.%s", name, r.Kind, r.Format)
}

// response is an HTTP reply as the sink of an export.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	format  Format
	name    string

	started bool
	n       int
	out     *bufio.Writer
	rows    writer
}

func (o *response) start(records int64, header []string) error {
	h := o.w.Header()
	h.Set("Content-Type", map[Format]string{CSV: "text/csv; charset=utf-8; header=present", NDJSON: "application/x-ndjson"}[o.format])
	h.Set("Content-Disposition", `attachment; filename="`+o.name+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(HeaderRecords, fmt.Sprint(records))
	o.out = bufio.NewWriterSize(o.w, buffer)
	o.rows = newWriter(o.format, o.out)
	if err := o.alive(); err != nil {
		return err
	}
	o.started = true
	o.w.WriteHeader(http.StatusOK)
	// The announcement goes out by itself, so that whatever breaks off later is seen as broken off, not as no answer.
	if err := o.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("announce the records: %w", err)
	}
	return o.rows.begin(header)
}

// alive gives the caller a new span of time: an export lasts as long as it moves, not as long as other replies may.
func (o *response) alive() error {
	if err := o.control.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound the reply in time: %w", err)
	}
	return nil
}

func (o *response) put(r record) error {
	if o.n++; o.n%aliveEvery == 0 {
		if err := o.alive(); err != nil {
			return err
		}
	}
	return o.rows.write(r)
}

func (o *response) pause() error {
	if err := o.alive(); err != nil {
		return err
	}
	return o.rows.flush()
}

func (o *response) end() error {
	if err := o.pause(); err != nil {
		return err
	}
	return o.out.Flush()
}
