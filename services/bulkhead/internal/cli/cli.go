// Package cli is the command line of bulkhead: what a person types, what is printed, and the exit code.
//
// Commands read and change nothing by themselves: they call ops (package opsclient), or start the all-in-one mode (packages
// allinone and demo). With --json a command prints what ops answered, one object on one line, and nothing else on stdout.
// Text that comes from records is escaped before it reaches a terminal. Exit codes stand in exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/service"
	"bulkhead/services/bulkhead/internal/opsclient"
)

const defaultOps = "http://127.0.0.1:8080"

// io of one invocation, so that tests run commands without a process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// globals are the flags that every client command shares.
type globals struct {
	streams
	ops       string
	tokenFile string
	json      bool
}

// Main runs one command line and returns the exit code.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot(streams{in: in, out: out, err: errOut})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := codeOf(err)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(errOut, "bulkhead: %s\n", printable(err.Error()))
	}
	return code
}

func newRoot(s streams) *cobra.Command {
	g := &globals{streams: s}
	root := &cobra.Command{
		Use:   "bulkhead",
		Short: "Carries records into Salesforce in bulk, and accounts for every one",
		Long: `bulkhead carries records into Salesforce through Bulk API 2.0 and accounts for every one.

Try it:      bulkhead demo                     (20,000 records through everything, on this machine)
Develop:     bulkhead dev                      (every service in one process, until Ctrl-C)
Operate:     bulkhead status                   (does the balance add up? what needs a person?)
             bulkhead doctor                   (is what it stands on as it must be?)
             bulkhead dlq ls                   (dead letters, grouped by cause)
             bulkhead record KEY               (what became of one record)
             bulkhead export failed            (what did not land, as CSV or NDJSON)
             bulkhead pipelines resume NAME    (lift what paused a pipeline)
             bulkhead replay --since 24h …     (read a part of a stream again)
Define:      bulkhead mapping test DEF FILE    (what a definition makes of records)
             bulkhead pipelines apply FILE     (and revisions, diff, rollback)
             bulkhead classes [CODE | TEXT]    (what an error of a row means, and what to do)

Exit codes:  0 done, nothing needs a person     1 failed, or a balance that does not add up
             2 usage or configuration           3 done in part: something is dead, unresolved or still open
             4 nothing matched                  5 refused by policy
             6 cannot reach NATS, ops or PostgreSQL                       130 interrupted`,
		Version:       service.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath()))
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&g.ops, "ops", envOr("BULKHEAD_OPS", defaultOps), "address of ops' HTTP API (or BULKHEAD_OPS)")
	root.PersistentFlags().StringVar(&g.tokenFile, "token-file", os.Getenv("BULKHEAD_TOKEN_FILE"), "file that holds the bearer token for ops (or BULKHEAD_TOKEN_FILE)")
	root.PersistentFlags().Lookup("ops").DefValue = defaultOps
	root.PersistentFlags().Lookup("token-file").DefValue = ""
	root.PersistentFlags().BoolVar(&g.json, "json", false, "print one JSON object instead of text")
	root.AddCommand(newStatus(g), newDLQ(g), newRecord(g), newExport(g), newReplay(g), newDoctor(g), newPipelines(g), newMapping(g), newClasses(g), newLoad(g), newDev(g), newDemo(g), newSim(g))
	wrapArgs(root)
	return root
}

// wrapArgs turns cobra's complaints about arguments into usage errors that name the help.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage(fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// client builds the API client from the flags.
func (g *globals) client() (*opsclient.Client, error) {
	token := ""
	if g.tokenFile != "" {
		b, err := os.ReadFile(g.tokenFile)
		if err != nil {
			return nil, usage(fmt.Errorf("token file: %w", err))
		}
		token = strings.TrimSpace(string(b))
		if token == "" {
			return nil, usage(fmt.Errorf("token file %s is empty", g.tokenFile))
		}
	}
	c, err := opsclient.New(g.ops, token)
	if err != nil {
		return nil, usage(err)
	}
	return c, nil
}

var errNoAnswer = errors.New("no answer on standard input: add --yes to go on without asking")
