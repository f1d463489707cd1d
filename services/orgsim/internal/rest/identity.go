package rest

import (
	"net/http"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/sfid"
)

// identityURL is the URL that names a user, by 18-character ids.
func (ex *exchange) identityURL(user string) string {
	return ex.baseURL() + "/id/" + ex.s.Store.Identity().OrgID + "/" + user
}

// urls are the entrances of the org; {version} is left to the reader.
func (ex *exchange) urls() map[string]string {
	base := ex.baseURL()
	return map[string]string{
		"rest": base + "/services/data/v{version}/", "sobjects": base + "/services/data/v{version}/sobjects/",
		"query": base + "/services/data/v{version}/query/", "partner": base + "/services/Soap/u/{version}/" + ex.s.Store.Identity().OrgID[:sfid.Len15],
	}
}

// userInfo says who the caller is.
func (ex *exchange) userInfo() error {
	who, _ := ex.s.Store.User(ex.user) // admit found it
	return ex.json(http.StatusOK, map[string]any{
		"sub": ex.identityURL(who.ID), "user_id": who.ID, "organization_id": ex.s.Store.Identity().OrgID,
		"preferred_username": who.Username, "nickname": who.Username, "name": who.Name, "email": who.Username, "email_verified": true,
		"zoneinfo": "Etc/UTC", "urls": ex.urls(), "active": who.Active, "user_type": "STANDARD",
		"language": "en_US", "locale": "en_US", "utcOffset": 0, "is_app_installed": true,
	})
}

// identity serves the identity URL of any user of the org.
func (ex *exchange) identity() error {
	organization, user := ex.route.rest[0], ex.route.rest[1]
	who, known := ex.s.Store.User(user)
	own := ex.s.Store.Identity().OrgID
	if !known || !sfid.Valid(user) || organization != own && organization != own[:sfid.Len15] {
		return bulk.ErrNotFound
	}
	return ex.json(http.StatusOK, map[string]any{
		"id": ex.identityURL(who.ID), "asserted_user": who.ID == ex.user, "user_id": who.ID, "organization_id": own,
		"username": who.Username, "nick_name": who.Username, "display_name": who.Name, "email": who.Username, "email_verified": true,
		"timezone": "Etc/UTC", "urls": ex.urls(), "active": who.Active, "user_type": "STANDARD",
		"language": "en_US", "locale": "en_US", "utcOffset": 0, "is_app_installed": true,
	})
}
