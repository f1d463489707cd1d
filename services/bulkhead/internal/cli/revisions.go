package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

func newPipelinesRevisions(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "revisions NAME",
		Short: "List every revision of a definition, the newest first",
		Long: `List every revision of a definition, the newest first: when it was applied, by whom, and the digest of its text. Revisions never
change; the newest is in force.`,
		Example: `  bulkhead pipelines revisions contacts
  bulkhead pipelines show contacts --revision 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.Revisions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
				return nil
			}
			rows := [][]string{}
			for _, r := range resp.GetRevisions() {
				current := "-"
				if r.GetCurrent() {
					current = "yes"
				}
				rows = append(rows, []string{strconv.Itoa(int(r.GetRevision())), current, stamp(r.GetAppliedAt()), oneLine(r.GetAppliedBy(), 40), short(r.GetSha256())})
			}
			table(g.out, "REV|IN FORCE|APPLIED|BY|SHA-256", rows)
			if len(rows) > 1 {
				fmt.Fprintf(g.out, "\nnext: bulkhead pipelines diff %s\n", printable(args[0]))
			}
			return nil
		},
	}
}

// short is enough of a digest to tell texts apart by eye.
func short(digest string) string { return printable(digest[:min(12, len(digest))]) }

// showRevision prints one revision of those that ops lists.
func showRevision(ctx context.Context, g *globals, c *opsclient.Client, name string, revision int) error {
	if revision < 1 {
		return usage(fmt.Errorf("--revision %d is no revision: 1 or above", revision))
	}
	resp, raw, err := c.Revisions(ctx, name)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(resp.GetRevisions(), func(r *opsv1.Revision) bool { return int(r.GetRevision()) == revision })
	if at < 0 {
		return exit(ExitNothing, fmt.Errorf("pipeline %s has no revision %d: bulkhead pipelines revisions %s lists them", name, revision, name))
	}
	r := resp.GetRevisions()[at]
	if g.json {
		var list struct {
			Revisions []json.RawMessage `json:"revisions"`
		}
		if err := json.Unmarshal(raw, &list); err != nil || at >= len(list.Revisions) {
			return fmt.Errorf("revisions of %s: %w", name, errors.Join(err, errors.New("the list cannot be read")))
		}
		fmt.Fprintf(g.out, "{\"revision\":%s}\n", list.Revisions[at]) // as ops wrote it
		return nil
	}
	if r.GetYaml() == "" {
		return exit(ExitFailed, fmt.Errorf("revision %d is too far back for the list that ops sends: bulkhead pipelines diff %s %d shows its text beside the current one", revision, name, revision))
	}
	return printPipeline(g, &opsv1.Pipeline{Name: name, Revision: r.GetRevision(), AppliedAt: r.GetAppliedAt(), AppliedBy: r.GetAppliedBy(), Yaml: r.GetYaml()})
}

func newPipelinesDiff(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "diff NAME [FROM [TO]]",
		Short: "Show what differs between two revisions of a definition",
		Long: `Show what differs between two revisions of a definition: first what it means, a line each, then the texts as a unified diff. Without
TO the second is the current one, without FROM the first is the one before it.`,
		Example: `  bulkhead pipelines diff contacts
  bulkhead pipelines diff contacts 3 5`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			var n [2]int
			for i, text := range args[1:] {
				var err error
				if n[i], err = strconv.Atoi(text); err != nil || n[i] < 1 {
					return usage(fmt.Errorf("%q is no revision: a number, 1 or above", text))
				}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.Diff(cmd.Context(), args[0], n[0], n[1])
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
				return nil
			}
			fmt.Fprintf(g.out, "%s, from revision %d to %d:\n", printable(args[0]), resp.GetFrom(), resp.GetTo())
			for _, change := range resp.GetChanges() {
				fmt.Fprintf(g.out, "  %s\n", printable(change))
			}
			if resp.GetDiff() != "" {
				fmt.Fprintf(g.out, "\n%s\n", strings.TrimRight(printable(resp.GetDiff()), "\n"))
			}
			return nil
		},
	}
}

func newPipelinesRollback(g *globals) *cobra.Command {
	var (
		to         int
		reason, by string
		confirm    string
	)
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Make the text of an earlier revision the current one again",
		Long: `Apply the text of an earlier revision as a new one, after the same checks as any apply. What is open under the revision before is
sealed first; what has landed stays as it is. Needs --to and a --reason.

Exit code 2: the org or this version does not take the text any more. 4: there is no such revision. 5: it may not be applied now,
for example because its key field is another and records are on their way.`,
		Example: "  bulkhead pipelines rollback contacts --to 3 --reason 'revision 4 sent empty phone numbers'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to < 1 || to > math.MaxInt32 {
				return usage(errors.New("--to is needed: the revision to bring back (bulkhead pipelines revisions lists them)"))
			}
			if strings.TrimSpace(reason) == "" {
				return usage(errors.New("--reason is needed; it is kept in the audit trail"))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.RollbackPipeline(cmd.Context(), &opsv1.RollbackPipelineRequest{Name: args[0], Revision: int32(to), Reason: reason, By: by, Confirm: confirm})
			if err != nil {
				return err
			}
			for _, w := range resp.GetWarnings() {
				fmt.Fprintf(g.err, "%s: warning: %s\n", printable(args[0]), printable(w))
			}
			switch p := resp.GetPipeline(); {
			case g.json:
				fmt.Fprintf(g.out, "%s\n", raw)
			case resp.GetChanged():
				fmt.Fprintf(g.out, "%s is now revision %d, with the text of revision %d\n", printable(p.GetName()), p.GetRevision(), to)
			default:
				fmt.Fprintf(g.out, "%s is unchanged at revision %d, which has that text already\n", printable(p.GetName()), p.GetRevision())
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&to, "to", 0, "the `revision` to bring back")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	confirmFlag(cmd, &confirm)
	byFlag(cmd, &by, "who rolls back")
	return cmd
}

// confirmFlag is the typed confirmation of what cannot be undone.
func confirmFlag(cmd *cobra.Command, confirm *string) {
	cmd.Flags().StringVar(confirm, "confirm", "", "the pipeline's `name` once more, where rows would be deleted without a way back (operation hardDelete)")
}

// byFlag is who is written down for what a command does.
func byFlag(cmd *cobra.Command, by *string, usage string) {
	cmd.Flags().StringVar(by, "by", osUser(), usage)
	cmd.Flags().Lookup("by").DefValue = "the operating system's user"
}
