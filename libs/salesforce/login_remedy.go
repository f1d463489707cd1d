package salesforce

import "strings"

// loginRemedy is what a person can do about a login that the token endpoint refused. Salesforce says little in the code and the rest in the text.
func loginRemedy(code, message string) string {
	switch code {
	case "invalid_client", "invalid_client_id":
		return "check the client id, and the file or variable of the client secret"
	case "app_not_found":
		return "install the external client app in this org"
	case "unsupported_grant_type":
		return "allow the client credentials flow in the connected app, or its digital signatures for logins by key"
	case "NO_KEY":
		return "check privateKeyFile"
	case "invalid_grant":
		return refusedGrantRemedy(strings.ToLower(message))
	}
	return ""
}

// grantRemedies are texts of invalid_grant and what an administrator of the org does about them; the first that is in the message counts.
var grantRemedies = []struct{ text, remedy string }{
	{"no client credentials user", "set a run-as user in the connected app's client credentials flow"},
	{"not supported on this domain", "use the org's own domain as login url"},
	{"hasn't approved", "let the app's permitted users be those that an administrator approved, and give the user's profile or permission set the app"},
	{"not admin approved", "give the user's profile or permission set the app (Manage Profiles or Permission Sets of the app)"},
	{"inactive", "activate the user, or name another one as username"},
	{"signature", "the private key does not belong to the certificate that the app has: upload the certificate made with this key"},
	{"audience", "use the org's own domain as login url, or test.salesforce.com for a sandbox"},
	{"expired", "compare this machine's clock with the time: an assertion is good for three minutes"},
	{"assertion", "check client id and username, that the app's certificate belongs to the private key, and this machine's clock"},
	{"authentication failure", "check the user: locked out, frozen, or kept away by login hours or IP ranges"},
	{"ip restricted", "allow this address in the login IP ranges of the user's profile, or relax the app's IP restrictions"},
}

func refusedGrantRemedy(message string) string {
	for _, r := range grantRemedies {
		if strings.Contains(message, r.text) {
			return r.remedy
		}
	}
	return "check the connected app's policies and the user that it acts as"
}
