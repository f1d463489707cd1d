// Package trial makes one measured run: it starts the parts, has records published, waits until the last one has landed, and says what that took.
//
// What always holds:
//   - The clock runs from the first publish to the moment at which the ledger says that all have landed. Until the org holds as many rows as were
//     published only the org is asked; the ledger is asked after that, by a connection of our own whose backend's CPU is taken off PostgreSQL's.
//   - Nothing is measured before PostgreSQL and the broker have said themselves that what they acknowledge is on disk.
//   - A run counts only with its verdict: the balance of ops says accepted = landed = what was published and zero for every other term, nothing is
//     unread, nothing was a repeat; the org holds exactly so many rows, has saved each once and refused as many as its rules wanted, and a sample of
//     them says what was published.
//   - CPU of services, broker, PostgreSQL and simulator is what their processes used between the same two moments; what they go on to use in the
//     three seconds after it is told beside it. The publisher's is all that it used, from its start to its end.
//   - Memory is each part's peak since it was started. All services are one process, so that the sum at one moment and the sum of peaks are the
//     same; PostgreSQL's is the largest sum of proportional shares that was seen, looked at once a second.
//   - A run that makes no progress for a while ends with the balance in its error; nothing waits for ever.
package trial
