package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const orgWithClasses = `kind: Org
name: main
loginUrl: https://example.my.salesforce.com
auth: client_credentials
clientId: key
clientSecretFile: /run/secrets/main
classes:
  - {code: FIELD_CUSTOM_VALIDATION_EXCEPTION, contains: being recalculated, class: transient, tries: 4, remedy: wait for the night}
  - {code: HOUSE_IS_FULL, class: quota}
`

func TestClasses(t *testing.T) {
	dir := t.TempDir()
	org := filepath.Join(dir, "main.yaml")
	if err := os.WriteFile(org, []byte(orgWithClasses), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		t.Helper()
		return invoke(t, orgWithClasses, append([]string{"classes"}, args...)...)
	}
	t.Run("all rules are listed with what to do, the org's own behind locks and before the others", func(t *testing.T) {
		code, out, errOut := run("--org", org)
		if code != ExitDone || errOut != "" {
			t.Fatalf("exit %d, %s", code, errOut)
		}
		lines := strings.Split(out, "\n")
		for i, want := range []string{"CODE ", "any ", "UNABLE_TO_LOCK_ROW ", "FIELD_CUSTOM_VALIDATION_EXCEPTION ", "HOUSE_IS_FULL ", "UNABLE_TO_LOCK_RECORD "} {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("line %d is %q, want %q…", i+1, lines[i], want)
			}
		}
		for _, want := range []string{"contains being recalculated", "wait for the night", "pause", "DUPLICATES_DETECTED"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing", want)
			}
		}
	})
	for _, c := range []struct {
		name string
		args []string
		exit int
		want []string
	}{
		{"a text is classed by its rule", []string{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: caused by: QUERY_TIMEOUT:--"}, ExitDone, []string{
			"class       transient: tried up to 8 times", `rule        code CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY, message contains "QUERY_TIMEOUT" (Bulkhead)`, "message     T: caused by: QUERY_TIMEOUT",
		}},
		{"a text names the record in the way, and its fields", []string{"DUPLICATE_EXTERNAL_ID:Number: more than one record found for external id field: [001000000000001]:Ext__c --"}, ExitDone, []string{
			"class       duplicate: a dead letter at once", "in the way  001000000000001AAA", "fields      Ext__c",
		}},
		{"an error with its own tries says so", []string{"UNKNOWN_EXCEPTION:oh:--"}, ExitDone, []string{"tried up to 3 times, then dead as unclassified"}},
		{"quota says that the pipeline pauses", []string{"STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--"}, ExitDone, []string{"quota: the pipeline pauses"}},
		{"an org's own rule comes first", []string{"FIELD_CUSTOM_VALIDATION_EXCEPTION:Prices are being recalculated:--", "--org", "-"}, ExitDone, []string{
			"tried up to 4 times", "what to do  wait for the night", "(the org)", "version     1+",
		}},
		{"a code shows every rule about it", []string{"INVALID_FIELD"}, ExitDone, []string{"begins with Foreign key external ID", "contains No such column", "5 rules"}},
		{"the code of a lock shows what stands before all rules", []string{"UNABLE_TO_LOCK_ROW"}, ExitDone, []string{"contention", "2 rules"}},
		{"a code that nobody knows is unclassified", []string{"HOUSE_IS_FULL"}, ExitNothing, nil},
		{"a text that nobody knows is unclassified", []string{"something went wrong"}, ExitNothing, []string{"class       unclassified", "none is about it"}},
		{"a text cannot move the cursor", []string{"STRING_TOO_LONG:\x1b[31mred:--"}, ExitDone, []string{`\x1b[31mred`}},
		{"an org's document that is not there is named", []string{"--org", filepath.Join(dir, "nothing")}, ExitUsage, nil},
		{"two texts are too many", []string{"A", "B"}, ExitUsage, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := run(c.args...)
			if code != c.exit || (errOut != "") != (c.want == nil) {
				t.Errorf("exit %d, %s", code, errOut)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
	t.Run("a rule that cannot be is named with its line", func(t *testing.T) {
		wrong := filepath.Join(dir, "wrong.yaml")
		if err := os.WriteFile(wrong, []byte(orgWithClasses+"  - {code: HOUSE_IS_FULL, class: data}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errOut := run("--org", wrong)
		if code != ExitUsage || !strings.Contains(errOut, "wrong.yaml: line 10: classes: this rule never matches, the one on line 9") {
			t.Errorf("exit %d, %s", code, errOut)
		}
	})
	t.Run("as JSON a text is one object", func(t *testing.T) {
		code, out, _ := run("DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 001000000000001:--", "--json")
		var got struct {
			Version, Code, Class, Remedy string
			Fields                       []string
			ExistingIDs                  []string `json:"existing_ids"`
			Rule                         struct {
				Code string
				Own  bool
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != ExitDone || strings.Count(out, "\n") != 1 {
			t.Fatalf("exit %d, %v, %s", code, err, out)
		}
		if got.Version != "1" || got.Class != "duplicate" || got.Code != "DUPLICATE_VALUE" || got.Rule.Code != got.Code || got.Rule.Own || len(got.ExistingIDs) != 1 || got.Fields == nil || got.Remedy == "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("as JSON the table is one object", func(t *testing.T) {
		code, out, _ := run("--json", "--org", org)
		var got struct {
			Version string
			Rules   []struct {
				Code, Class, Remedy string
				Own                 bool
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != ExitDone || len(got.Rules) < 100 || got.Rules[1].Own || !got.Rules[2].Own || got.Rules[4].Own {
			t.Fatalf("exit %d, %v, %.300s", code, err, out)
		}
	})
}
