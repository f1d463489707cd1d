package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bulkhead/libs/service"
	"bulkhead/services/bulkhead/internal/allinone"
	"bulkhead/services/bulkhead/internal/demo"
)

func newDemo(g *globals) *cobra.Command {
	var (
		records  int
		seed     uint64
		postgres string
		logFile  string
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Carry generated records through everything, partial failures included",
		Long: `Start everything on free ports of this machine, carry generated accounts and contacts into a simulated org, and account for each.
About one contact in twenty fails at first: a missing field, a bad e-mail, a duplicate value, a lock that a retry heals, a parent
that is missing. Then publish the missing parents, replay the letters that waited for them, and compare the balance with what was
published and with what the org holds. Nothing stays behind.

Exit code 0: all adds up and nothing is in flight (dead letters are the subject, not a failure). 1: something does not agree.

--json prints one object on the last line of stdout and nothing else there.`,
		Example: `  bulkhead demo
  bulkhead demo --records 200000 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if records < 100 {
				return usage(fmt.Errorf("--records %d is too few to show every kind of failure: 100 at least", records))
			}
			logTo := io.Discard
			if logFile != "" {
				f, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
				if err != nil {
					return usage(fmt.Errorf("--log: %w", err))
				}
				defer f.Close()
				logTo = f
			}
			story := g.out
			if g.json {
				story = io.Discard
			}
			fmt.Fprintln(g.err, "starting PostgreSQL, NATS, the simulator and every service …")
			service.TuneCollector(allinone.MemoryFloor)
			stack, err := allinone.Start(cmd.Context(), allinone.Options{
				PostgresDSN: postgres, LogTo: logTo, Level: service.LogLevel(), SimRowsPerSecond: demoRowsPerSecond(records),
			})
			if err != nil {
				return startError(cmd.Context(), err)
			}
			res, err := demo.Run(cmd.Context(), demo.Config{
				Records: records, Seed: seed, NATSURL: stack.NATSURL, OpsURL: stack.OpsHTTP, SimControlURL: stack.SimControlURL,
				Out: story, Progress: newProgress(g.err),
			})
			stopErr := stack.Stop()
			switch {
			case errors.Is(err, demo.ErrDisagrees):
				for _, c := range res.Complaints {
					fmt.Fprintln(g.err, printable(c))
				}
			case err != nil && cmd.Context().Err() != nil:
				return exit(ExitInterrupted, errors.New("interrupted"))
			case err != nil:
				return exit(ExitFailed, errors.Join(err, stopErr))
			}
			if g.json {
				line, jsonErr := res.JSON()
				if jsonErr != nil {
					return exit(ExitFailed, jsonErr)
				}
				fmt.Fprintf(g.out, "%s\n", line)
			}
			if err = errors.Join(err, stopErr); err != nil {
				return exit(ExitFailed, err)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&records, "records", 20000, "accounts and contacts together, one account in ten")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides what is generated")
	cmd.Flags().StringVar(&logFile, "log", "", "file that gets the services' logs")
	postgresFlag(cmd, &postgres)
	return cmd
}

// demoRowsPerSecond keeps a job visible for a second or two whatever the size of the demo.
func demoRowsPerSecond(records int) int { return max(20000, records/4) }

// progress is a bar on a terminal, and a plain line every few seconds elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	bar      *progressbar.ProgressBar
	phase    string
	told     time.Time
}

// plainEvery is the pause between two progress lines where there is no terminal.
const plainEvery = 2 * time.Second

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) Phase(name string) {
	p.Done()
	p.phase, p.told = name, time.Time{}
	if p.terminal {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(name),
			progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionShowCount())
	}
}

// noteWidth bounds what is told beside a number, in characters.
const noteWidth = 240

func (p *progress) At(done, total int64, note string) {
	note = oneLine(note, noteWidth) // part of it may be what an org answered
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, 1))
		p.bar.Describe(p.phase + ": " + note)
		_ = p.bar.Set64(min(done, total)) // a bar that cannot be drawn is no reason to stop
		return
	}
	if !p.terminal && time.Since(p.told) >= plainEvery {
		p.told = time.Now()
		fmt.Fprintf(p.w, "%s: %d of %d (%s)\n", p.phase, done, total, note)
	}
}

func (p *progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish() // the same
		p.bar = nil
	}
}
