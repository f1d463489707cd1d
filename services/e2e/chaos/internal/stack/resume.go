package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// resumeOf is the instance whose ways to ledger and broker the command takes.
	resumeOf = "extractor-1"
	// resumeWithin bounds trying it: the extractor has to see first that the stream is another one.
	resumeWithin = 20 * time.Second
	resumeEvery  = 200 * time.Millisecond
)

// MakeRecordsAgain deletes a pipeline's RECORDS stream and makes it again behind everything that it ever held, as `extractor resume` asks for.
func (b *Broker) MakeRecordsAgain(ctx context.Context, pipeline string) error {
	name := bus.RecordsStream(pipeline)
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		was := s.CachedInfo()
		again := was.Config
		again.FirstSeq = was.State.LastSeq + 1
		for {
			if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				return fmt.Errorf("delete stream %s: %w", name, err)
			}
			_, err := js.CreateStream(ctx, again)
			if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // else ops was quicker, and its stream begins with 1
				if err != nil {
					err = fmt.Errorf("make stream %s again: %w", name, err)
				}
				return err
			}
		}
	})
}

// ResumeDying has `extractor resume` die at a crash point, and then lets it go on: whatever it had done, the pipeline goes on afterwards.
func (s *Stack) ResumeDying(ctx context.Context, pipeline, point string) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	for n := 1; ; n++ {
		said, proc, err := s.resume(ctx, pipeline, point+"=crash@1", "resume-"+point, n)
		if err != nil {
			return err
		}
		if proc.killedItself() {
			break
		}
		if proc.state.Success() {
			return fmt.Errorf("extractor resume %s did not die at %s", pipeline, point)
		}
		if !sleep(ctx, resumeEvery) { // the pipeline has not stopped yet
			return fmt.Errorf("extractor resume %s: %s: %w", pipeline, said, ctx.Err())
		}
	}
	said, proc, err := s.resume(ctx, pipeline, "", "resumed-"+point, 1)
	if err != nil {
		return err
	}
	// Dead behind its commit, it had let it go on.
	if !proc.state.Success() && !strings.Contains(said, "the pipeline is not stopped") {
		return fmt.Errorf("extractor resume %s after its death at %s: %s: %s", pipeline, point, proc.state, said)
	}
	s.record(history.Event{What: "operator", Target: "extractor resume", Point: point, Text: fmt.Sprintf("died and went on: %s %s", proc.state, said), Done: true})
	return nil
}

// resume runs the command to its end, with rules for its crash points. It gives what the command said.
func (s *Stack) resume(ctx context.Context, pipeline, rules, name string, n int) (said string, _ *process, err error) {
	cmd, err := s.parts[resumeOf].command(rules, tracedFile(s.o.Dir, name, n))
	if err != nil {
		return "", nil, err
	}
	cmd.Args = append(cmd.Args, "resume", pipeline)
	text := filepath.Join(s.o.Dir, logsDir, fmt.Sprintf("%s-%d.log", name, n))
	log, err := os.OpenFile(text, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644) //nolint:gosec // the run's own directory
	if err != nil {
		return "", nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := launch(cmd, "")
	if err != nil {
		return "", nil, err
	}
	select {
	case <-proc.done:
	case <-ctx.Done():
		proc.end(syscall.SIGKILL)
		<-proc.done
	}
	told, err := os.ReadFile(text) //nolint:gosec // the run's own directory
	if err != nil {
		return "", nil, fmt.Errorf("log of %s: %w", name, err)
	}
	return strings.TrimSpace(string(told)), proc, nil
}
