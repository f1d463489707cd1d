// Package poll watches submitted jobs until Salesforce says that they have ended, with as few calls as possible.
//
// What always holds:
//   - A watch ends in one of two ways only: Salesforce names a final state (finished), or it answers 404 three times in a row over
//     gone.wait while the org is proven to be the one that the job was made in, by the id that submitter_pub.orgs holds (gone). No timer,
//     no number of errors and no stall ever ends a watch.
//   - A look is one GET. It changes nothing at Salesforce, so a crash, a repeat or two pollers at once cost a call and no more.
//   - What a look found is stored by a fenced write (state, epoch and owner of the claim), together with the fact job_finished when
//     the watch ends. A late owner's write hits no row and it stops.
//   - The number of looks at a job grows with the logarithm of how long it runs, not with the time itself (see [Pace]).
//
// Three layers: [Judge] decides from values alone; [Poller.Pass] claims what is due, asks Salesforce and stores; the loop in package app
// calls the pass when something is due. Watches come from submitter_pub.submissions: a fact job_submitted only says where to look, and
// the sweep looks everywhere.
//
// What it leaves to others: reading results (reconciler), and asking a person about a job that stands still (the log and a metric say so).
//
// Start reading at [Judge].
package poll
