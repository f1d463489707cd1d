// Package rest is the wire of the simulated org: the paths, codes and bodies of Salesforce's token endpoint, SOAP login,
// identity URLs, REST API and Bulk API 2.0, as real clients see them.
//
// Start with Server.ServeHTTP: find the route, note the call, ask for faults, check the session, count the call
// against the daily limit, answer. Handlers return an error for every refusal; one place turns errors into bodies.
// Ways to come in are in token.go, assertion.go and soap.go, what they open in session.go.
//
// What always holds: every request that is not for the control API is noted in the call log exactly once, whatever
// becomes of it, and never with its token; every answer to a caller who is known carries Sforce-Limit-Info, and no other
// does; a session is good until its time is over, it is revoked, or its user is made inactive; Accept is ignored; leading
// slashes collapse and one trailing slash is tolerated, while an empty segment inside a path is a 404.
//
// Left to others: jobs (package bulk), rows and users (package org), queries (package soql), and which faults strike
// (package fault).
package rest
