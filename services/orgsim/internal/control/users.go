package control

import (
	"errors"
	"net/http"

	"bulkhead/services/orgsim/internal/org"
)

// users lists who may sign in.
func (a *API) users(_ *http.Request, w http.ResponseWriter) error { return answer(w, a.Store.Users()) }

// putUser changes a user, and makes one where nobody has the username.
func (a *API) putUser(r *http.Request, w http.ResponseWriter) error {
	var body struct {
		Username string `json:"username"`
		org.UserChange
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	user, err := a.Store.PutUser(body.Username, body.UserChange)
	if errors.Is(err, org.ErrUser) {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if err != nil {
		return err
	}
	return answer(w, user)
}

// restrictTokens makes every session one that is not valid for use with the REST API.
func (a *API) restrictTokens(_ *http.Request, w http.ResponseWriter) error {
	a.Rest.RestrictTokens()
	return answer(w, map[string]bool{"ok": true})
}

// grantRefresh hands out a refresh token, as the web server flow would through a browser.
func (a *API) grantRefresh(r *http.Request, w http.ResponseWriter) error {
	var body struct {
		Username string `json:"username"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	user, known := a.Store.User(body.Username)
	if !known {
		return refuse(http.StatusNotFound, "there is no user %q; GET /sim/users lists them", body.Username)
	}
	return answer(w, map[string]string{"refresh_token": a.Rest.GrantRefresh(user.ID)})
}
