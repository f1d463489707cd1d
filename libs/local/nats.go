package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATSOptions say how to run the embedded NATS server. The zero value runs one on a free port, in a temporary
// directory, without syncing every write.
type NATSOptions struct {
	// Dir is the directory that outlives us (`--data`); streams are kept in its subdirectory nats. Empty means a
	// temporary one.
	Dir string
	// Host is the address to listen on; default 127.0.0.1.
	Host string
	// Port is the port to listen on; 0 means a free one.
	Port int
	// SyncAlways syncs every write before it is acknowledged. Only tests leave it off.
	SyncAlways bool
	// Monitor opens a monitoring address on a free port of this machine, where the server tells of its settings.
	Monitor bool
	// MaxPayload bounds one message, in bytes; default 1 MiB.
	MaxPayload int32
	// MaxStore bounds what all streams together may reserve, in bytes; default 1 TiB, more than anybody has: a stream's max_bytes is
	// its backpressure, and on a small machine it must not keep the stream from being made. A full disk refuses the publish.
	MaxStore int64
	// StartTimeout bounds a start, reading what is stored included; default 2 min.
	StartTimeout time.Duration
	Logger       *slog.Logger
}

// NATS is an embedded server with JetStream.
type NATS struct {
	server   *server.Server
	mender   *mender
	lock     *os.File
	work     *workDir
	stopOnce sync.Once
	stopErr  error
}

// StartNATS starts the server and waits until it takes connections.
func StartNATS(ctx context.Context, o NATSOptions) (_ *NATS, err error) {
	if o.MaxStore == 0 {
		o.MaxStore = 1 << 40
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = server.MAX_PAYLOAD_SIZE
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 2 * time.Minute
	}
	n := &NATS{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop(context.WithoutCancel(ctx)))
		}
	}()
	store, err := n.storeDir(o)
	if err != nil {
		return nil, err
	}
	port := o.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	options := &server.Options{
		ServerName: "bulkhead", Host: o.Host, Port: port, MaxPayload: o.MaxPayload,
		JetStream: true, StoreDir: store, SyncAlways: o.SyncAlways, JetStreamMaxStore: o.MaxStore,
		NoSigs: true, NoSystemAccount: false,
	}
	if o.Monitor {
		options.HTTPHost, options.HTTPPort = "127.0.0.1", server.RANDOM_PORT
	}
	n.server, err = server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	logger := o.Logger.With("component", "nats")
	n.mender = newMender(logger)
	n.mender.server, n.mender.store = n.server, store
	log := &natsLogger{logger: logger, fatal: make(chan string, 1), heard: n.mender.heard}
	n.server.SetLoggerV2(log, false, false, false)
	n.server.Start()
	go n.mender.run()
	return n, n.waitReady(ctx, o, log.fatal)
}

// storeDir is where the streams are kept; with a directory that lasts goes a lock, because two servers on one store
// destroy it.
func (n *NATS) storeDir(o NATSOptions) (_ string, err error) {
	if o.Dir == "" {
		n.work, err = newWorkDir("bulkhead-nats-", account{})
		if err != nil {
			return "", err
		}
		return n.work.path, nil
	}
	store := filepath.Join(o.Dir, "nats")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return "", fmt.Errorf("make the directory for NATS: %w", err)
	}
	n.lock, err = lockFile(filepath.Join(o.Dir, "nats.lock"), store)
	return store, err
}

func (n *NATS) waitReady(ctx context.Context, o NATSOptions, fatal <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	for {
		select {
		case reason := <-fatal:
			return fmt.Errorf("start NATS on %s, port %d: %s", o.Host, o.Port, reason)
		default:
		}
		if n.server.ReadyForConnections(lookEvery) {
			if !n.server.JetStreamEnabled() {
				return errors.New("start NATS: JetStream is not running")
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("start NATS on %s, port %d: it does not take connections: %w", o.Host, o.Port, ctx.Err())
		}
	}
}

// URL is where clients connect.
func (n *NATS) URL() string { return n.server.ClientURL() }

// MonitorURL is where the server tells of its settings; "" = nowhere.
func (n *NATS) MonitorURL() string {
	if a := n.server.MonitorAddr(); a != nil {
		return "http://" + a.String()
	}
	return ""
}

// Stop ends the server; everything acknowledged is on disk. It may be called more than once.
func (n *NATS) Stop(ctx context.Context) error {
	n.stopOnce.Do(func() { n.stopErr = n.stopNow(ctx) })
	return n.stopErr
}

func (n *NATS) stopNow(ctx context.Context) error {
	var err error
	if n.server != nil {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if n.mender != nil {
				close(n.mender.stop)
				<-n.mender.done
			}
			n.server.Shutdown()
			n.server.WaitForShutdown()
		}()
		select {
		case <-ended:
		case <-ctx.Done():
			err = fmt.Errorf("stop NATS: %w", ctx.Err())
		}
	}
	if n.lock != nil {
		_ = n.lock.Close()
	}
	if n.work != nil {
		err = errors.Join(err, n.work.remove())
	}
	return err
}

// natsLogger hands the server's words to our log. The server's notices are our debug: they tell of its inner life.
type natsLogger struct {
	logger *slog.Logger
	fatal  chan string
	heard  func(text string) // is told of every error
}

func (l *natsLogger) log(level slog.Level, format string, args []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.logger.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

func (l *natsLogger) Noticef(format string, args ...any) { l.log(slog.LevelDebug, format, args) }
func (l *natsLogger) Debugf(format string, args ...any)  { l.log(slog.LevelDebug, format, args) }
func (l *natsLogger) Tracef(format string, args ...any)  { l.log(slog.LevelDebug, format, args) }
func (l *natsLogger) Warnf(format string, args ...any)   { l.log(slog.LevelWarn, format, args) }

// Errorf tells of what the server could not do.
func (l *natsLogger) Errorf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	l.heard(fmt.Sprintf(format, args...))
}

// Fatalf is what the server calls when it cannot start, a taken port for one. It must not end our process.
func (l *natsLogger) Fatalf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	select {
	case l.fatal <- fmt.Sprintf(format, args...):
	default:
	}
}
