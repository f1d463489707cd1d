// Package circuit keeps an org that does not answer, or has no calls left today, from being called again and again: one circuit per org, which all services
// and instances share through the ledger.
//
// What always holds:
//
//   - A call is made while the circuit is closed. It opens when calls fail without an answer (no connection, a time-out, a page or a refusal of the edge: 420,
//     429, 502, 503, 504) or because the daily limit of calls is used up, as many in a row of one process as [Policy] says. Any other answer of the org's
//     API, a refusal too, proves that it answers.
//   - While it is open nobody calls before its time, and then one call is made, whichever comes first; all others wait for what comes of it. An
//     answer closes the circuit for everybody, a failure makes the next wait longer. A call that tells nothing hands the right to try to the next; one that
//     never ends lets another try after [Policy.Probe].
//   - What was under way when the circuit opened, or before it was last closed, does not make a wait longer. It may close it.
//   - A closed circuit costs a process one small question to the ledger in [Policy.Look] while it calls, and nothing per call. Others hear of an opening
//     that much later at most.
//   - All times are the ledger's clock.
//   - A ledger that does not answer lets calls through. A row that is lost, or never written, costs a call or two: no rule about records rests on the
//     circuit, so its changes have no fault points.
//
// Each service that calls orgs (submitter, poller, reconciler) has a table circuits in its own schema, and publishes it as a view. The rows of an org are one
// circuit: open while the newest failed_at of all is later than the newest closed_at of all, with the latest next_call_at of the open ones. Changes
// of one org's circuit are made one at a time, under a lock of the ledger that all services share.
//
// Calls of ops that a person waits for (looks at an object before a definition is stored, and at rows before a record is resolved) pass no circuit.
//
// Start reading at state.go, which decides, then circuit.go.
package circuit
