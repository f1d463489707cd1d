package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// Progress shows how far a phase is; total 0 = not known yet.
type Progress interface {
	Phase(name string)
	At(done, total int64, note string)
	Done()
}

// Config of one load.
type Config struct {
	// File is a path, or - for Stdin.
	File  string
	Stdin io.Reader
	// Pipeline takes the rows.
	Pipeline string
	// Run names the load in balance and letters; "" = load- and 12 digits of the digest.
	Run string
	Reading
	// Force publishes a file that was loaded before.
	Force bool
	// NoWait ends when everything is published.
	NoWait bool
	// Wait bounds following; 0 = until everything has come to rest.
	Wait time.Duration
	// Show is how many rows that did not land are told one by one.
	Show int
	// ErrorsFile gets all of them as CSV; "" = none.
	ErrorsFile string
	// NATS is the address to publish at.
	NATS string
	Ops  *opsclient.Client
	// Notes gets lines for people; Progress the moving line.
	Notes    io.Writer
	Progress Progress
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// runDigits is how much of the digest a run's name carries.
const runDigits = 12

// loader is one load under way.
type loader struct {
	c        Config
	src      *source
	members  members
	def      *pipeline.Definition
	org      string
	run      string
	known    *knowledge
	problems *problems
	before   *opsv1.GetBalanceResponse
	result   *Result
	// reused are lines of rows of this run that died because their key was known with other content.
	reused map[int64]bool
}

// Run does the whole load. With an error the result says how far it came, and is nil when nothing was read. Errors are *UsageError,
// *UnreachableError, those of opsclient, the context's, or a failure.
func Run(ctx context.Context, c Config) (_ *Result, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	started := c.Now()
	l := &loader{c: c, reused: map[int64]bool{}}
	if c.Run != "" && !bus.ValidRun(c.Run) {
		return nil, usagef("--run %q: 1 to 64 of letters, digits, dot, underscore and hyphen", c.Run)
	}
	if c.Header != nil {
		if err := checkNames(c.Header, "--header"); err != nil {
			return nil, err
		}
	}
	if err := l.definition(ctx); err != nil {
		return nil, err
	}
	if l.src, err = openSource(ctx, c.File, c.Stdin); err != nil {
		return nil, err
	}
	defer l.src.Close()
	if l.problems, err = newProblems(c.Show, c.ErrorsFile); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, l.problems.file.finish(l.result != nil))
	}()
	if err := l.inspect(ctx); err != nil {
		return nil, err
	}
	if l.before, _, err = c.Ops.Balance(ctx, c.Pipeline, l.run); err != nil {
		return nil, err
	}
	l.result = l.newResult()
	err = l.carry(ctx)
	l.result.Seconds = c.Now().Sub(started).Seconds()
	l.result.fill(l.problems)
	return l.result, err
}

// definition asks ops for the pipeline's.
func (l *loader) definition(ctx context.Context) error {
	reply, _, err := l.c.Ops.Pipeline(ctx, l.c.Pipeline)
	var refused *opsclient.Error
	if errors.As(err, &refused) && refused.Code == codes.NotFound {
		all, _, listErr := l.c.Ops.Pipelines(ctx)
		if listErr != nil {
			return listErr
		}
		var names []string
		for _, p := range all.GetPipelines() {
			names = append(names, p.GetName())
		}
		if len(names) == 0 {
			return &opsclient.Error{Code: codes.NotFound, Message: fmt.Sprintf("pipeline %q is not defined, and no other is: bulkhead pipelines apply FILE", l.c.Pipeline)}
		}
		return &opsclient.Error{Code: codes.NotFound, Message: fmt.Sprintf("pipeline %q is not defined; these are: %s", l.c.Pipeline, strings.Join(names, ", "))}
	}
	if err != nil {
		return err
	}
	def, _, err := pipeline.ParseDefinition([]byte(reply.GetPipeline().GetYaml()))
	if err != nil {
		return fmt.Errorf("the definition of %s that ops has cannot be read here (this command and ops must be of one version): %w", l.c.Pipeline, err)
	}
	l.def, l.org, l.members = def, def.Org, membersOf(def)
	return nil
}

// inspect reads the file once and checks its columns; nothing is published yet.
func (l *loader) inspect(ctx context.Context) error {
	l.c.Progress.Phase("read")
	known, err := inspect(ctx, l.src, l.c.Reading, l.members.nested, func(read int64) {
		l.c.Progress.At(read, l.src.size, "bytes of "+l.src.name)
	})
	l.c.Progress.Done()
	if err != nil {
		return err
	}
	l.known = known
	if known.Format == FormatCSV {
		if known.detected && known.Delimiter != ',' {
			fmt.Fprintf(l.c.Notes, "note: cells are separated by %s (found out; --delimiter names another)\n", nameDelimiter(known.Delimiter))
		}
		notes, err := l.members.check(l.src.name, known.names)
		if err != nil {
			return err
		}
		for _, n := range notes {
			fmt.Fprintf(l.c.Notes, "note: %s\n", n)
		}
	}
	if l.run = l.c.Run; l.run == "" {
		l.run = "load-" + known.digest[:runDigits]
	}
	return nil
}

// carry publishes, follows and finds out what did not land.
func (l *loader) carry(ctx context.Context) error {
	r := l.result
	again, err := l.loadedBefore(ctx)
	if err != nil {
		return err
	}
	if again {
		fmt.Fprintf(l.c.Notes, "note: all %d rows of this file were loaded before: nothing is published (--force publishes it again; every row is then a repeat)\n", l.known.rows)
		r.LoadedBefore = true
	}
	s, err := l.send(ctx, again)
	if s != nil {
		r.Published = s.stored
		if s.out != nil {
			r.Frames = s.out.Stats().Frames
		}
	}
	if err != nil {
		return err
	}
	if l.c.NoWait {
		return nil
	}
	f, err := l.follow(ctx, s)
	r.balance(l.before, f.reply)
	if err != nil {
		return err
	}
	r.Open, r.Complete = f.open, f.open == ""
	if missing := r.Published - r.newly; r.Complete && missing > 0 {
		r.Unaccounted = missing
	}
	own := notLanded(f.reply.GetBalance())
	if own > 0 {
		if err := l.failed(ctx, s); err != nil {
			return err
		}
	}
	// What an earlier load of this run repeated is what this one stands for, too: nothing is published, or all are repeats once more.
	if again || f.reply.GetRepeats() > 0 {
		return l.repeated(ctx, own)
	}
	return nil
}

// loadedBefore says whether every row of the file is in the ledger already. Rows are published in order, each acknowledged before the next frame:
// where the last one is known, all are received. Of keys that the definition names nobody can tell that without reading them all, since they are not
// this file's: it is published, and what is known is a repeat.
func (l *loader) loadedBefore(ctx context.Context) (bool, error) {
	if l.c.Force || l.known.rows == 0 || len(l.def.Key) > 0 || l.before.GetBalance().GetAccepted()+l.before.GetRepeats() < l.known.rows {
		return false, nil
	}
	for _, line := range []int64{l.known.first, l.known.last} {
		found, _, err := l.c.Ops.Records(ctx, l.c.Pipeline, key(l.known.prefix(), line), "")
		var refused *opsclient.Error
		switch {
		case errors.As(err, &refused) && refused.Code == codes.NotFound:
			return false, nil
		case err != nil:
			return false, err
		case len(found.GetRecords()) == 0:
			return false, nil
		}
	}
	return true, nil
}

// redacted is an address, or a list of them with commas, without what is secret in it: passwords, and names, since one that stands alone is a token.
func redacted(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") {
			part = "nats://" + part // as the client reads it
		}
		u, err := url.Parse(part)
		if err != nil {
			parts[i] = "(no address)"
			continue
		}
		shown := url.URL{Scheme: u.Scheme, Host: u.Host}
		if u.User != nil {
			shown.User = url.User("xxxxx")
		}
		parts[i] = shown.String()
	}
	return strings.Join(parts, ",")
}

// errNoURL takes the place of what the parser of URLs says, which quotes the URL with its password.
var errNoURL = errors.New("it cannot be read as a URL; in a password %40 is an @, %2F a slash, %23 a #")
