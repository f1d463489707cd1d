// Command pgcontainer runs a throwaway PostgreSQL in a container for the tests of a machine that has a Docker engine and
// no PostgreSQL. It prints the administrator's address as one line and ends, with the container, when its input ends.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

// image is the oldest version that the product supports.
const image = "postgres:15-alpine"

// startTimeout bounds pulling the image and starting it.
const startTimeout = 2 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	container, err := postgres.Run(starting, image,
		postgres.WithDatabase("bulkhead"), postgres.WithUsername("postgres"), postgres.WithPassword(rand.Text()),
		postgres.BasicWaitStrategies(),
		// The module turns fsync off, which our pools refuse unless it is asked for by name.
		testcontainers.WithCmdArgs("-c", "bulkhead.durability=unsafe"))
	defer func() {
		if terminateErr := testcontainers.TerminateContainer(container); terminateErr != nil {
			err = errors.Join(err, fmt.Errorf("remove the container: %w", terminateErr))
		}
	}()
	if err != nil {
		return fmt.Errorf("start %s: %w", image, err)
	}
	dsn, err := container.ConnectionString(starting, "sslmode=disable")
	if err != nil {
		return fmt.Errorf("address of the container: %w", err)
	}
	if _, err := fmt.Fprintln(out, dsn); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}
