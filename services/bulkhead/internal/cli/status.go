package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// openNoteWidth bounds what is said of an open item. A note ends with what is to be done, so that it is cut only where somebody else's text has no end.
const openNoteWidth = 600

func newStatus(g *globals) *cobra.Command {
	var (
		watch    bool
		interval time.Duration
		pipeline string
		run      string
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the balance, and what still moves or waits for a person",
		Long: `Show the balance of every pipeline: accepted records and where each of them is. Beside it: records received and not yet
accepted (unread), repeats, chunks reconciled, checkpoints, pauses, the jobs that Salesforce works on with the records it has processed, open
work with the service that must move it, and the orgs.

An org that does not answer, or whose limit of API requests is used up, opens its circuit: nobody calls it, and no record counts an attempt. The
status tells since when, why and when the next call is made. It is made by itself, and everything goes on when it is answered.

With --pipeline or --run it shows the balance of that part, and what has stopped or paused its pipelines.

Exit code 0: everything has landed or was decided. 3: something is dead, unresolved or still open, or a pipeline is paused or has
stopped. 4: of the run that was named nothing was accepted. 1: the balance does not add up, which is an incident. With --watch it
prints again until Ctrl-C, which is exit code 0, also while ops is away.`,
		Example: `  bulkhead status
  bulkhead status --watch
  bulkhead status --pipeline contacts --run 2026-11-22 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if watch && interval < 100*time.Millisecond {
				return usage(fmt.Errorf("--interval %s is too short: 100ms at least", interval))
			}
			for {
				code, err := show(cmd.Context(), g, c, pipeline, run)
				if !watch && err != nil {
					return err
				}
				if !watch {
					return exitWith(code)
				}
				if err != nil && cmd.Context().Err() == nil { // Ctrl-C in the middle of a call is the end below
					if !mayPass(err) {
						return err
					}
					fmt.Fprintf(g.err, "bulkhead: %s\n", printable(err.Error()))
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(interval):
				}
				if !g.json {
					fmt.Fprintln(g.out)
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print again until Ctrl-C")
	cmd.Flags().DurationVar(&interval, "interval", 2*time.Second, "pause between two prints of --watch")
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "the balance of this pipeline only")
	cmd.Flags().StringVar(&run, "run", "", "the balance of this run only (header Bulkhead-Run)")
	return cmd
}

// show prints the status once and says with which exit code: of everything, or of a pipeline or a run.
func show(ctx context.Context, g *globals, c *opsclient.Client, pipeline, run string) (int, error) {
	if pipeline != "" || run != "" {
		return showPart(ctx, g, c, pipeline, run)
	}
	st, raw, err := c.Status(ctx)
	if err != nil {
		return 0, err
	}
	if g.json {
		fmt.Fprintf(g.out, "%s\n", raw)
	} else {
		printStatus(g, st)
	}
	return codeWith(balanceCode(st.GetBalance(), st.GetAddsUp(), st.GetUnread()), st.GetPipelines()), nil
}

// showPart prints the balance of a pipeline or a run, and what holds up the pipelines that it is about.
func showPart(ctx context.Context, g *globals, c *opsclient.Client, pipeline, run string) (int, error) {
	b, raw, err := c.Balance(ctx, pipeline, run)
	if err != nil {
		return 0, err
	}
	st, _, err := c.Status(ctx)
	if err != nil {
		return 0, err
	}
	about := slices.DeleteFunc(st.GetPipelines(), func(p *opsv1.PipelineStatus) bool { return !isAbout(b, p.GetName(), pipeline, run) })
	code := codeWith(balanceCode(b.GetBalance(), b.GetAddsUp(), b.GetUnread()), about)
	nothing := run != "" && b.GetBalance().GetAccepted() == 0 && b.GetRepeats() == 0
	if nothing && code == ExitDone {
		code = ExitNothing
	}
	if g.json {
		fmt.Fprintf(g.out, "%s\n", raw)
		return code, nil
	}
	printBalance(g.out, b.GetBalance(), b.GetAddsUp())
	printBeside(g, b.GetRepeats(), b.GetUnread())
	if nothing {
		fmt.Fprintf(g.out, "no record of run %s was accepted yet: is that its name (header Bulkhead-Run)?\n", oneLine(run, 64))
	}
	printHeldUp(g, about)
	return code, nil
}

// isAbout says whether a pipeline belongs to what was asked for: the one that was named, or each that has records of the run. While a run has none, the
// ones that it may come by are not known, and all are looked at.
func isAbout(b *opsv1.GetBalanceResponse, name, pipeline, run string) bool {
	if pipeline != "" {
		return name == pipeline
	}
	part := b.GetPipelines()[name]
	none := b.GetBalance().GetAccepted() == 0 && b.GetRepeats() == 0 && b.GetUnread().GetMessages() != 0
	return run == "" || none || part.GetBalance().GetAccepted() > 0 || part.GetRepeats() > 0
}

// mayPass says that an error of one look need not end a watch: ops was not there, or not well, just then.
func mayPass(err error) bool {
	code := codeOf(err)
	return code == ExitUnreachable || code == ExitFailed
}

// exitWith ends a command whose output says everything.
func exitWith(code int) error {
	if code == ExitDone {
		return nil
	}
	return exit(code, nil)
}

func balanceCode(b *opsv1.Balance, addsUp bool, unread *opsv1.Unread) int {
	switch {
	case !addsUp:
		return ExitFailed
	case open(b) > 0 || unread.GetMessages() != 0: // -1: NATS did not say
		return ExitPartly
	default:
		return ExitDone
	}
}

// codeWith also minds what stands still without a record in it: a pipeline that is paused or has stopped reading needs a person.
func codeWith(code int, pipelines []*opsv1.PipelineStatus) int {
	for _, p := range pipelines {
		if code == ExitDone && (p.GetStopped() != "" || len(p.GetPauses()) > 0) {
			code = ExitPartly
		}
	}
	return code
}

func printBeside(g *globals, repeats int64, unread *opsv1.Unread) {
	if unread.GetMessages() < 0 {
		fmt.Fprintf(g.out, "repeats %s · unread not known: NATS did not answer ops\n", thousands(repeats))
		return
	}
	fmt.Fprintf(g.out, "repeats %s · unread %s messages", thousands(repeats), thousands(unread.GetMessages()))
	if unread.GetMessages() > 0 {
		fmt.Fprintf(g.out, " (%s bytes, oldest %s)", thousands(unread.GetBytes()), (time.Duration(unread.GetOldestSeconds()) * time.Second).String())
	}
	fmt.Fprintln(g.out)
}

func printStatus(g *globals, st *opsv1.GetStatusResponse) {
	printBalance(g.out, st.GetBalance(), st.GetAddsUp())
	printBeside(g, st.GetRepeats(), st.GetUnread())
	rows := [][]string{}
	for _, p := range st.GetPipelines() {
		b := p.GetBalance()
		rows = append(rows, []string{
			printable(p.GetName()), strconv.Itoa(int(p.GetRevision())), thousands(b.GetAccepted()), thousands(b.GetLanded()),
			thousands(b.GetInFlight()), thousands(b.GetRetrying() + b.GetWaitingForParent()), thousands(b.GetUnresolved()), thousands(b.GetDead()),
			thousands(p.GetRepeats()), thousands(p.GetUnread().GetMessages()),
			thousands(p.GetReconciledChunks()) + " of " + thousands(p.GetReconciledChunks()+int64(p.GetOpenChunks())), checkpoints(p.GetCheckpoints()),
		})
	}
	fmt.Fprintln(g.out)
	if len(rows) == 0 {
		fmt.Fprintln(g.out, "No pipeline is defined yet: bulkhead pipelines apply FILE")
		return
	}
	table(g.out, "PIPELINE|REV|ACCEPTED|LANDED|IN FLIGHT|RETRYING|UNRESOLVED|DEAD|REPEATS|UNREAD|CHUNKS RECONCILED|CHECKPOINT lane:seq[.index]", rows)
	printHeldUp(g, st.GetPipelines())
	for _, o := range st.GetOrgs() {
		fmt.Fprint(g.out, circuitOf(o))
	}
	printJobs(g, st)
	if items := st.GetOpenItems(); len(items) > 0 {
		rows = rows[:0]
		for _, it := range items {
			rows = append(rows, []string{it.GetOwner(), it.GetKind(), it.GetState(), printable(it.GetPipeline()), it.GetId(), stamp(it.GetSince()), oneLine(it.GetNote(), openNoteWidth)})
		}
		fmt.Fprintln(g.out)
		table(g.out, "MUST MOVE IT|WHAT|STATE|PIPELINE|ID|SINCE|NOTE", rows)
	}
	for _, o := range st.GetOrgs() {
		line := "org " + printable(o.GetName())
		if o.GetApiMax() > 0 {
			line += fmt.Sprintf(" · API requests %s of %s", thousands(o.GetApiUsed()), thousands(o.GetApiMax()))
		}
		if c := o.GetCircuit(); !c.GetOpen() && c.GetClosedAt() != nil {
			line += fmt.Sprintf(" · circuit last open %s to %s", stamp(c.GetOpenedAt()), stamp(c.GetClosedAt()))
		}
		if o.GetError() != "" {
			line += " · " + oneLine(o.GetError(), 160)
		}
		fmt.Fprintln(g.out, line)
	}
	if n := st.GetBalance().GetUnresolved(); n > 0 {
		fmt.Fprintf(g.out, "\n%s records may have landed or not: bulkhead dlq ls --class unresolved\n", thousands(n))
	}
	if st.GetBalance().GetDead() > 0 {
		fmt.Fprintf(g.out, "\n%s records wait for you: bulkhead dlq ls\n", thousands(st.GetBalance().GetDead()))
	}
}

// printHeldUp tells of the pipelines that have stopped or are paused, and how they go on.
func printHeldUp(g *globals, pipelines []*opsv1.PipelineStatus) {
	for _, p := range pipelines {
		if p.GetStopped() != "" {
			fmt.Fprintf(g.out, "\n%s HAS STOPPED READING: %s\n%s", printable(p.GetName()), printable(p.GetStopped()), answersFor(p))
		}
		for _, pause := range p.GetPauses() {
			fmt.Fprintf(g.out, "\n%s is paused by %s since %s: %s %s\n%s  next: bulkhead pipelines resume %s --reason '…'\n", printable(p.GetName()),
				pause.GetService(), stamp(pause.GetSince()), printable(pause.GetCode()), oneLine(pause.GetMessage(), 200), answersFor(p), printable(p.GetName()))
		}
	}
}

// circuitOf tells of an org that nobody calls now, and when that ends; "" while its circuit is closed.
func circuitOf(o *opsv1.OrgStatus) string {
	c := o.GetCircuit()
	if !c.GetOpen() {
		return ""
	}
	next := "due, it is made with the next thing to do there"
	if wait := time.Duration(math.Ceil(c.GetNextCallSeconds())) * time.Second; wait > 0 {
		next = "in " + wait.String() + ", by itself"
	}
	return fmt.Sprintf("\nthe circuit of org %s is open since %s: nobody calls it (%s, %s failures in a row)\n  cause: %s\n"+
		"  next call: %s; the first that is answered closes the circuit, nothing is to be resumed\n",
		printable(o.GetName()), stamp(c.GetOpenedAt()), printable(c.GetClass()), thousands(int64(c.GetFailures())), oneLine(c.GetCause(), 200), next)
}

// answersFor is the line that names who answers for a pipeline; "" where its definition does not say.
func answersFor(p *opsv1.PipelineStatus) string {
	if p.GetOwner() == "" && p.GetContact() == "" {
		return ""
	}
	return fmt.Sprintf("  answers for it: %s, contact %s\n", orDash(p.GetOwner()), orDash(p.GetContact()))
}

// printJobs shows how far Salesforce has come with the jobs that it works on.
func printJobs(g *globals, st *opsv1.GetStatusResponse) {
	rows := [][]string{}
	for _, p := range st.GetPipelines() {
		for _, j := range p.GetJobs() {
			rows = append(rows, []string{
				printable(j.GetJobId()), printable(p.GetName()), printable(j.GetState()), progressOf(j.GetProcessed(), int64(j.GetRows())), thousands(j.GetFailed()),
				stamp(j.GetSubmittedAt()), stamp(j.GetSeenAt()),
			})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(g.out)
		table(g.out, "JOB|PIPELINE|STATE|PROCESSED|FAILED|SUBMITTED|SEEN", rows)
	}
}

// progressOf writes 30000 of 40000 as a bar with numbers.
func progressOf(done, all int64) string {
	const width = 10
	if all <= 0 {
		return thousands(done)
	}
	filled := int(min(max(done, 0), all) * width / all)
	return fmt.Sprintf("%s%s %s of %s", strings.Repeat("█", filled), strings.Repeat("░", width-filled), thousands(done), thousands(all))
}

func checkpoints(cs []*opsv1.Checkpoint) string {
	parts := make([]string, 0, len(cs))
	for _, c := range cs {
		lane := strconv.Itoa(int(c.GetLane()))
		if c.GetLane() < 0 {
			lane = "none"
		}
		place := strconv.FormatInt(c.GetSeq(), 10)
		if c.GetIndex() != math.MaxInt32 { // that is: the whole message is decided
			place += "." + strconv.Itoa(int(c.GetIndex()))
		}
		parts = append(parts, lane+":"+place)
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}
