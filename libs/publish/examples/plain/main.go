// Command plain shows how to publish with nothing but a NATS client: one record as a message of its own, and many as a frame.
//
//	plain -nats nats://127.0.0.1:4222 -pipeline contacts
//
// Both are received when the broker has acknowledged them. In the message of one record Nats-Msg-Id is the record's key; in a frame it names
// the frame, and the keys come from the records (the definition's `key`) or from their content.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plain", flag.ContinueOnError)
	url := flags.String("nats", nats.DefaultURL, "address of NATS")
	pipeline := flags.String("pipeline", "contacts", "pipeline that takes the records")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := nats.Connect(*url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", *url, err)
	}
	defer conn.Close()

	// guide: begin
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	// One record. Nats-Msg-Id is its key: the same event published again, with the same id, is a repeat.
	one := nats.NewMsg("records." + *pipeline)
	one.Header.Set("Nats-Msg-Id", "evt-1001")
	one.Data = []byte(`{"id": "con-1", "first_name": "Ada", "last_name": "Example", "email": "ada@example.com"}`)
	if err := publish(ctx, js, one); err != nil {
		return err
	}
	// A frame: one JSON object a line. Many records in one message cost a twentieth of as many messages.
	many := nats.NewMsg("records." + *pipeline)
	many.Header.Set("Content-Type", "application/x-ndjson")
	many.Header.Set("Bulkhead-Count", "2") // a frame cut on its way is refused whole
	many.Header.Set("Bulkhead-Run", "example")
	many.Header.Set("Nats-Msg-Id", "example-frame-1")
	many.Data = []byte(strings.Join([]string{
		`{"id": "con-2", "first_name": "Grace", "last_name": "Example"}`,
		`{"id": "con-1", "phone": null}`, // absent = leave the field alone, null = clear it
	}, "\n"))
	if err := publish(ctx, js, many); err != nil {
		return err
	}
	// guide: end
	fmt.Fprintln(out, "3 records are received in 2 messages")
	return nil
}

// guide: begin

// publish sends one message until the broker says that it is stored. Only then is the next one sent: a later message must not be stored before an
// earlier one that has to be sent again.
func publish(ctx context.Context, js jetstream.JetStream, m *nats.Msg) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := js.PublishMsg(try, m)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, jetstream.ErrNoStreamResponse):
			return fmt.Errorf("%w: nobody takes %s: is the pipeline applied?", err, m.Subject)
		case ctx.Err() != nil:
			return err
		}
		fmt.Fprintln(os.Stderr, "again:", err) // no answer, or the stream is full ("maximum bytes exceeded"): the backpressure
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// guide: end
