package collect

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestExportsThatNeverComeWholeAreForTheJudge(t *testing.T) {
	ops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Bulkhead-Records", "2")
		_, _ = w.Write([]byte("{\"key\":\"a\"}\n")) // a client that went away needs none
	}))
	defer ops.Close()
	c := &collector{target: history.Target{OpsURLs: []string{ops.URL}}}
	lines, err := exported[landedLine](t.Context(), c, 0, "/v1/exports/landed?pipeline=parts")
	if err != nil || len(lines) != 1 || len(c.final.Broken) != 1 || !strings.Contains(c.final.Broken[0], "1 lines came and 2 were announced") {
		t.Errorf("%d lines, %v, %q", len(lines), err, c.final.Broken)
	}
}
