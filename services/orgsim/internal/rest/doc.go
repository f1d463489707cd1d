// Package rest is the wire of the simulated org: the paths, codes and bodies of Salesforce's token endpoint, REST API
// and Bulk API 2.0, as real clients see them.
//
// Start with Server.ServeHTTP: find the route, note the call, ask for faults, check the session, count the call
// against the daily limit, answer. Handlers return an error for every refusal; one place turns errors into bodies.
//
// What always holds: every request under /services is noted in the call log exactly once, whatever becomes of it;
// every answer but those of the token endpoint and the version list carries Sforce-Limit-Info; Accept is ignored;
// leading slashes collapse and one trailing slash is tolerated, while an empty segment inside a path is a 404.
//
// Left to others: jobs (package bulk), rows (package org), queries (package soql), and which faults strike (package
// fault).
package rest
