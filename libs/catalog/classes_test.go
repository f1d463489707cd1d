package catalog

import (
	"strings"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

func TestOrgClasses(t *testing.T) {
	t.Parallel()
	t.Run("an org's own rules are in its client's table, and a changed document changes it", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		refused := salesforce.ParseRowError("FIELD_CUSTOM_VALIDATION_EXCEPTION:Prices are being recalculated:--")
		classOf := func() (record.Class, string) {
			t.Helper()
			f.Invalidate()
			client, err := f.Client(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			return client.Classes().Lookup(refused).Class, client.Classes().Version()
		}
		f.org(t, "one")
		if class, version := classOf(); class != record.ClassData || strings.Contains(version, "+") {
			t.Errorf("%s by version %s", class, version)
		}
		f.org(t, "one\nclasses:\n  - {code: FIELD_CUSTOM_VALIDATION_EXCEPTION, contains: recalculated, class: transient}")
		if class, version := classOf(); class != record.ClassTransient || !strings.Contains(version, "+") {
			t.Errorf("%s by version %s", class, version)
		}
	})
}
