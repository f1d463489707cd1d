package inprocess

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bulkhead/libs/service"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

const (
	stopTime = 15 * time.Second // bounds the end of one service
	lease    = 5 * time.Second  // of every service but ops, which has its default
)

// Services are the names of all, in an order in which they may be started.
func Services() []string {
	return []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"}
}

type part interface {
	Run(ctx context.Context) error
}

// Start starts an instance of a service.
func (s *Stack) Start(name string) {
	s.T.Helper()
	p, err := s.instance(name)
	s.Must(err)
	run, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(run) }()
	s.running[name] = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.T.Errorf("%s ended with %v", name, err)
			}
		case <-time.After(stopTime):
			s.T.Errorf("%s did not stop within %s", name, stopTime)
		}
	})
	s.T.Cleanup(s.running[name])
}

// Stop ends the instance of a service that was started last, and waits until it has ended. It is no error when it has ended before.
func (s *Stack) Stop(name string) {
	s.T.Helper()
	if stop, ok := s.running[name]; ok {
		delete(s.running, name)
		stop()
	}
}

// StopAll ends every service, in the reverse of the order in which they are started.
func (s *Stack) StopAll() {
	s.T.Helper()
	for _, name := range slices.Backward(Services()) {
		s.Stop(name)
	}
}

func (s *Stack) instance(name string) (part, error) {
	ctx, o := s.T.Context(), s.options
	dsn, env, short := s.DB.DSN(name), service.NewEnv(name, s.Log, o.Level), !slices.Contains(o.LongRetries, name)
	switch name {
	case "ops":
		c := ops.DefaultConfig()
		c.DSN, c.NATSURL, c.Sweep, c.Horizon, c.HTTPListen, c.GRPCListen = dsn, s.nats, o.Sweep, o.Horizon, "127.0.0.1:0", "127.0.0.1:0"
		c.Definitions, c.Orgs, c.HardDelete = o.Definitions, [][]byte{s.org}, o.HardDelete
		app, err := ops.New(ctx, c, env)
		if err == nil {
			s.ops = "http://" + app.HTTPAddr()
		}
		return app, err
	case "reconciler":
		return reconciler.New(ctx, reconciler.Config{DSN: dsn, NATSURL: s.nats, Waits: o.Waits, ShortRetries: short, Lease: lease, Sweep: o.Sweep}, env)
	case "poller":
		return poller.New(ctx, poller.Config{DSN: dsn, NATSURL: s.nats, Waits: o.Waits, ShortRetries: short, Lease: lease, Sweep: o.Sweep}, env)
	case "retrier":
		return retrier.New(ctx, retrier.Config{DSN: dsn, NATSURL: s.nats, ShortRetries: short, Sweep: o.Sweep}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.DSN, c.NATSURL, c.Waits, c.ShortRetries, c.Lease, c.Sweep = dsn, s.nats, o.Waits, short, lease, o.Sweep
		c.CollectionMargin = submitter.ShortCollectionMargin
		if o.ByJobs {
			c.BulkThreshold = 0
		}
		return submitter.New(ctx, c, env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.DSN, c.NATSURL, c.Lease, c.Sweep = dsn, s.nats, lease, o.Sweep
		return extractor.New(ctx, c, env)
	default:
		return nil, fmt.Errorf("there is no service %q; the names are %v", name, Services())
	}
}
