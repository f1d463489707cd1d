package conformance

import (
	"encoding/xml"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

// The envelopes of two clients: one names its elements plainly, the other puts prefixes before them and a header above.
const (
	plainLogin = `<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header/><se:Body>` +
		`<login xmlns="urn:partner.soap.sforce.com"><username>USER</username><password>PASSWORD</password></login></se:Body></se:Envelope>`
	prefixedLogin = `<?xml version="1.0" encoding="utf-8" ?>
<env:Envelope xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:urn="urn:partner.soap.sforce.com">
  <env:Header><urn:CallOptions><urn:client>client</urn:client><urn:defaultNamespace>sf</urn:defaultNamespace></urn:CallOptions></env:Header>
  <env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>USER</n1:username><n1:password>PASSWORD</n1:password></n1:login></env:Body>
</env:Envelope>`
	logout = `<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header><SessionHeader xmlns="urn:partner.soap.sforce.com">` +
		`<sessionId>SESSION</sessionId></SessionHeader></se:Header><se:Body><logout xmlns="urn:partner.soap.sforce.com"/></se:Body></se:Envelope>`
)

// soap sends an envelope to the partner API of a version.
func (o *org) soap(version, envelope string, change ...func(*http.Request)) answer {
	o.t.Helper()
	return o.at(o.login, "POST", "/services/Soap/u/"+version, envelope, append([]func(*http.Request){func(r *http.Request) {
		r.Header.Del("Authorization")
		r.Header.Set("Content-Type", "text/xml")
		r.Header["SOAPAction"] = []string{`""`}
	}}, change...)...)
}

func login(form, user, password string) string {
	return strings.NewReplacer("USER", user, "PASSWORD", password).Replace(form)
}

// member is the text of an element that has no prefix, as clients look for it.
func member(a answer, name string) string {
	m := regexp.MustCompile("<" + name + ">([^<]+)</" + name + ">").FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// fault is what a refusal says, to those who read its text and to those who read its exception.
func (o *org) fault(a answer, code string) {
	o.t.Helper()
	o.want(a, http.StatusInternalServerError)
	exception := regexp.MustCompile(`<sf:exceptionCode>([^<]+)</sf:exceptionCode><sf:exceptionMessage>[^<]+</sf:exceptionMessage>`).FindStringSubmatch(a.body)
	if !strings.HasPrefix(member(a, "faultstring"), code+": ") || exception == nil || exception[1] != code {
		o.t.Errorf("got %s, want %s", a.body, code)
	}
	o.wellFormed(a)
}

func (o *org) wellFormed(a answer) {
	o.t.Helper()
	var any struct {
		XMLName xml.Name
		Body    struct{} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := xml.Unmarshal([]byte(a.body), &any); err != nil || any.XMLName.Local != "Envelope" {
		o.t.Errorf("%v in %s", err, a.body)
	}
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/xml") {
		o.t.Errorf("Content-Type %s", got)
	}
}

func TestSOAPLogin(t *testing.T) {
	o := aSim(t)
	for _, tc := range []struct{ does, envelope string }{
		{"reads an envelope with plain elements", plainLogin},
		{"reads an envelope with prefixes and a header", prefixedLogin},
	} {
		t.Run(tc.does, func(t *testing.T) {
			a := o.want(o.soap("50.0", login(tc.envelope, o.sim.Username, app.DefaultPassword)), http.StatusOK)
			o.wellFormed(a)
			own := *o
			own.token = member(a, "sessionId")
			if !own.alive() || member(a, "organizationId") != o.sim.OrgID() || !strings.HasPrefix(member(a, "userId"), "005") {
				t.Errorf("got %s", a.body)
			}
			if member(a, "passwordExpired") != "false" || !strings.Contains(a.body, ` xmlns="urn:partner.soap.sforce.com"`) || !strings.HasPrefix(member(a, "serverUrl"), o.base+"/services/Soap/u/50.0/00D") {
				t.Errorf("got %s", a.body)
			}
		})
	}
	t.Run("refuses a wrong password and an unknown user alike", func(t *testing.T) {
		o.fault(o.soap("50.0", login(plainLogin, o.sim.Username, "wrong")), "INVALID_LOGIN")
		o.fault(o.soap("50.0", login(prefixedLogin, "nobody@elsewhere.example", app.DefaultPassword)), "INVALID_LOGIN")
		o.fault(o.soap("50.0", login(plainLogin, "", "")), "INVALID_LOGIN")
	})
	t.Run("whose password has run out is told so, and gets a session that is not for the REST API", func(t *testing.T) {
		const user = "late@elsewhere.example"
		o.sim.PutUser(user, map[string]any{"password_expired": true})
		a := o.want(o.soap("50.0", login(plainLogin, user, app.DefaultPassword)), http.StatusOK)
		own := *o
		if own.token = member(a, "sessionId"); member(a, "passwordExpired") != "true" {
			t.Errorf("got %s", a.body)
		}
		if got := own.refused(own.call("GET", data+"/limits", ""), http.StatusUnauthorized, "INVALID_SESSION_ID"); got != restRefused {
			t.Errorf("got %s", got)
		}
	})
	t.Run("logout ends the session", func(t *testing.T) {
		a := o.want(o.soap("50.0", login(plainLogin, o.sim.Username, app.DefaultPassword)), http.StatusOK)
		own := *o
		own.token = member(a, "sessionId")
		envelope := strings.ReplaceAll(logout, "SESSION", own.token)
		o.wellFormed(o.want(o.soap("50.0", envelope), http.StatusOK))
		if own.alive() {
			t.Error("it is alive")
		}
		o.fault(o.soap("50.0", envelope), "INVALID_SESSION_ID")
	})
	t.Run("refuses what it cannot read, in an envelope", func(t *testing.T) {
		for _, body := range []string{
			"", "{}", "<a>", `<!DOCTYPE a [<!ENTITY b "c">]>` + plainLogin, strings.Repeat("<a>", 100), "<Envelope><Body/></Envelope>",
			strings.ReplaceAll(plainLogin, "USER", "&unknown;"), strings.ReplaceAll(plainLogin, "login", "query"),
		} {
			a := o.want(o.soap("50.0", body), http.StatusInternalServerError)
			if member(a, "faultcode") != "soapenv:Client" {
				t.Errorf("%.80s got %s", body, a.body)
			}
			o.wellFormed(a)
		}
	})
	t.Run("behind another address the server URL names the one that the org was told", func(t *testing.T) {
		o := aSim(t, simtest.With(func(opts *app.Options) { opts.PublicURL = "https://org.example/" }))
		a := o.want(o.soap("50.0", login(plainLogin, o.sim.Username, app.DefaultPassword)), http.StatusOK)
		if got := member(a, "serverUrl"); !strings.HasPrefix(got, "https://org.example/services/Soap/u/50.0/00D") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("has the versions that the REST API has", func(t *testing.T) {
		envelope := login(plainLogin, o.sim.Username, app.DefaultPassword)
		o.want(o.soap("31.0", envelope), http.StatusOK)
		o.want(o.soap("64", envelope), http.StatusOK)
		o.fault(o.soap("30.0", envelope), "UNSUPPORTED_API_VERSION")
		o.fault(o.soap("69.0", envelope), "UNSUPPORTED_API_VERSION")
	})
	t.Run("login is over from 65.0 on, by the guess; the switch allows it", func(t *testing.T) {
		envelope := login(plainLogin, o.sim.Username, app.DefaultPassword)
		o.want(o.soap("64.0", envelope), http.StatusOK)
		for _, version := range []string{"65.0", "68.0"} {
			o.fault(o.soap(version, envelope), "UNSUPPORTED_API_VERSION")
		}
		o.sim.Move(switches.SOAPLogin, switches.Allowed)
		o.want(o.soap("68.0", envelope), http.StatusOK)
	})
}
