package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/pipeline"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// maxDefinition bounds a definition file; the largest sensible one names 5,000 fields.
const maxDefinition = 1 << 20

func newPipelines(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pipelines",
		Short: "Definitions: source, mapping, org, object, retry policy",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPipelinesList(g), newPipelinesShow(g), newPipelinesApply(g), newPipelinesRevisions(g), newPipelinesDiff(g), newPipelinesRollback(g), newPipelinesResume(g))
	return cmd
}

func newPipelinesList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the pipelines: current revision, what they do, who answers for them",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.Pipelines(cmd.Context())
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
			} else {
				rows := [][]string{}
				for _, p := range resp.GetPipelines() {
					rows = append(rows, []string{
						printable(p.GetName()), strconv.Itoa(int(p.GetRevision())), orDash(p.GetOperation()), orDash(p.GetObject()), keyField(p), orDash(strings.Join(p.GetDependsOn(), ",")),
						orDash(p.GetOwner()), stamp(p.GetAppliedAt()), oneLine(p.GetAppliedBy(), 30), strconv.Itoa(len(p.GetPauses())),
					})
				}
				if len(rows) > 0 {
					table(g.out, "PIPELINE|REV|OPERATION|OBJECT|KEY FIELD|DEPENDS ON|OWNER|APPLIED|BY|PAUSES", rows)
				} else {
					fmt.Fprintln(g.out, "No pipeline is defined yet: bulkhead pipelines apply FILE")
				}
			}
			if len(resp.GetPipelines()) == 0 {
				return exitWith(ExitNothing)
			}
			return nil
		},
	}
}

// keyField is the column by which a pipeline's rows are matched.
func keyField(p *opsv1.Pipeline) string {
	if p.GetKeyField() == "" && p.GetOperation() != "" {
		return "content"
	}
	return orDash(p.GetKeyField())
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return oneLine(s, 40)
}

func newPipelinesShow(g *globals) *cobra.Command {
	revision := 0
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print the definition of a pipeline",
		Long: `Print the current definition of a pipeline, or that of an earlier revision: on stdout the text exactly as it was applied, so that it
can be edited and applied again, on stderr what it does, who answers for it, and what pauses it.`,
		Example: `  bulkhead pipelines show contacts > contacts.yaml
  bulkhead pipelines show contacts --revision 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("revision") {
				return showRevision(cmd.Context(), g, c, args[0], revision)
			}
			resp, raw, err := c.Pipeline(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
				return nil
			}
			return printPipeline(g, resp.GetPipeline())
		},
	}
	cmd.Flags().IntVar(&revision, "revision", 0, "an earlier `revision` (bulkhead pipelines revisions lists them)")
	return cmd
}

// printPipeline prints a definition's text on stdout exactly as it was applied, and what there is to say of it on stderr.
func printPipeline(g *globals, p *opsv1.Pipeline) error {
	w := g.err
	fmt.Fprintf(w, "# %s, revision %d, applied %s by %s\n", printable(p.GetName()), p.GetRevision(), stamp(p.GetAppliedAt()), oneLine(p.GetAppliedBy(), 80))
	if p.GetOperation() != "" {
		fmt.Fprintf(w, "# %s of %s in org %s, rows matched by %s\n", p.GetOperation(), printable(p.GetObject()), printable(p.GetOrg()), keyField(p))
	}
	if p.GetOwner() != "" || p.GetContact() != "" {
		fmt.Fprintf(w, "# owner %s, contact %s\n", orDash(p.GetOwner()), orDash(p.GetContact()))
	}
	if len(p.GetDependsOn()) > 0 {
		fmt.Fprintf(w, "# depends on %s\n", oneLine(strings.Join(p.GetDependsOn(), ", "), 200))
	}
	for _, pause := range p.GetPauses() {
		fmt.Fprintf(w, "# paused by %s since %s: %s %s\n", pause.GetService(), stamp(pause.GetSince()), oneLine(pause.GetCode(), 80), oneLine(pause.GetMessage(), 200))
	}
	out, flush := g.exact()
	if _, err := io.WriteString(out, p.GetYaml()); err != nil {
		return fmt.Errorf("print the definition: %w", err)
	}
	return flush()
}

func newPipelinesApply(g *globals) *cobra.Command {
	var by, confirm string
	cmd := &cobra.Command{
		Use:   "apply FILE ...",
		Short: "Validate definitions and make them the current revisions",
		Long: `Validate each definition and store it as a new, immutable revision. The same text again changes nothing. What is open under
the revision before is sealed first. FILE - is standard input.

A definition that deletes rows without a way back (operation hardDelete) needs --confirm with the pipeline's name, and an ops
that allows it (BULKHEAD_HARD_DELETE=true).

What is applied stays: the definitions that ops is configured to apply at its start no longer replace it.

Exit code 2: a definition is not valid; the message names the line. 5: it may not be applied beside what is there or on its
way, for example with another number of lanes.`,
		Example: `  bulkhead pipelines apply contacts.yaml
  bulkhead pipelines show contacts | bulkhead pipelines apply -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			reqs := make([]*opsv1.PutPipelineRequest, 0, len(files))
			for _, f := range files { // all are read and checked before the first is applied
				text, err := readDefinition(g, f)
				if err != nil {
					return usage(err)
				}
				def, warnings, err := pipeline.ParseDefinition(text)
				if err != nil {
					return usage(fmt.Errorf("%s: %w", f, err))
				}
				for _, w := range warnings {
					fmt.Fprintf(g.err, "%s: warning: %s\n", f, printable(fmt.Sprint(w)))
				}
				reqs = append(reqs, &opsv1.PutPipelineRequest{Name: def.Name, Yaml: string(text), By: by, Confirm: confirm})
			}
			for _, req := range reqs {
				resp, raw, err := c.PutPipeline(cmd.Context(), req)
				if err != nil {
					return err
				}
				for _, w := range resp.GetWarnings() {
					fmt.Fprintf(g.err, "%s: warning: %s\n", req.GetName(), printable(w))
				}
				switch p := resp.GetPipeline(); {
				case g.json:
					fmt.Fprintf(g.out, "%s\n", raw)
				case resp.GetChanged():
					fmt.Fprintf(g.out, "%s is now revision %d\n", printable(p.GetName()), p.GetRevision())
				default:
					fmt.Fprintf(g.out, "%s is unchanged at revision %d\n", printable(p.GetName()), p.GetRevision())
				}
			}
			return nil
		},
	}
	confirmFlag(cmd, &confirm)
	byFlag(cmd, &by, "who applies")
	return cmd
}

func readDefinition(g *globals, file string) ([]byte, error) {
	r := g.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxDefinition+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(b) > maxDefinition {
		return nil, fmt.Errorf("%s is larger than %d bytes: no definition is", file, maxDefinition)
	}
	return b, nil
}

func newPipelinesResume(g *globals) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "Lift what pauses a pipeline",
		Long: `Lift every pause that holds on the pipeline now. A service pauses a pipeline when the fault is not the records' own (quota,
permission, login, a change in the org that fails whole chunks alike): bulkhead status says which and why. Needs a --reason.`,
		Example: "  bulkhead pipelines resume contacts --reason 'storage was extended'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usage(errors.New("--reason is needed; it is kept in the audit trail"))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.ResumePipeline(cmd.Context(), &opsv1.ResumePipelineRequest{Name: args[0], Reason: reason, By: by})
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
			} else {
				fmt.Fprintf(g.out, "%d pauses of %s are lifted\n", resp.GetLifted(), printable(args[0]))
			}
			if resp.GetLifted() == 0 {
				return exitWith(ExitNothing)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	byFlag(cmd, &by, "who lifts it")
	return cmd
}
