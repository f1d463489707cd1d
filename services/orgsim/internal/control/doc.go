// Package control is the way in which tests and operators talk to the simulator about the org: what it holds, what it
// was sent, and how it shall behave. It is HTTP with JSON under /sim/, needs no session, is not counted as API calls
// and is never hit by faults. For browsers it is a set of pages (package page).
//
// Start with routes, the list of everything it can be asked, which GET /sim/ shows too; docs/guides/simulator.md
// explains it to those who test with the simulator.
//
// Refusals are {"error":"…"} with 400, 403, 404, 409, 410 or 422. What always holds: reading changes nothing; a wait ends at
// its timeout (at most two minutes) with what is known then; a browser cannot be made to send anything by a page of
// another site, nor to read anything by a name of that site which leads here; no token is ever shown, but the refresh
// tokens that were asked for here.
package control
