// Package submit carries sealed chunks to Salesforce, each once: it claims a submission, makes a job, uploads, binds and closes it, and hands
// the job to the poller.
//
// What always holds:
//   - The protocol is the function [Step], and nothing else decides what comes next: the runner carries out the actions that Step names, and
//     the tests explore the same function exhaustively, with crashes, lost replies and takeovers anywhere.
//   - The only step that touches the org's data is the close. Before it, one fenced write has bound the submission to one job id, and
//     job_bound has been published and acknowledged. No other job is ever closed for that submission.
//   - Before the bind everything may be left behind and done again. From the bind on the job is adopted by whoever comes, never replaced. All
//     gates (lane, order of the stream, pause, age of the job) are passed before the bind.
//   - A job takes one upload. An upload without a clean answer is never repeated: the job is left, a new one is made.
//   - A small chunk of a keyed operation goes by calls of sObject Collections, which touch the org's data at once. Each is written down before it is made,
//     with a deadline behind which nothing of it is sent any more; while it may land nobody takes the submission up. Rows whose call got no answer have
//     not failed: they are called for again. The first call passes all gates and takes the lane.
//   - A resend or replay holds its lane before it asks what newer versions cover ([Supersede]), and so does every update or delete that names its
//     rows by another field than Id before it asks the org for their ids; the answer is stored once with the hash of what is really uploaded, and
//     the upload is checked against it. A row that the org has not, or more than once, is not sent: it is named unsent, with class and code.
//   - A fresh chunk whose records carry versions is checked under its lane too: a newer version may have been sent before it, by a replay or from
//     a part of the stream that was read again. Only what has been sent counts for it.
//   - Where another pipeline of the same entity space names versions too, its records are asked for in the same way and told field by field; of
//     equal versions neither is newer. Nobody asks for them before the lane is held: two pipelines are read by two readers, so that no earlier
//     answer would stay true.
//   - An insert is never left out for a newer version: each of its records is a row of its own.
//   - A bound job that our user may neither look at nor abort (another user made it) pauses the pipeline, and waits; no other takes its place.
//   - No call goes to another Salesforce org than the one that the ledger knows by the org's name: the pipeline pauses instead (ORG_CHANGED).
//   - A request that fails for a reason which is not the chunk's is tried again for ever, with growing waits, and counts against no record.
//     The waits are rows: a worker never sleeps with a lease.
//   - A lane is freed by the outcome row of its chunk, never by a fact. A resend that is not bound and whose pipeline is paused gives it to
//     other pipelines that wait for it, and begins anew when the pause is lifted.
//   - A replay goes after the fresh chunks of its lane that were sealed before it, other resends before fresh chunks.
//
// What it leaves to others: watching the job (poller), what became of its rows (reconciler), when to send again (retrier). An Open job
// that nobody is bound to is an orphan: reported or aborted by [Orphans], as the org's configuration says.
//
// Start reading at [Step], then [Runner.Drive]. Windows and their recovery are the business of the tests: step_test.go, protocol_test.go and
// calls_model_test.go (the models) and the runner's tests against the simulator.
package submit
