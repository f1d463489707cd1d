package rest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
)

const (
	soapType = "text/xml; charset=UTF-8"
	// soapEnd is the first version without SOAP login, by the better guess.
	soapEnd = 65
	// soapDepth bounds how deep a request may be nested; the deepest member that is looked at is at 4.
	soapDepth = 16

	soapOpen = `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"` +
		` xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	soapClose = `</soapenv:Body></soapenv:Envelope>`
)

// soapRequest is what is looked at in an envelope: elements by their local names, whatever their prefixes.
type soapRequest struct {
	operation string
	username  string
	password  string
	sessionID string // of the header
}

// soapError is a fault. A code of "Client" is one of the envelope itself; every other is one of Salesforce's.
type soapError struct {
	Code    string
	Message string
}

func (e *soapError) Error() string { return e.Code + ": " + e.Message }

// readSOAP reads an envelope. Documents with a DTD are refused, so there are no entities to expand but XML's own.
func readSOAP(body []byte) (soapRequest, error) {
	var req soapRequest
	var path []string
	var text strings.Builder
	dec := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if req.operation == "" {
				return req, &soapError{"Client", "The envelope has no operation in its Body"}
			}
			return req, nil
		}
		if err != nil {
			return req, &soapError{"Client", "The envelope is no XML: " + err.Error()}
		}
		switch tk := token.(type) {
		case xml.Directive:
			return req, &soapError{"Client", "DOCTYPE is not allowed"}
		case xml.StartElement:
			if path = append(path, tk.Name.Local); len(path) > soapDepth {
				return req, &soapError{"Client", "The envelope is nested too deep"}
			}
			if len(path) == 3 && path[0] == "Envelope" && path[1] == "Body" && req.operation == "" {
				req.operation = tk.Name.Local
			}
			text.Reset()
		case xml.CharData:
			text.Write(tk)
		case xml.EndElement:
			switch strings.Join(path, "/") {
			case "Envelope/Body/login/username":
				req.username = strings.TrimSpace(text.String())
			case "Envelope/Body/login/password":
				req.password = text.String()
			case "Envelope/Header/SessionHeader/sessionId":
				req.sessionID = strings.TrimSpace(text.String())
			}
			path = path[:len(path)-1] // the decoder has matched the two ends
			text.Reset()
		}
	}
}

// soap serves the partner API as far as old clients need it for signing in and out.
func (ex *exchange) soap() error {
	req, err := readSOAP(ex.body)
	if err != nil {
		return err
	}
	switch req.operation {
	case "login":
		return ex.soapLogin(req)
	case "logout":
		return ex.soapLogout(req)
	default:
		return &soapError{"Client", "No operation available for request {urn:partner.soap.sforce.com}" + req.operation}
	}
}

func (ex *exchange) soapLogin(req soapRequest) error {
	if ex.route.version >= soapEnd && ex.s.Switches.Get(switches.SOAPLogin) == switches.RefusedFrom65 {
		return &soapError{"UNSUPPORTED_API_VERSION", "login() is not available in API version 65.0 and later; use OAuth"}
	}
	who, known := ex.s.Store.User(req.username)
	if !known || sfid.Valid(req.username) || !who.Active || !equal(req.password, ex.s.Password) {
		return &soapError{"INVALID_LOGIN", "Invalid username, password, security token; or user locked out."}
	}
	// Whose password has run out gets a session that is good for changing it and for nothing else.
	token := ex.newSession(session{user: who.ID, unfit: who.PasswordExpired})
	return ex.xml(http.StatusOK, ex.loginResponse(who, token))
}

// loginResponse has its elements without prefixes, because clients look for them by name alone.
func (ex *exchange) loginResponse(who org.User, token string) string {
	organization := ex.s.Store.Identity().OrgID
	service := ex.baseURL() + "/services/Soap/u/" + versionText(ex.route.version) + "/" + organization[:sfid.Len15]
	expired := "false"
	if who.PasswordExpired {
		expired = "true"
	}
	var b strings.Builder
	b.WriteString("<loginResponse><result>")
	for _, e := range [][2]string{
		{"metadataServerUrl", service},
		{"passwordExpired", expired},
		{"sandbox", "false"},
		{"serverUrl", service},
		{"sessionId", token},
		{"userId", who.ID},
	} {
		element(&b, e[0], e[1])
	}
	b.WriteString("<userInfo>")
	for _, e := range [][2]string{
		{"organizationId", organization},
		{"organizationName", "Bulkhead simulated org"},
		{"userFullName", who.Name},
		{"userId", who.ID},
		{"userLanguage", "en_US"},
		{"userLocale", "en_US"},
		{"userName", who.Username},
		{"userTimeZone", "Etc/UTC"},
		{"userType", "Standard"},
	} {
		element(&b, e[0], e[1])
	}
	b.WriteString("</userInfo></result></loginResponse>")
	return b.String()
}

func (ex *exchange) soapLogout(req soapRequest) error {
	if _, ok := ex.s.tokens.find(req.sessionID, ex.s.Clock.Now()); !ok {
		return &soapError{"INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session"}
	}
	ex.s.tokens.remove(req.sessionID)
	return ex.xml(http.StatusOK, "<logoutResponse/>")
}

func element(b *strings.Builder, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a Builder takes everything
	b.WriteString("</" + name + ">")
}

// soapFault answers with a fault: its text for those who read that, the exception of Salesforce for the others.
func (ex *exchange) soapFault(status int, e *soapError) {
	var b strings.Builder
	b.WriteString("<soapenv:Fault>")
	if e.Code == "Client" {
		element(&b, "faultcode", "soapenv:Client")
		element(&b, "faultstring", e.Message)
	} else {
		kind := "UnexpectedErrorFault"
		if e.Code == "INVALID_LOGIN" {
			kind = "LoginFault"
		}
		element(&b, "faultcode", "sf:"+e.Code)
		element(&b, "faultstring", e.Code+": "+e.Message)
		b.WriteString(`<detail><sf:` + kind + ` xsi:type="sf:` + kind + `">`)
		element(&b, "sf:exceptionCode", e.Code)
		element(&b, "sf:exceptionMessage", e.Message)
		b.WriteString("</sf:" + kind + "></detail>")
	}
	b.WriteString("</soapenv:Fault>")
	_ = ex.xml(status, b.String())
}

// xml answers with the body of an envelope.
func (ex *exchange) xml(status int, body string) error {
	ex.w.Header().Set("Content-Type", soapType)
	ex.w.Header().Set("Cache-Control", "no-store")
	ex.w.WriteHeader(status)
	_, _ = io.WriteString(ex.w, soapOpen+body+soapClose) // a caller that went away needs no answer
	return nil
}
