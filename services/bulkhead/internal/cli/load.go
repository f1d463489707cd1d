package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bulkhead/libs/record"
	"bulkhead/services/bulkhead/internal/load"
)

const defaultNATS = "nats://127.0.0.1:4222"

func newLoad(g *globals) *cobra.Command {
	var (
		c         load.Config
		delimiter string
		header    []string
	)
	cmd := &cobra.Command{
		Use:   "load FILE --pipeline NAME",
		Short: "Publish a file's rows, follow them to the end, and say what became of each",
		Long: `Publish the rows of a CSV or NDJSON file (plain, gzip or zstd; - is standard input) to a pipeline, wait until each has come to
rest, and print what landed and what did not, with line numbers and reasons.

CSV needs a header whose names are the members that the definition reads (a.b for nested ones). Every cell is a string, an
empty one an absent member: it leaves the field alone. Delimiter, quotes, line ends within quotes, CRLF and a byte order mark
are understood. A row with another number of cells than the header is named and left out.

A row's key is the digest of the file's content and the row's line, unless the definition names key members. So the same file again,
after an interrupt or by mistake, lands nothing twice: its rows are repeats. When all of it was loaded before, nothing is even published,
unless the definition names the key: then each load publishes every row, and what is known is a repeat.
A file whose rows were corrected is another file: put only the corrected rows into it, above all where the pipeline inserts.

A record stays with the run that brought it first. What of it has not landed is told with its line, and the run, also by a load under
another run whose rows are repeats of it.

Progress goes to stderr, the summary to stdout. Ctrl-C stops; the same command goes on.

Exit code 0: every row landed, or is a repeat of a record that landed, is on its way or was discarded. 3: a row was refused, is dead or
unresolved, is still open (the pipeline is paused, --wait is over), or is a repeat of a record that is dead, unresolved or waiting.
2: the file or its columns cannot be used, nothing was published. 4: the pipeline is not defined. 6: NATS or ops cannot be reached.`,
		Example: `  bulkhead load contacts.csv --pipeline contacts
  bulkhead load contacts.csv.gz --pipeline contacts --errors failed.csv
  psql -c '\copy (select …) to stdout csv header' | bulkhead load - --pipeline contacts --run nightly-2026-11-22
  bulkhead load big.ndjson.zst --pipeline contacts --no-wait --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.File, c.Stdin, c.Header, c.Notes = args[0], g.in, header, &noteWriter{g.err}
			if c.Pipeline == "" {
				return usage(errors.New("--pipeline is needed: bulkhead pipelines ls lists them"))
			}
			if err := checkLoad(cmd, &c, delimiter); err != nil {
				return err
			}
			if f, ok := g.in.(*os.File); ok && c.File == "-" && term.IsTerminal(int(f.Fd())) {
				fmt.Fprintln(g.err, "reading rows from the terminal; end them with Ctrl-D")
			}
			var err error
			if c.Ops, err = g.client(); err != nil {
				return err
			}
			c.Progress = newProgress(g.err)
			r, err := load.Run(cmd.Context(), c)
			return g.loaded(cmd.Context(), r, err, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Pipeline, "pipeline", "", "the pipeline that takes the rows (needed)")
	f.StringVar(&c.Run, "run", "", "name of the run in balance and letters (default load- and 12 digits of the file's digest)")
	f.StringVar(&c.Format, "format", "", "csv or ndjson (default: by the name, else by the first character)")
	f.StringVar(&delimiter, "delimiter", "", `what separates cells: one ASCII character, as itself or as \x01, or tab, comma, semicolon, pipe (default: found out among these)`)
	f.StringSliceVar(&header, "header", nil, "names of the columns of a CSV file that has no header: a,b,c")
	f.BoolVar(&c.EmptyNull, "empty-null", false, "an empty cell is null, which clears the field, instead of an absent member")
	f.BoolVar(&c.Force, "force", false, "publish again what was loaded before; its rows are repeats")
	f.BoolVar(&c.NoWait, "no-wait", false, "end when everything is published")
	f.DurationVar(&c.Wait, "wait", 0, "follow for so long at most (default: until everything has come to rest)")
	f.IntVar(&c.Show, "show", 20, "how many rows that did not land are printed")
	f.StringVar(&c.ErrorsFile, "errors", "", "`file` that gets all rows that did not land, as CSV with their lines")
	f.StringVar(&c.NATS, "nats", envOr("BULKHEAD_NATS", defaultNATS), "address of NATS (or BULKHEAD_NATS)")
	f.Lookup("nats").DefValue = defaultNATS
	return cmd
}

// checkLoad finds what is wrong with the flags before anything is opened.
func checkLoad(cmd *cobra.Command, c *load.Config, delimiter string) error {
	if delimiter != "" {
		d, err := load.ParseDelimiter(delimiter)
		if err != nil {
			return usage(err)
		}
		c.Delimiter = d
	}
	csvOnly := c.Delimiter != 0 || c.Header != nil || c.EmptyNull
	switch {
	case c.Format != "" && c.Format != load.FormatCSV && c.Format != load.FormatNDJSON:
		return usage(fmt.Errorf("--format %q: it is %s or %s", c.Format, load.FormatCSV, load.FormatNDJSON))
	case c.Format == load.FormatNDJSON && csvOnly:
		return usage(errors.New("--delimiter, --header and --empty-null are about CSV: NDJSON has none of them"))
	case c.Wait < 0 || c.Wait == 0 && cmd.Flags().Changed("wait"):
		return usage(errors.New("--wait must be longer than nothing; --no-wait does not wait"))
	case c.Wait > 0 && c.NoWait:
		return usage(errors.New("--wait and --no-wait exclude each other"))
	case c.Show < 0:
		return usage(fmt.Errorf("--show %d: 0 or more", c.Show))
	}
	return nil
}

// noteWriter keeps what a file's own names could do to a terminal from it.
type noteWriter struct{ w io.Writer }

func (n *noteWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(n.w, printable(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// loaded prints what a load did and gives its exit code.
func (g *globals) loaded(ctx context.Context, r *load.Result, err error, c load.Config) error {
	if r != nil {
		if printErr := g.printLoad(r, c, err); printErr != nil {
			return errors.Join(printErr, err)
		}
	}
	var (
		use  *load.UsageError
		away *load.UnreachableError
	)
	switch {
	case err != nil && ctx.Err() != nil:
		return exit(ExitInterrupted, interrupted(r))
	case errors.As(err, &use):
		return usage(err)
	case errors.As(err, &away):
		return exit(ExitUnreachable, err)
	case err != nil && r != nil && r.Published > 0:
		return exit(codeOf(err), fmt.Errorf("%w\n%s", err, goOn))
	case err != nil:
		return err
	case !r.AddsUp || r.Unaccounted > 0:
		return exit(ExitFailed, fmt.Errorf("the balance of run %s does not agree with what was published: bulkhead status shows it; this is an incident", r.Run))
	case !c.NoWait && !r.Complete, len(r.Problems) > 0, r.RepeatsUnchecked > 0, r.Balance.Dead+r.Balance.Open() > 0:
		return exitWith(ExitPartly)
	}
	return nil
}

const goOn = "Nothing is lost. Run the same command again to go on: what was accepted is a repeat."

func interrupted(r *load.Result) error {
	switch {
	case r == nil:
		return errors.New("interrupted: nothing was published")
	case r.Published == 0 && !r.LoadedBefore:
		return errors.New("interrupted: no row is known to be published. Run the same command again to go on: what was accepted is a repeat")
	case r.Published < r.Rows-r.Refused && !r.LoadedBefore:
		return fmt.Errorf("interrupted: %s of %s rows are published. %s", thousands(r.Published), thousands(r.Rows), goOn)
	}
	return fmt.Errorf("interrupted: every row is published and goes on by itself. bulkhead status --pipeline %s --run %s shows it, the same command again follows it", r.Pipeline, r.Run)
}

// printLoad prints the summary; with an error it is what is known so far.
func (g *globals) printLoad(r *load.Result, c load.Config, err error) error {
	if g.json {
		line, jsonErr := json.Marshal(r)
		if jsonErr != nil {
			return jsonErr
		}
		fmt.Fprintf(g.out, "%s\n", line)
		return nil
	}
	if err != nil && r.Published == 0 && len(r.Problems) == 0 {
		return nil
	}
	w := g.out
	fmt.Fprintf(w, "%s → %s, run %s\n", printable(r.File), printable(r.Pipeline), printable(r.Run))
	fmt.Fprintf(w, "  rows          %s\n", thousands(r.Rows))
	for _, x := range []struct {
		name   string
		n      int64
		always bool
	}{
		{"refused", r.Refused, false}, {"published", r.Published, true}, {"repeats", r.Repeats, false},
	} {
		if x.n != 0 || x.always {
			fmt.Fprintf(w, "  %-13s %s\n", x.name, thousands(x.n))
		}
	}
	if c.NoWait {
		fmt.Fprintf(w, "Not followed (--no-wait): bulkhead status --pipeline %s --run %s shows what becomes of them.\n", r.Pipeline, r.Run)
	} else if r.Followed {
		b := r.Balance
		fmt.Fprintln(w, "of the run")
		for _, x := range []struct {
			name   string
			n      int64
			always bool
		}{
			{"landed", b.Landed, true},
			{"superseded", b.Superseded, false},
			{"in flight", b.InFlight, false},
			{"retrying", b.Retrying, false},
			{"waiting", b.WaitingForParent, false},
			{"unresolved", b.Unresolved, false},
			{"dead", b.Dead, true},
			{"discarded", b.Discarded, false},
			{"rolled back", b.RolledBack, false},
		} {
			if x.n != 0 || x.always {
				fmt.Fprintf(w, "  %-13s %s\n", x.name, thousands(x.n))
			}
		}
	}
	g.printProblems(r)
	if r.Open != "" {
		fmt.Fprintf(w, "\nStill open: %s\n", printable(r.Open))
	}
	fmt.Fprintf(w, "%.1f s\n", time.Duration(r.Seconds*float64(time.Second)).Seconds())
	return nil
}

func (g *globals) printProblems(r *load.Result) {
	if len(r.Problems) == 0 {
		return
	}
	var (
		rows  [][]string
		all   int64
		waits bool
	)
	for _, p := range r.Problems {
		all += p.Records
		waits = waits || p.State == string(record.StateDead) || p.State == string(record.StateUnresolved)
		rows = append(rows, []string{thousands(p.Records), p.State, dash(p.Class), dash(printable(p.Code))})
	}
	fmt.Fprintln(g.out)
	table(g.out, "RECORDS|STATE|CLASS|CODE", rows)
	if len(r.Examples) > 0 {
		rows = rows[:0]
		for _, p := range r.Examples {
			line := "?"
			if p.Line > 0 {
				line = thousands(p.Line)
			}
			cells := []string{line, p.State, dash(printable(p.Code)), oneLine(p.Message, 120)}
			if r.RepeatsNotLanded > 0 {
				run := r.Run
				if p.Repeat {
					run = dash(p.Run)
				}
				cells = slices.Insert(cells, 1, printable(run))
			}
			rows = append(rows, cells)
		}
		heads := "LINE|STATE|CODE|MESSAGE"
		if r.RepeatsNotLanded > 0 {
			heads = "LINE|RUN|STATE|CODE|MESSAGE"
		}
		fmt.Fprintln(g.out)
		table(g.out, heads, rows)
		if more := all - int64(len(r.Examples)); more > 0 && r.ErrorsFile == "" {
			fmt.Fprintf(g.out, "and %s more (--show N prints more, --errors FILE writes all)\n", thousands(more))
		}
	}
	if r.ErrorsFile != "" {
		fmt.Fprintf(g.out, "all %s are in %s\n", thousands(all), printable(r.ErrorsFile))
	}
	if n := r.RepeatsNotLanded; n > 0 {
		fmt.Fprintf(g.out, "%s of them were brought by other runs: rows of this file are repeats of them, and sent nothing.\n", thousands(n))
	}
	if waits {
		fmt.Fprintf(g.out, "Dead letters wait for you: bulkhead dlq ls --pipeline %s\n", printable(r.Pipeline))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
