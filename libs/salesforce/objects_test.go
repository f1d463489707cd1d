package salesforce

import (
	"io"
	"net/http"
	"slices"
	"testing"
)

func TestObjects(t *testing.T) {
	t.Run("names all objects", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != base+"/sobjects" {
				t.Errorf("asked %s", r.URL)
			}
			_, _ = io.WriteString(w, `{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[{"name":"Account"},{"name":"Runway__c"}]}`)
		})
		got, err := o.client().Objects(t.Context())
		if err != nil || !slices.Equal(got, []string{"Account", "Runway__c"}) {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("an org without objects is no answer", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
		if got, err := o.client().Objects(t.Context()); err == nil {
			t.Errorf("%v", got)
		}
	})
}
