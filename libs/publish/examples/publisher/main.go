// Command publisher shows package publish: it reads newline-delimited JSON from standard input and publishes each line as a record.
//
//	publisher -nats nats://127.0.0.1:4222 -pipeline contacts -run nightly -source contacts-2026-11-23 <contacts.ndjson
//
// Each record's key is the source and the line: the same input again is repeats, never second records. So each file needs a source of its own:
// another file under the same one has other content under the same keys, and each such record is a dead letter KEY_REUSED. The program ends when every
// frame is acknowledged, which is when the records are received; on Ctrl-C it says how many are. Exit codes: 1 = not all is received, 2 = a wrong
// command line, nothing was published.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/publish"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "publisher:", err)
		os.Exit(code(err)) //nolint:gocritic // the signal's handler ends with the process
	}
}

// errUsage is a wrong command line.
var errUsage = errors.New("see publisher -help")

func code(err error) int {
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("publisher", flag.ContinueOnError)
	url := flags.String("nats", nats.DefaultURL, "address of NATS")
	pipeline := flags.String("pipeline", "contacts", "pipeline that takes the records")
	name := flags.String("run", "example", "name of the run")
	source := flags.String("source", "", "what the keys begin with: the same for the same input, another for each other one; needed")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	if *source == "" {
		return fmt.Errorf("-source is needed: keys are SOURCE:LINE, and another file under the same source would be KEY_REUSED; name the file, or its day: %w", errUsage)
	}
	conn, err := nats.Connect(*url, nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", *url, err)
	}
	defer conn.Close()

	// guide: begin
	p, err := publish.New(conn, *pipeline,
		publish.WithRun(*name),
		publish.WithEncoding(publish.Zstd),
		publish.WaitWhenFull(func(w publish.Wait) { fmt.Fprintln(os.Stderr, "the stream is full, waiting:", w.Err) }),
	)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		err := p.Add(ctx, publish.Record{Key: fmt.Sprintf("%s:%d", *source, n), Body: lines.Bytes()})
		var large *publish.TooLargeError
		switch {
		case errors.As(err, &large):
			fmt.Fprintf(os.Stderr, "line %d is left out: %v\n", n, err) // nothing else is affected
		case err != nil:
			return fmt.Errorf("%d records are received: %w", p.Stats().Records, err)
		}
	}
	if err := p.Close(ctx); err != nil { // publishes the last frame
		return fmt.Errorf("%d records are received: %w", p.Stats().Records, err)
	}
	// guide: end
	if err := lines.Err(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d records are received in %d frames\n", p.Stats().Records, p.Stats().Frames)
	return nil
}
