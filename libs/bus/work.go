package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

const (
	// ackWait is the time after which a fact that was not acknowledged comes again. Handlers only note a row.
	ackWait = 5 * time.Second
	// workBatch and workWait size one pull. What a stopping worker leaves of it comes again after ackWait.
	workBatch = 64
	workWait  = 30 * time.Second
	// A stream that is not there is asked for again after this long, growing to workRetryMax.
	workRetry    = 100 * time.Millisecond
	workRetryMax = 2 * time.Second
)

// Handler notes a fact. nil acknowledges it; an error leaves it to be delivered again about five seconds later. It is safe to run twice for the
// same fact, and facts of one chunk may come in any order.
type Handler func(ctx context.Context, e *flowv1.Envelope) error

// Worker is a durable consumer of facts.
type Worker struct {
	// Durable names the consumer; instances of a service share it and divide the facts.
	Durable string
	// Facts are what it consumes, of every pipeline.
	Facts   []string
	Handler Handler
	// Logger is told of failing handlers and of lost streams; nil = nobody.
	Logger *slog.Logger
}

func workerConfig(durable string, facts []string) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Durable:       durable,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		// No limit and no backoff: giving up is never the broker's decision, waiting is a row with a due time.
		MaxDeliver: -1,
	}
	for _, fact := range facts {
		c.FilterSubjects = append(c.FilterSubjects, FlowSubject("*", fact))
	}
	slices.Sort(c.FilterSubjects)
	return c
}

// EnsureWorker opens the durable consumer on FLOW, making it when it is not there and bringing it to these facts when it is. It waits
// until FLOW exists; only ctx ends it without one.
func EnsureWorker(ctx context.Context, conn *Conn, durable string, facts []string) error {
	wait := workRetry
	for {
		err := openWorker(ctx, conn, durable, facts)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("consumer %s on %s: %w", durable, StreamFlow, errors.Join(ctx.Err(), err))
		}
		pause(ctx, wait)
		wait = min(wait*2, workRetryMax)
	}
}

func openWorker(ctx context.Context, conn *Conn, durable string, facts []string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err := conn.Broker.EnsureConsumer(ctx, StreamFlow, workerConfig(durable, facts)); err != nil {
		return fmt.Errorf("consumer %s on %s: %w", durable, StreamFlow, err)
	}
	return nil
}

// Work hands facts to the worker's handler, one after the other, until ctx is done, and then returns nil. A lost connection, a FLOW that
// was deleted or made again and a deleted consumer only interrupt it. It returns an error only for a Worker that cannot work.
func Work(ctx context.Context, conn *Conn, w Worker) error {
	if w.Handler == nil || len(w.Facts) == 0 {
		return errors.New("worker needs a handler and at least one fact")
	}
	if err := checkToken("durable", w.Durable); err != nil {
		return err
	}
	logger := w.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &shift{worker: w, logger: logger.With("consumer", w.Durable), said: map[string]string{}}
	wait := workRetry
	for ctx.Err() == nil {
		worked, err := s.turn(ctx, conn)
		if worked {
			wait = workRetry
		}
		if ctx.Err() == nil {
			s.say("open", err)
			pause(ctx, wait)
			wait = min(wait*2, workRetryMax)
		}
	}
	return nil
}

// turn opens the consumer and pulls from it until that fails; worked says that it gave something, or had nothing to give: one that was opened may still
// have nobody who answers, while a cluster elects its leader.
func (s *shift) turn(ctx context.Context, conn *Conn) (worked bool, err error) {
	if err := openWorker(ctx, conn, s.worker.Durable, s.worker.Facts); err != nil {
		return false, err
	}
	return s.pull(ctx, conn)
}

// shift is one run of [Work].
type shift struct {
	worker Worker
	logger *slog.Logger
	said   map[string]string // last error by topic: the same one again is not logged again
}

// pull fetches and handles until ctx ends or the consumer does not answer as it should.
func (s *shift) pull(ctx context.Context, conn *Conn) (worked bool, err error) {
	answered := func() {
		worked = true
		s.say("open", nil)
	}
	for ctx.Err() == nil {
		err := conn.Broker.Pull(ctx, StreamFlow, s.worker.Durable, PullRequest{Batch: workBatch, Expires: workWait}, func(d Delivery) error {
			answered()
			s.handle(ctx, d)
			return ctx.Err() // what was delivered and is not handled comes again
		})
		if err != nil {
			return worked, err
		}
		answered()
	}
	return worked, nil
}

func (s *shift) handle(ctx context.Context, msg Delivery) {
	envelope, err := ParseEnvelope(msg.Data)
	if err != nil {
		// Nobody will ever read it; the sweep over the producer's view finds the work that it spoke of.
		s.logger.Error("fact that cannot be read, left to the sweep", "subject", msg.Subject, "bytes", len(msg.Data), "err", err)
		s.ack(ctx, msg)
		return
	}
	early := planted.On(planted.AckBeforeCommit)
	if early {
		s.ack(ctx, msg)
	}
	err = s.run(ctx, envelope)
	if ctx.Err() != nil && err != nil {
		return
	}
	s.say("handler", err)
	if err == nil && !early {
		s.ack(ctx, msg)
	}
}

func (s *shift) run(ctx context.Context, e *flowv1.Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := s.worker.Handler(ctx, e); err != nil {
		return fmt.Errorf("%s of pipeline %s: %w", FactOf(e), e.GetPipeline(), err)
	}
	return nil
}

// ack passes the fault points "<durable>.fact.before_ack" and ".after_ack". A lost acknowledgement only brings the fact again.
func (s *shift) ack(ctx context.Context, msg Delivery) {
	err := fault.Point(ctx, s.worker.Durable+".fact.before_ack")
	if err == nil {
		err = msg.Ack()
	}
	if err == nil {
		err = fault.Point(ctx, s.worker.Durable+".fact.after_ack")
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.say("ack", err)
	}
}

// say logs an error when it is not the last one said on its topic, and its end once.
func (s *shift) say(topic string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if s.said[topic] == text {
		return
	}
	s.said[topic] = text
	if err != nil {
		s.logger.Warn("facts wait", "at", topic, "err", err)
		return
	}
	s.logger.Info("facts flow again", "at", topic)
}
