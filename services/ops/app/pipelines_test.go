package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/ops/internal/fixture"
)

func TestRevisionReplies(t *testing.T) {
	t.Run("have the form that scripts rely on", func(t *testing.T) {
		b := start(t, nil)
		put := func(yaml string) {
			t.Helper()
			body, err := json.Marshal(map[string]string{"yaml": yaml, "by": "kim"})
			if err != nil {
				t.Fatal(err)
			}
			if code, reply := b.call(t, http.MethodPut, "/v1/pipelines/contacts", "", string(body)); code != 200 {
				t.Fatalf("%d: %s", code, reply)
			}
		}
		put(strings.Replace(fixture.Contacts, "lanes: 2", "lanes: 4\nowner: Sales Systems\ncontact: sales@people.example", 1))
		b.Exec(`UPDATE ops.definitions SET applied_at = $1`, fixture.Noon)
		for _, c := range []struct {
			name, method, path, body string
			status                   int
		}{
			{"revisions", http.MethodGet, "/v1/pipelines/contacts/revisions", "", 200},
			{"revisions_unknown", http.MethodGet, "/v1/pipelines/nobody/revisions", "", 404},
			{"diff", http.MethodGet, "/v1/pipelines/contacts:diff", "", 200},
			{"diff_back", http.MethodGet, "/v1/pipelines/contacts:diff?from=2&to=1", "", 200},
			{"diff_first", http.MethodGet, "/v1/pipelines/contacts:diff?to=1", "", 400},
			{"diff_unknown", http.MethodGet, "/v1/pipelines/contacts:diff?from=9", "", 404},
			{"rollback_no_reason", http.MethodPost, "/v1/pipelines/contacts:rollback", `{"revision":1}`, 400},
			{"rollback_unknown", http.MethodPost, "/v1/pipelines/contacts:rollback", `{"revision":9,"reason":"x"}`, 404},
			{"rollback", http.MethodPost, "/v1/pipelines/contacts:rollback", `{"revision":1,"reason":"four lanes locked each other","by":"robin"}`, 200},
		} {
			code, reply := b.call(t, c.method, c.path, "", c.body)
			if code != c.status {
				t.Errorf("%s: status %d, want %d: %s", c.name, code, c.status, reply)
			}
			golden(t, "pipelines_"+c.name, reply)
		}
		b.Chunk("c", "", "a")
		if code, reply := b.call(t, http.MethodPost, "/v1/pipelines/contacts:rollback", "", `{"revision":2,"reason":"x"}`); code != http.StatusConflict {
			t.Errorf("a rollback of lanes while a chunk is open: %d %s", code, reply)
		}
	})
}
