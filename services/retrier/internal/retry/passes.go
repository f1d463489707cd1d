package retry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

// Definitions gives a revision of a pipeline's definition. Revisions never change.
type Definitions interface {
	Definition(ctx context.Context, name string, revision int) (*pipeline.Definition, error)
}

// Streams asks the broker about the stream of dead letters.
type Streams interface {
	// LettersSince says since when it has to be given every open letter, as bus.LettersSince does; an error when there is no stream.
	LettersSince(ctx context.Context) (time.Time, error)
}

// Config is what the passes need. Store, Definitions and Streams are required.
type Config struct {
	Store       *store.Store
	Definitions Definitions
	Streams     Streams
	Logger      *slog.Logger
	// Clock is the ledger's clock, which due times are made and read by; default that of the store.
	Clock pg.Clock
	// Random draws the jitter, in [0,1); it must be safe for concurrent use. Default math/rand/v2's.
	Random func() float64
	// ShortRetries makes each wait at most 2 s (demo, tests); never a default.
	ShortRetries bool
	// Gather is how long what is due waits for more to become due, so that one resend carries many rows; default 1 s.
	Gather time.Duration
	// MaxWaiting is the number of waiting records at which a pipeline is paused; default 1,000,000.
	MaxWaiting int64
}

const (
	defaultGather     = time.Second
	shortGather       = 200 * time.Millisecond
	defaultMaxWaiting = 1_000_000
	// defaultTakePortion is of how many of a chunk's rows the failures are read, decided and stored at a time, for the same reason as with defaultBuildBatch.
	defaultTakePortion = 25_000
	// defaultBuildBatch is how many units are read and put into a chunk at a time: memory does not grow by what a whole chunk's rows say.
	defaultBuildBatch = 2000
)

// Passes does the retrier's work, one pass at a time. Each is safe to run twice, and in several processes at once.
type Passes struct {
	store       *store.Store
	definitions Definitions
	streams     Streams
	logger      *slog.Logger
	clock       pg.Clock
	random      func() float64
	short       bool
	gather      time.Duration
	maxWaiting  int64
	buildBatch  int
	takePortion int

	inHand sync.Map // the chunks whose failures are being taken
}

// New makes the passes, with defaults for what c leaves out.
func New(c Config) *Passes {
	p := &Passes{
		store: c.Store, definitions: c.Definitions, streams: c.Streams, logger: c.Logger, clock: c.Clock, random: c.Random,
		short: c.ShortRetries, gather: c.Gather, maxWaiting: c.MaxWaiting, buildBatch: defaultBuildBatch, takePortion: defaultTakePortion,
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.clock == nil {
		p.clock = p.store.Clock()
	}
	if p.random == nil {
		p.random = randomFloat
	}
	if p.gather <= 0 {
		p.gather = defaultGather
		if p.short {
			p.gather = shortGather
		}
	}
	if p.maxWaiting <= 0 {
		p.maxWaiting = defaultMaxWaiting
	}
	return p
}

// policies are those of the revision, with short waits when so configured.
func (p *Passes) policies(d *pipeline.Definition) record.Policies {
	if p.short {
		return d.Retry.Short()
	}
	return d.Retry
}
