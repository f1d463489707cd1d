package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// The two answers about an unresolved record, as the API names them.
const (
	decisionLanded    = "landed"
	decisionNotLanded = "not_landed"
)

func newDLQResolve(g *globals) *cobra.Command {
	var (
		landed, reason, by, idempotencyKey string
		notLanded                          bool
	)
	cmd := &cobra.Command{
		Use:   "resolve LETTER ... (--landed ID | --not-landed)",
		Short: "Say of unresolved records whether they landed",
		Long: `Say of records whose effect is not known whether they landed. Such letters have the class unresolved: a row was sent and stands in
none of the results, and nothing tells it from other rows. Sending it again blindly could make it twice, so replay and discard
refuse it until somebody has looked into the org.

--landed ID      the row is in the org and has this id; takes exactly one letter. Ops checks that the row exists and belongs to no
                 other record.
--not-landed     the row is not in the org: each record is sent again, as the next try. Where the definition names a correlating
                 field, ops searches the org first and refuses when it finds the row.

Needs a --reason. Exit code 4: nothing of it is open any more. 5: the org says otherwise. 6: the org cannot be asked.`,
		Example: `  bulkhead dlq ls --class unresolved
  bulkhead dlq resolve 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11 --landed 003000000000001AAA --reason 'found by name and date'
  bulkhead dlq resolve 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11 --not-landed --reason 'the report of that day lacks it'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			decision := decisionNotLanded
			switch byID := cmd.Flags().Changed("landed"); {
			case byID == notLanded:
				return usage(errors.New("give either --landed ID or --not-landed"))
			case byID && len(ids) != 1:
				return usage(fmt.Errorf("--landed names the row of one record, and %d letters are given: resolve them one by one", len(ids)))
			case byID && strings.TrimSpace(landed) == "":
				return usage(errors.New("--landed needs the row's Salesforce id"))
			case byID:
				decision = decisionLanded
			}
			if strings.TrimSpace(reason) == "" {
				return usage(errors.New("--reason is needed; it is kept in the audit trail"))
			}
			if idempotencyKey == "" {
				idempotencyKey = "resolve-" + rand.Text()
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.Resolve(cmd.Context(), &opsv1.ResolveRecordsRequest{
				Ids: ids, Decision: decision, SalesforceId: strings.TrimSpace(landed), Reason: reason, IdempotencyKey: idempotencyKey, By: by,
			})
			if err != nil {
				return err
			}
			what := "are resolved as landed"
			if decision == decisionNotLanded {
				what = "are resolved as not landed and sent again"
			}
			return decided(g, raw, resp.GetResolved(), resp.GetSkipped(), resp.GetRepeatedRequest(), what, resp.GetActionId())
		},
	}
	cmd.Flags().StringVar(&landed, "landed", "", "the `id` that the row has in the org")
	cmd.Flags().BoolVar(&notLanded, "not-landed", false, "the row is not in the org")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit trail")
	cmd.Flags().StringVar(&idempotencyKey, "idempotency-key", "", "the same key again does nothing and returns the first answer; default a new one")
	byFlag(cmd, &by, "who decides")
	return cmd
}
