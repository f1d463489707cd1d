package cli

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// replayWithoutReason is how many letters may be replayed without saying why; ops holds to the same number.
const replayWithoutReason = 100

type letterFlags struct {
	pipeline, class, code, group, run string
}

func (f *letterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "only letters of this pipeline")
	cmd.Flags().StringVar(&f.class, "class", "", "only letters of this class (data, duplicate, reference, unresolved, …)")
	cmd.Flags().StringVar(&f.code, "code", "", "only letters with this code (REQUIRED_FIELD_MISSING, …)")
	cmd.Flags().StringVar(&f.group, "group", "", "only letters of this `group`, as bulkhead dlq ls names it")
	cmd.Flags().StringVar(&f.run, "run", "", "only letters of this run")
}

func (f *letterFlags) empty() bool {
	return *f == letterFlags{}
}

// String names every filter that is set: what a person agrees to.
func (f *letterFlags) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"pipeline", f.pipeline}, {"class", f.class}, {"code", f.code}, {"group", f.group}, {"run", f.run}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+printable(p.value))
		}
	}
	if len(parts) == 0 {
		return "all of them"
	}
	return strings.Join(parts, ", ")
}

func newDLQ(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Dead letters: look at them, send them again, give them up",
		Long: `Dead letters are the records that wait for a person. They stay in the stream DLQ until the record has landed, or was
superseded or discarded; nothing removes them by age.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDLQList(g), newDLQShow(g), newDLQReplay(g), newDLQDiscard(g), newDLQResolve(g))
	return cmd
}

func newDLQList(g *globals) *cobra.Command {
	var (
		f     letterFlags
		state string
		limit int
		page  string
	)
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List groups of dead letters by cause, then the letters",
		Example: `  bulkhead dlq ls
  bulkhead dlq ls --pipeline contacts --class reference
  bulkhead dlq ls --class unresolved              (nobody knows whether they landed: bulkhead dlq resolve)
  bulkhead dlq ls --code REQUIRED_FIELD_MISSING --limit 500 --json`,
		Long: `List the dead letters that wait, first as groups of one cause, the 200 largest, then letter by letter. Exit code 4: nothing matches.

With --json: {"groups": [...], "more_groups": n, "more_letters": n, "dead_letters": [...], "total": n, "next_page_token": "..."}.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usage(fmt.Errorf("--limit %d is not between 1 and 1000", limit))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			open := state == "" || state == "open" // groups are of open letters
			groups, rawGroups := &opsv1.ListDeadLetterGroupsResponse{}, []byte("{}")
			if open {
				groups, rawGroups, err = c.DeadLetterGroups(cmd.Context(), &opsv1.ListDeadLetterGroupsRequest{
					Pipeline: f.pipeline, Class: f.class, Code: f.code, Group: f.group, Run: f.run,
				})
				if err != nil {
					return err
				}
			}
			letters, raw, err := c.DeadLetters(cmd.Context(), &opsv1.ListDeadLettersRequest{
				Pipeline: f.pipeline, Class: f.class, Code: f.code, Group: f.group, Run: f.run, State: state, PageSize: int32(limit), PageToken: page,
			})
			if err != nil {
				return err
			}
			switch {
			case g.json:
				if err := printList(g, rawGroups, raw); err != nil {
					return err
				}
			case letters.GetTotal() == 0:
				fmt.Fprintln(g.out, noLetters(state, open, f.empty()))
			default:
				printGroups(g, groups)
				printLetters(g, letters)
			}
			if letters.GetTotal() == 0 {
				return exitWith(ExitNothing)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&state, "state", "", "letters in this state (open, replaying, landed, superseded, discarded, rolled_back, died_again, any); default open")
	cmd.Flags().IntVar(&limit, "limit", 100, "letters on a page, at most 1000")
	cmd.Flags().StringVar(&page, "page-token", "", "the next page, as the page before named it")
	return cmd
}

// noLetters says that none is there, and of what: only a list without a filter says that nobody has to do anything.
func noLetters(state string, open, all bool) string {
	switch {
	case open && all:
		return "No dead letters wait."
	case open:
		return "No open dead letter matches."
	case state == "any":
		return "No dead letter matches, in whatever state."
	}
	return "No dead letter in state " + printable(state) + " matches."
}

// printList writes ops' own page with ops' own groups in front, so that numbers and names stay as ops wrote them.
func printList(g *globals, rawGroups, rawPage []byte) error {
	list := struct {
		Groups      []json.RawMessage `json:"groups"`
		MoreGroups  json.RawMessage   `json:"more_groups"`
		MoreLetters json.RawMessage   `json:"more_letters"`
		DLs         json.RawMessage   `json:"dead_letters"`
		Total       json.RawMessage   `json:"total"`
		Next        json.RawMessage   `json:"next_page_token"`
	}{Groups: []json.RawMessage{}, MoreGroups: json.RawMessage("0"), MoreLetters: json.RawMessage("0")}
	if err := json.Unmarshal(rawGroups, &list); err != nil {
		return fmt.Errorf("groups of dead letters: %w", err)
	}
	if err := json.Unmarshal(rawPage, &list); err != nil {
		return fmt.Errorf("page of dead letters: %w", err)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("page of dead letters: %w", err)
	}
	fmt.Fprintf(g.out, "%s\n", b)
	return nil
}

// printGroups writes the groups, and what ops says of those that it left out; nothing when there are none.
func printGroups(g *globals, reply *opsv1.ListDeadLetterGroupsResponse) {
	groups := reply.GetGroups()
	if len(groups) == 0 {
		return
	}
	rows := [][]string{}
	for _, gr := range groups {
		cause := gr.GetCode()
		if len(gr.GetFields()) > 0 {
			cause += " · " + strings.Join(gr.GetFields(), ",")
		}
		rows = append(rows, []string{
			gr.GetGroup(), thousands(gr.GetCount()), printable(gr.GetPipeline()), printable(gr.GetObject()), gr.GetClass(), oneLine(cause, 60),
			oneLine(gr.GetMessageTemplate(), 70), stamp(gr.GetFirstDeadAt()), stamp(gr.GetLastDeadAt()), oneLine(strings.Join(gr.GetSampleKeys(), " "), 40),
		})
	}
	table(g.out, "GROUP|LETTERS|PIPELINE|OBJECT|CLASS|CAUSE|MESSAGE|FIRST|LAST|SAMPLE KEYS", rows)
	if n := reply.GetMoreGroups(); n > 0 {
		fmt.Fprintf(g.out, "and %s more groups with %s letters: narrow it down with --pipeline, --class or --code\n", thousands(n), thousands(reply.GetMoreLetters()))
	}
	fmt.Fprintln(g.out)
}

func printLetters(g *globals, page *opsv1.ListDeadLettersResponse) {
	rows := [][]string{}
	for _, l := range page.GetDeadLetters() {
		rows = append(rows, []string{
			l.GetId(), printable(l.GetPipeline()), oneLine(l.GetKey(), 36), l.GetState(), l.GetClass(), printable(l.GetCode()), oneLine(l.GetMessage(), 70), stamp(l.GetDeadAt()),
		})
	}
	if len(rows) == 0 {
		return
	}
	table(g.out, "LETTER|PIPELINE|KEY|STATE|CLASS|CODE|MESSAGE|DEAD SINCE", rows)
	fmt.Fprintf(g.out, "\n%d of %s letters", len(rows), thousands(page.GetTotal()))
	if t := page.GetNextPageToken(); t != "" {
		fmt.Fprintf(g.out, "; more: --page-token %s", t)
	}
	first := page.GetDeadLetters()[0]
	fmt.Fprintf(g.out, "\nnext: bulkhead dlq show %s\n", first.GetId())
	if first.GetClass() == string(record.ClassUnresolved) {
		fmt.Fprintf(g.out, "      bulkhead dlq resolve %s --landed ID | --not-landed --reason '…'\n", first.GetId())
		return
	}
	fmt.Fprintf(g.out, "      bulkhead dlq replay --pipeline %s --code %s --reason '…'\n", printable(first.GetPipeline()), printable(first.GetCode()))
}

func newDLQShow(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "show LETTER",
		Short:   "Show one dead letter: reason, payload, mapped row, every attempt",
		Example: "  bulkhead dlq show 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := c.DeadLetter(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
				return nil
			}
			printLetter(g, resp.GetDeadLetter())
			return nil
		},
	}
}

func printLetter(g *globals, l *opsv1.DeadLetter) {
	w := g.out
	fmt.Fprintf(w, "letter      %s (%s)\n", l.GetId(), l.GetState())
	fmt.Fprintf(w, "pipeline    %s, revision %d\n", printable(l.GetPipeline()), l.GetRevision())
	fmt.Fprintf(w, "key         %s, generation %d\n", printable(l.GetKey()), l.GetGeneration())
	if l.GetEntity() != "" {
		fmt.Fprintf(w, "entity      %s\n", printable(l.GetEntity()))
	}
	fmt.Fprintf(w, "cause       %s · %s", l.GetClass(), printable(l.GetCode()))
	if len(l.GetFields()) > 0 {
		fmt.Fprintf(w, " · fields %s", printable(strings.Join(l.GetFields(), ", ")))
	}
	fmt.Fprintf(w, "\n            %s\n", printable(l.GetMessage()))
	if text := remedyOf(l); text != "" {
		fmt.Fprintf(w, "what to do  %s\n", text)
	}
	fmt.Fprintf(w, "dead since  %s, decided at stage %s\n", stamp(l.GetDeadAt()), l.GetStage())
	if o := l.GetOrigin(); o != nil {
		fmt.Fprintf(w, "origin      %s sequence %d index %d, accepted %s\n", o.GetStream(), o.GetSequence(), o.GetIndex(), stamp(l.GetAcceptedAt()))
	}
	if l.GetRun() != "" {
		fmt.Fprintf(w, "run         %s\n", printable(l.GetRun()))
	}
	if as := l.GetAttempts(); len(as) > 0 {
		fmt.Fprintln(w)
		rows := [][]string{}
		for _, a := range as {
			rows = append(rows, []string{fmt.Sprint(a.GetN()), stamp(a.GetAt()), orDash(a.GetJobId()), a.GetOutcome(), a.GetClass(), printable(a.GetCode()), oneLine(a.GetMessage(), 90)})
		}
		table(w, "TRY|AT|JOB|OUTCOME|CLASS|CODE|MESSAGE", rows)
	}
	if row := l.GetRow(); len(row) > 0 {
		names := make([]string, 0, len(row))
		for n := range row {
			names = append(names, n)
		}
		sort.Strings(names)
		rows := [][]string{}
		for _, n := range names {
			rows = append(rows, []string{printable(n), oneLine(row[n], 100)})
		}
		fmt.Fprintln(w)
		table(w, "COLUMN|SENT", rows)
	}
	fmt.Fprintln(w)
	if l.GetPayload() != "" || len(l.GetPayloadBytes()) == 0 {
		fmt.Fprintf(w, "payload\n%s\n", printable(l.GetPayload()))
	} else {
		fmt.Fprintf(w, "payload (%d bytes that are no UTF-8)\n%q\n", len(l.GetPayloadBytes()), l.GetPayloadBytes())
	}
	switch {
	case l.GetState() == "open" && l.GetClass() == string(record.ClassUnresolved):
		fmt.Fprintf(w, "\nnext: look in the org whether the row is there, then\n      bulkhead dlq resolve %s --landed ID --reason '…'\n      bulkhead dlq resolve %s --not-landed --reason '…'     (it is sent again)\n", l.GetId(), l.GetId())
	case l.GetState() == "open":
		fmt.Fprintf(w, "\nnext: bulkhead dlq replay %s     (send it again)\n      bulkhead dlq discard %s --reason '…'\n", l.GetId(), l.GetId())
	}
}

// decision is what replay and discard share.
type decision struct {
	letterFlags
	reason, by, idempotencyKey string
	expect                     int64
	yes                        bool
}

func (d *decision) flags(cmd *cobra.Command) {
	d.add(cmd)
	cmd.Flags().StringVar(&d.reason, "reason", "", "why; it is kept in the audit trail")
	byFlag(cmd, &d.by, "who decides")
	cmd.Flags().StringVar(&d.idempotencyKey, "idempotency-key", "", "the same key again does nothing and returns the first answer; default a new one")
	cmd.Flags().Int64Var(&d.expect, "expect", -1, "how many letters the filter must match now; another number is refused")
	cmd.Flags().Lookup("expect").DefValue = "0" // no number is not shown as one
	cmd.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
}

// plan settles what a decision is about: the ids given, or a filter with the count that was seen and agreed to.
func (d *decision) plan(g *globals, cmd *cobra.Command, ids []string, verb string) (filter *opsv1.LetterFilter, expected *int64, err error) {
	if d.idempotencyKey == "" {
		d.idempotencyKey = verb + "-" + rand.Text()
	}
	switch {
	case len(ids) > 0 && !d.empty():
		return nil, nil, usage(fmt.Errorf("name letters or a filter, not both"))
	case len(ids) > 0:
		return nil, nil, nil
	case d.empty():
		return nil, nil, usage(fmt.Errorf("name letters, or a filter such as --pipeline contacts --code REQUIRED_FIELD_MISSING (bulkhead dlq ls shows both)"))
	}
	filter = &opsv1.LetterFilter{Pipeline: d.pipeline, Class: d.class, Code: d.code, Group: d.group, Run: d.run}
	if d.expect >= 0 {
		return filter, &d.expect, nil
	}
	c, err := g.client()
	if err != nil {
		return nil, nil, err
	}
	page, _, err := c.DeadLetters(cmd.Context(), &opsv1.ListDeadLettersRequest{
		Pipeline: d.pipeline, Class: d.class, Code: d.code, Group: d.group, Run: d.run, PageSize: 1,
	})
	if err != nil {
		return nil, nil, err
	}
	n := page.GetTotal()
	if n == 0 {
		return nil, nil, exit(ExitNothing, fmt.Errorf("no open letter matches the filter"))
	}
	if !d.yes {
		ok, err := ask(g, fmt.Sprintf("%s %s letters (%s)?", verb, thousands(n), &d.letterFlags))
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, exit(ExitRefused, fmt.Errorf("nothing was done"))
		}
	}
	return filter, &n, nil
}

// ask wants a person; where there is none, nothing is guessed.
func ask(g *globals, question string) (bool, error) {
	f, ok := g.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, usage(errNoAnswer)
	}
	fmt.Fprintf(g.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(g.in).ReadString('\n')
	if err != nil {
		return false, usage(errNoAnswer)
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes", nil
}

func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func newDLQReplay(g *globals) *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use:   "replay [LETTER ...]",
		Short: "Send dead letters again",
		Long: `Send dead letters again: each becomes the next generation of its record. A letter is closed only when its new outcome is
known; one that is already being replayed is left out, so that two people cannot send it twice. What newer versions of the
same entity cover is not sent but superseded. More than ` + fmt.Sprint(replayWithoutReason) + ` letters need a --reason.

All letters of a filter are moved in one step or none is. A million take some minutes, and the command says that it waits. Where it
ends without ops' answer, it names the --idempotency-key with which the same command asks for it again.

Exit code 4: nothing matches. 5: refused, for example because the filter matches another number than --expect. 6: no answer.`,
		Example: `  bulkhead dlq replay 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11
  bulkhead dlq replay --pipeline contacts --class reference --reason 'accounts were loaded' --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter, expected, err := d.plan(g, cmd, ids, "replay")
			if err != nil {
				return err
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := carryOut(g, &d, expected, func() (*opsv1.ReplayDeadLettersResponse, []byte, error) {
				return c.Replay(cmd.Context(), &opsv1.ReplayDeadLettersRequest{
					Ids: ids, Filter: filter, ExpectedCount: expected, Reason: d.reason, IdempotencyKey: d.idempotencyKey, By: d.by,
				})
			})
			if err != nil {
				return err
			}
			return decided(g, raw, resp.GetReplayed(), resp.GetSkipped(), resp.GetRepeatedRequest(), "are sent again", resp.GetActionId())
		},
	}
	d.flags(cmd)
	return cmd
}

func newDLQDiscard(g *globals) *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use:   "discard [LETTER ...]",
		Short: "Give dead letters up, with a reason",
		Long: `Give dead letters up: the records end as discarded, with name and reason in the audit trail. They are not sent again.
Needs a --reason.

All letters of a filter are moved in one step or none is. A million take some minutes, and the command says that it waits. Where it
ends without ops' answer, it names the --idempotency-key with which the same command asks for it again.`,
		Example: `  bulkhead dlq discard 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11 --reason 'test record of the web shop'`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if strings.TrimSpace(d.reason) == "" {
				return usage(fmt.Errorf("--reason is needed: discarding cannot be undone"))
			}
			filter, expected, err := d.plan(g, cmd, ids, "discard")
			if err != nil {
				return err
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			resp, raw, err := carryOut(g, &d, expected, func() (*opsv1.DiscardDeadLettersResponse, []byte, error) {
				return c.Discard(cmd.Context(), &opsv1.DiscardDeadLettersRequest{
					Ids: ids, Filter: filter, ExpectedCount: expected, Reason: d.reason, IdempotencyKey: d.idempotencyKey, By: d.by,
				})
			})
			if err != nil {
				return err
			}
			return decided(g, raw, resp.GetDiscarded(), resp.GetSkipped(), resp.GetRepeatedRequest(), "are discarded", resp.GetActionId())
		},
	}
	d.flags(cmd)
	return cmd
}

func decided(g *globals, raw []byte, n, skipped int64, repeated bool, what, action string) error {
	if g.json {
		fmt.Fprintf(g.out, "%s\n", raw)
	} else {
		fmt.Fprintf(g.out, "%s letters %s (action %s)", thousands(n), what, action)
		if skipped > 0 {
			fmt.Fprintf(g.out, "; %s were left out because they are not open any more", thousands(skipped))
		}
		if repeated {
			fmt.Fprint(g.out, "; this request was carried out before, nothing was done now")
		}
		fmt.Fprintln(g.out, "\nnext: bulkhead status --watch")
	}
	if n == 0 {
		return exitWith(ExitNothing)
	}
	return nil
}
