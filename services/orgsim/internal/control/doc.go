// Package control is the way in which tests and operators talk to the simulator about the org: what it holds, what it
// was sent, and how it shall behave. It is HTTP with JSON under /sim/, needs no session, is not counted as API calls
// and is never hit by faults.
//
//	GET    /sim/                          this list, who the org is, and its time
//	GET    /sim/counts[?digest=1]         per object: rows, how many of them were seeded, a digest of their content
//	GET    /sim/records/{object}          all rows as newline-delimited JSON; ?after=ID&limit=N for pages, ?versions=all
//	                                      for their history, ?deleted=1 for deleted ones too
//	                                      ?field=F&value=V for those that hold V in F (compared exactly, "" = nothing)
//	GET    /sim/records/{object}/{key}    one row by external id, unique field or Id, with every version that it ever had
//	GET    /sim/groups/{object}           how many live rows hold the same values, as newline-delimited JSON;
//	                                      ?fields=A,B to compare these only
//	GET    /sim/calls                     requests it was sent; ?since=N&endpoint=E&job=ID&done=1&limit=N, and ?wait=5s to
//	                                      wait for the first that fits
//	GET    /sim/jobs                      every job there was, deleted ones too
//	GET    /sim/jobs/{id}                 one job; ?wait=finished|closed|uploaded|STATE[&timeout=30s] waits for that
//	GET    /sim/jobs/{id}/upload          the CSV that it was sent, byte for byte
//	GET    /sim/jobs/{id}/rows            the truth about each of its rows as newline-delimited JSON
//	POST   /sim/seed                      {"object":"Account","records":[{"Name":"…"}]}: rows that were always there
//	GET    /sim/faults                    the fault rules with their hits
//	POST   /sim/faults                    a list of rules, or one rule, to add (see package fault)
//	DELETE /sim/faults[?id=…]             removes some or all
//	GET    /sim/settings                  the settings in force
//	POST   /sim/settings                  changes the named ones (see package settings)
//	GET    /sim/switches                  the open questions about real orgs, with their positions (see package switches)
//	POST   /sim/switches                  {"same_key_twice":"all_but_first"} moves the named ones
//	POST   /sim/clock                     {"advance":"25h"} moves the org's time
//	POST   /sim/tokens/expire             ends every session
//	POST   /sim/reset                     an empty org with its first settings; sessions live on
//
// Refusals are {"error":"…"} with 400, 404 or 422. What always holds: reading changes nothing; a wait ends at its
// timeout (at most two minutes) with what is known then.
package control
