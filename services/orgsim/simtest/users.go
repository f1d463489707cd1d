package simtest

import "net/http"

// PutUser changes a user of the org, and makes one first where nobody has the username; it returns the user's id. The
// members of change are those of POST /sim/users: active, approval, manage_data_integrations, password_expired.
func (s *Sim) PutUser(username string, change map[string]any) string {
	s.t.Helper()
	body := map[string]any{"username": username}
	for k, v := range change {
		body[k] = v
	}
	reply, ok := s.ask(http.MethodPost, "users", body)
	if !ok {
		s.t.Fatalf("simulator: POST users: %s", reply)
	}
	return decode[struct {
		ID string `json:"id"`
	}](s, "users", reply).ID
}

// RestrictTokens makes every session one that is not valid for use with the REST API; later ones are good again.
func (s *Sim) RestrictTokens() {
	s.t.Helper()
	if reply, ok := s.ask(http.MethodPost, "tokens/restrict", nil); !ok {
		s.t.Fatalf("simulator: POST tokens/restrict: %s", reply)
	}
}

// RefreshToken is one for the user, as the web server flow hands it out through a browser.
func (s *Sim) RefreshToken(username string) string {
	s.t.Helper()
	reply, ok := s.ask(http.MethodPost, "tokens/refresh", map[string]any{"username": username})
	if !ok {
		s.t.Fatalf("simulator: POST tokens/refresh: %s", reply)
	}
	return decode[struct {
		Token string `json:"refresh_token"`
	}](s, "tokens/refresh", reply).Token
}
