// Package page shows the simulated org to people: what it holds, what it was sent, and how it behaves, as pages that a
// browser opens at /sim/. Everything that the pages do, the control API does too (package control).
//
// Start with Handler and its routes. Each page is made on the server from a template in html and works without
// scripts; the one script only shows a page again every few seconds.
//
// What always holds: reading changes nothing, and every change is a POST that answers with a redirect, so that going
// back repeats nothing; a form changes only what somebody changed in it; every value is escaped, its invisible characters
// are shown by signs, and a policy lets nothing run but the page's own script; long lists
// come in pages; no token and no secret is shown. That changes come from pages of this site only is checked by package
// control, through which all requests pass.
package page
