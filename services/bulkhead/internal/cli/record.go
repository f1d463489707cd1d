package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func newRecord(g *globals) *cobra.Command {
	var pipeline, entity string
	cmd := &cobra.Command{
		Use:   "record [KEY]",
		Short: "Show what became of one record: state, every attempt, what comes next",
		Long: `Show what became of one record. KEY is the idempotency key: what the definition names as key, else the Nats-Msg-Id of a
single message. With --entity instead of KEY: the records about one entity (the external id), the newest 100 of each pipeline,
the newest last, and how many older ones there are.

A key is unique within a pipeline only: when several pipelines know it, they are listed and the exit code is 2.
Exit code 4: no pipeline has accepted such a record.`,
		Example: `  bulkhead record evt-000042
  bulkhead record evt-000042 --pipeline contacts --json
  bulkhead record --entity C-1001 --pipeline contacts`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := ""
			if len(args) == 1 {
				key = args[0]
			}
			if (key == "") == (entity == "") {
				return usage(fmt.Errorf("give a KEY, or --entity (see bulkhead record --help)"))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.Records(cmd.Context(), pipeline, key, entity)
			if err != nil {
				return err
			}
			names := pipelinesOf(resp.GetRecords())
			switch {
			case len(resp.GetRecords()) == 0:
				return exit(ExitNothing, fmt.Errorf("no record with this %s was accepted (bulkhead status shows what is still unread)", map[bool]string{true: "entity", false: "key"}[key == ""]))
			case key != "" && len(names) > 1:
				if g.json {
					fmt.Fprintf(g.out, "%s\n", raw)
				}
				return usage(fmt.Errorf("the key is known in several pipelines: %s; choose one with --pipeline", names))
			case g.json:
				fmt.Fprintf(g.out, "%s\n", raw)
				return nil
			}
			for i, r := range resp.GetRecords() {
				if i > 0 {
					fmt.Fprintln(g.out)
				}
				printRecord(g, r)
			}
			if n := resp.GetOlder(); n > 0 {
				fmt.Fprintf(g.out, "\nand %s older records of this entity are not listed\n", thousands(n))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "the pipeline that accepted it")
	cmd.Flags().StringVar(&entity, "entity", "", "the external id instead of a key")
	return cmd
}

func pipelinesOf(rs []*opsv1.RecordHistory) []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range rs {
		if !seen[r.GetPipeline()] {
			seen[r.GetPipeline()] = true
			names = append(names, printable(r.GetPipeline()))
		}
	}
	return names
}

func printRecord(g *globals, r *opsv1.RecordHistory) {
	w := g.out
	fmt.Fprintf(w, "record      %s of %s, generation %d\n", printable(r.GetKey()), printable(r.GetPipeline()), r.GetGeneration())
	fmt.Fprintf(w, "state       %s", r.GetState())
	if r.GetSalesforceId() != "" {
		fmt.Fprintf(w, " as %s", printable(r.GetSalesforceId()))
	}
	fmt.Fprintln(w)
	if r.GetWhy() != "" {
		fmt.Fprintf(w, "why         %s\n", printable(r.GetWhy()))
	}
	if o := r.GetOrigin(); o != nil {
		fmt.Fprintf(w, "origin      %s sequence %d index %d, accepted %s\n", o.GetStream(), o.GetSequence(), o.GetIndex(), stamp(r.GetAcceptedAt()))
	}
	if r.GetNextRetryAt() != nil {
		fmt.Fprintf(w, "next try    %s\n", stamp(r.GetNextRetryAt()))
	}
	if r.GetLetterId() != "" {
		fmt.Fprintf(w, "letter      %s (bulkhead dlq show %s)\n", r.GetLetterId(), r.GetLetterId())
	}
	rows := [][]string{}
	for _, e := range r.GetEvents() {
		rows = append(rows, []string{stamp(e.GetAt()), e.GetService(), printable(e.GetWhat()), e.GetJobId(), e.GetClass(), printable(e.GetCode()), oneLine(e.GetMessage(), 80)})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		table(w, "AT|SERVICE|WHAT|JOB|CLASS|CODE|MESSAGE", rows)
	}
}
