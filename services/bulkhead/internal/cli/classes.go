package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func newClasses(g *globals) *cobra.Command {
	var orgFile string
	cmd := &cobra.Command{
		Use:   "classes [CODE | TEXT]",
		Short: "Show how refused rows are classed, and what to do about each",
		Long: `Show the rules by which refused rows are classed: what Salesforce says of a row decides whether it is sent again, how often, or
waits for a person. The first rule that matches counts. Without an argument all of them; with a status code those about it; with a whole
error text, as sf__Error or a dead letter holds it, the rule that decides it. No server is needed.

With --org FILE the rules of an org's document (classes:) stand before those that come with Bulkhead.

With --json one object: {"version", "rules": [...]}, and for a text {"version", "code", "message", "fields", "existing_ids", "class",
"tries", "remedy", "rule"}; existing_ids are the records that stand in the way. Exit code 2: the org's document is not valid. 4: no rule
is about it, so it is unclassified.`,
		Example: `  bulkhead classes
  bulkhead classes CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY
  bulkhead classes 'DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 001000000000001:--'
  bulkhead classes --org main.yaml 'FIELD_CUSTOM_VALIDATION_EXCEPTION:Prices are being recalculated:--'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			classes, err := classTable(g, orgFile)
			if err != nil {
				return usage(err)
			}
			if len(args) == 0 {
				return printClassRules(g, classes, classes.Rules())
			}
			e := salesforce.ParseRowError(args[0])
			if e.Code != "" && e.Message == "" && len(e.Fields) == 0 {
				return printRulesOf(g, classes, e.Code)
			}
			return printClassed(g, classes, e)
		},
	}
	cmd.Flags().StringVar(&orgFile, "org", "", "an org's document, whose own rules come first; - = standard input")
	return cmd
}

// classTable is the table in force for an org's document; "" = the one that comes with Bulkhead.
func classTable(g *globals, orgFile string) (*salesforce.ClassTable, error) {
	if orgFile == "" {
		return salesforce.BuiltInClasses(), nil
	}
	text, err := readDefinition(g, orgFile)
	if err != nil {
		return nil, err
	}
	org, err := pipeline.ParseOrg(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", orgFile, err)
	}
	classes, err := salesforce.NewClassTable(org.Classes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", orgFile, err)
	}
	return classes, nil
}

// classRule is a rule as JSON.
type classRule struct {
	Code     string       `json:"code,omitempty"`
	Contains string       `json:"contains,omitempty"`
	Prefix   string       `json:"prefix,omitempty"`
	Class    record.Class `json:"class"`
	Tries    int          `json:"tries,omitempty"`
	Remedy   string       `json:"remedy"`
	Own      bool         `json:"own"`
}

func ruleJSON(r salesforce.Rule) classRule {
	return classRule{Code: r.Code, Contains: r.Contains, Prefix: r.Prefix, Class: r.Class, Tries: r.Tries, Remedy: r.Remedy, Own: r.Own}
}

func (g *globals) object(v any) error {
	enc := json.NewEncoder(g.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

func printClassRules(g *globals, classes *salesforce.ClassTable, rules []salesforce.Rule) error {
	if g.json {
		out := make([]classRule, len(rules))
		for i, r := range rules {
			out[i] = ruleJSON(r)
		}
		return g.object(struct {
			Version string      `json:"version"`
			Rules   []classRule `json:"rules"`
		}{classes.Version(), out})
	}
	rows := make([][]string, len(rules))
	for i, r := range rules {
		code, text := r.Code, "any"
		if code == "" {
			code = "any"
		}
		switch {
		case r.Contains != "":
			text = "contains " + r.Contains
		case r.Prefix != "":
			text = "begins with " + r.Prefix
		}
		rows[i] = []string{code, oneLine(text, 60), string(r.Class), triesOf(r), origin(r), oneLine(r.Remedy, 140)}
	}
	table(g.out, "CODE|MESSAGE|CLASS|TRIES|RULE OF|WHAT TO DO", rows)
	fmt.Fprintf(g.out, "\n%d rules, version %s; the first that matches counts, and a code that is not here is unclassified\n", len(rules), classes.Version())
	return nil
}

// printRulesOf prints what decides a code, whatever its message.
func printRulesOf(g *globals, classes *salesforce.ClassTable, code string) error {
	var rules []salesforce.Rule
	named := false
	for _, r := range classes.Rules() {
		if r.Code == code || r.Code == "" {
			rules, named = append(rules, r), named || r.Code == code
		}
	}
	if !named {
		return exit(ExitNothing, fmt.Errorf("no rule names %s, so it is %s: %s", code, record.ClassUnclassified, salesforce.RemedyOf(record.ClassUnclassified)))
	}
	return printClassRules(g, classes, rules)
}

// printClassed prints what is made of one error text.
func printClassed(g *globals, classes *salesforce.ClassTable, e salesforce.RowError) error {
	rule := classes.Lookup(e)
	decided := rule.Code != "" || rule.Contains != "" || rule.Prefix != ""
	if g.json {
		var by *classRule
		if decided {
			r := ruleJSON(rule)
			by = &r
		}
		err := g.object(struct {
			Version     string       `json:"version"`
			Code        string       `json:"code"`
			Message     string       `json:"message"`
			Fields      []string     `json:"fields"`
			ExistingIDs []string     `json:"existing_ids"`
			Class       record.Class `json:"class"`
			Tries       int          `json:"tries,omitempty"`
			Remedy      string       `json:"remedy"`
			Rule        *classRule   `json:"rule"`
		}{
			classes.Version(), e.Code, e.Message, append([]string{}, e.Fields...), append([]string{}, e.ExistingIDs()...), rule.Class, rule.Tries, rule.Remedy, by,
		})
		if err != nil {
			return err
		}
	} else {
		w := g.out
		by := "none is about it"
		if decided {
			by = rule.About() + " (" + origin(rule) + ")"
		}
		fmt.Fprintf(w, "class       %s: %s\n", rule.Class, follows(rule))
		fmt.Fprintf(w, "what to do  %s\n", printable(rule.Remedy))
		fmt.Fprintf(w, "rule        %s\n", printable(by))
		if e.Code != "" {
			fmt.Fprintf(w, "code        %s\n", printable(e.Code))
		}
		fmt.Fprintf(w, "message     %s\n", printable(e.Message))
		if len(e.Fields) > 0 {
			fmt.Fprintf(w, "fields      %s\n", printable(strings.Join(e.Fields, ", ")))
		}
		if ids := e.ExistingIDs(); len(ids) > 0 {
			fmt.Fprintf(w, "in the way  %s\n", strings.Join(ids, ", "))
		}
		fmt.Fprintf(w, "version     %s\n", classes.Version())
	}
	if !decided {
		return exitWith(ExitNothing)
	}
	return nil
}

// remedyOf is what a person can do about a letter. Its class was decided by its org's table, which is not at hand here: where the one that comes
// with Bulkhead says otherwise of the error, what the class says counts.
func remedyOf(l *opsv1.DeadLetter) string {
	class := record.Class(l.GetClass())
	if rule := salesforce.BuiltInClasses().Lookup(salesforce.RowError{Code: l.GetCode(), Message: l.GetMessage()}); rule.Class == class {
		return rule.Remedy
	}
	return salesforce.RemedyOf(class)
}

func origin(r salesforce.Rule) string {
	if r.Own {
		return "the org"
	}
	return "Bulkhead"
}

// attempts is how often a row is tried by the default policy.
func attempts(r salesforce.Rule) int {
	n := record.DefaultPolicies()[r.Class].Attempts
	if r.Tries > 0 {
		n = min(n, r.Tries)
	}
	return n
}

func triesOf(r salesforce.Rule) string {
	switch {
	case r.Class.Retried():
		return fmt.Sprint(attempts(r))
	case r.Class == record.ClassQuota, r.Class == record.ClassAuth:
		return "pause"
	}
	return "1"
}

// follows says in words what follows by itself.
func follows(r salesforce.Rule) string {
	switch {
	case r.Class.Retried() && r.Tries > 0:
		return fmt.Sprintf("tried up to %d times, then dead as %s", attempts(r), record.ClassUnclassified)
	case r.Class.Retried():
		return fmt.Sprintf("tried up to %d times (unless the definition says otherwise), then a dead letter", attempts(r))
	case r.Class == record.ClassQuota, r.Class == record.ClassAuth:
		return "the pipeline pauses, the row is sent again, and no try is counted"
	}
	return "a dead letter at once"
}
