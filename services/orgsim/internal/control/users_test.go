package control_test

import (
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestUsers(t *testing.T) {
	sim := simtest.Start(t)
	t.Run("the users are listed with what they may do", func(t *testing.T) {
		id := sim.PutUser("clerk@here.example", map[string]any{"manage_data_integrations": true})
		status, body := ask(t, sim, "GET", "users", "")
		want := `{"id":"` + id + `","username":"clerk@here.example","name":"clerk User","active":true,"approval":"approved","manage_data_integrations":true,"password_expired":false}`
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("got %d %s", status, body)
		}
	})
	for _, tc := range []struct {
		does, path, body string
		status           int
		part             string
	}{
		{"a username needs the form of an e-mail address", "users", `{"username":"clerk"}`, 400, "form of an e-mail address"},
		{"a member that nobody knows is refused", "users", `{"username":"clerk@here.example","colour":"red"}`, 400, "colour"},
		{"an approval is one of three", "users", `{"username":"clerk@here.example","approval":"maybe"}`, 400, "not_admin_approved"},
		{"a refresh token is for a user who is there", "tokens/refresh", `{"username":"nobody@here.example"}`, 404, "GET /sim/users"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if status, body := ask(t, sim, "POST", tc.path, tc.body); status != tc.status || !strings.Contains(body, tc.part) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}
