package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bulkhead/services/bulkhead/internal/opsclient"
)

const (
	formatCSV    = "csv"
	formatNDJSON = "ndjson"
	standardOut  = "-"

	progressEvery = time.Second
)

func newExport(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Records that landed, or that did not, as CSV or NDJSON",
		Long: `Write a pipeline's records, one line each, as the ledger has them at this moment: those that landed, with their Salesforce
ids, or those that did not, with what is wrong with them. The number of records is what bulkhead status shows.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	const formats = `
As CSV a value that a spreadsheet could take for a formula (it begins with = + - @, a tab or a carriage return) gets an
apostrophe in front. Programs read --format ndjson, where every value is as it is.

A FILE appears when it is complete, in place of one that was there; it can be read by you only, since it holds records.

Exit code 4: no record matches, or the pipeline is not defined. 1: the export broke off; a FILE is left as it was.`
	cmd.AddCommand(
		newExportKind(g, exportKind{
			name: "landed", short: "Write the records that Salesforce has, with their Salesforce ids",
			long: `Write the records that landed: key, generation, run, Salesforce id, job, chunk, place in the stream, and when.
` + formats,
			example: `  bulkhead export landed --pipeline contacts --output landed.csv
  bulkhead export landed --pipeline contacts --run 2026-11-22 --format ndjson | jq -r .salesforce_id`,
		}),
		newExportKind(g, exportKind{
			name: "failed", short: "Write the records that did not land: why, after how many attempts, and their letter",
			long: `Write the records that are dead, retrying, waiting for their parent or unresolved: key, entity, state, class, code, message,
fields, attempts, the job of the last try, and the letter that bulkhead dlq replay takes. NDJSON also holds the payload.

To correct some and send just those again: publish what is corrected under a new key and discard its letter; what was
right and failed for another reason, replay.
` + formats,
			example: `  bulkhead export failed --pipeline contacts --output failed.csv
  bulkhead export failed --pipeline contacts --format ndjson | jq -r 'select(.code=="INVALID_EMAIL_ADDRESS").payload'
  bulkhead export failed --pipeline contacts --format ndjson | jq -r 'select(.state=="dead").letter_id' | xargs bulkhead dlq replay --reason 'the org was mended'`,
		}),
	)
	return cmd
}

type exportKind struct{ name, short, long, example string }

func newExportKind(g *globals, k exportKind) *cobra.Command {
	var pipeline, run, format, output string
	cmd := &cobra.Command{
		Use: k.name, Short: k.short, Long: k.long, Example: k.example,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case pipeline == "":
				return usage(errors.New("--pipeline is needed: bulkhead pipelines ls lists them"))
			case format != formatCSV && format != formatNDJSON:
				return usage(fmt.Errorf("--format %q: it is %s or %s", format, formatCSV, formatNDJSON))
			case output == "":
				return usage(errors.New("--output is empty: name a file, or - for standard output"))
			case g.json && output == standardOut:
				return usage(errors.New("--json tells what was written to a file: name it with --output"))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			e, err := c.Export(cmd.Context(), k.name, pipeline, run, format)
			if err != nil {
				return err
			}
			n, size, err := g.download(e, output, format == formatCSV)
			if err = errors.Join(err, e.Close()); err != nil {
				return err
			}
			if output != standardOut {
				if err := g.exported(k.name, pipeline, run, format, output, n, size); err != nil {
					return err
				}
			}
			if n == 0 {
				return exitWith(ExitNothing)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "the pipeline whose records these are (needed)")
	cmd.Flags().StringVar(&run, "run", "", "only records of this run (header Bulkhead-Run)")
	cmd.Flags().StringVar(&format, "format", formatCSV, "csv or ndjson")
	cmd.Flags().StringVarP(&output, "output", "o", standardOut, "the `file` to write, - = standard output")
	return cmd
}

// exported tells what was written to a file.
func (g *globals) exported(kind, pipeline, run, format, output string, n, size int64) error {
	if !g.json {
		fmt.Fprintf(g.out, "%s %s records of %s written to %s\n", thousands(n), kind, printable(pipeline), printable(output))
		return nil
	}
	line, err := json.Marshal(map[string]any{
		"kind": kind, "pipeline": pipeline, "run": run, "format": format, "output": output, "records": n, "bytes": size,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "%s\n", line)
	return nil
}

// download writes an export where it is wanted, and holds it to the number of records that was announced.
func (g *globals) download(e *opsclient.Export, output string, header bool) (records, size int64, err error) {
	to, finish, err := g.destination(output)
	if err != nil {
		return 0, 0, err
	}
	count := &lineCounter{skip: header}
	if f, ok := g.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		count.tell = func() { fmt.Fprintf(f, "\r%s of %s records", thousands(count.records()), thousands(e.Records)) }
		defer fmt.Fprintln(f)
	}
	size, err = io.Copy(io.MultiWriter(to, count), e)
	if err == nil && count.records() != e.Records {
		err = fmt.Errorf("%d records came and %d were announced: the export is not whole", count.records(), e.Records)
	}
	if count.tell != nil {
		count.tell()
	}
	return count.records(), size, finish(err)
}

// destination is where an export goes, and what ends it: with nil the file takes its place, with an error nothing is left of it.
func (g *globals) destination(output string) (io.Writer, func(error) error, error) {
	if output == standardOut {
		w, flush := g.exact()
		return w, func(err error) error { return errors.Join(err, flush()) }, nil
	}
	f, err := os.CreateTemp(filepath.Dir(output), "."+filepath.Base(output)+"-*") // mode 0600
	if err != nil {
		return nil, nil, usage(fmt.Errorf("--output %s: %w", output, err))
	}
	return f, func(err error) error {
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Rename(f.Name(), output)
		}
		if err != nil {
			return errors.Join(err, os.Remove(f.Name()))
		}
		return nil
	}, nil
}

// lineCounter counts the records of what is written to it: lines, but not line ends inside quotes.
type lineCounter struct {
	skip   bool // the first line is a header
	tell   func()
	lines  int64
	quoted bool
	told   time.Time
}

func (c *lineCounter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '"' && c.skip: // NDJSON escapes line ends, and may escape quotes
			c.quoted = !c.quoted
		case b == '\n' && !c.quoted:
			c.lines++
		}
	}
	if now := time.Now(); c.tell != nil && now.Sub(c.told) >= progressEvery {
		c.told = now
		c.tell()
	}
	return len(p), nil
}

func (c *lineCounter) records() int64 {
	if c.skip {
		return max(c.lines-1, 0)
	}
	return c.lines
}
