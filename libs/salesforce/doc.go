// Package salesforce is the client of one Salesforce org: login by OAuth (client credentials or JWT bearer), ingest jobs of Bulk API 2.0,
// their result files, SOQL queries and look-ups, describe and limits, and the reading of Salesforce's error codes as classes.
//
// What always holds:
//
//   - Every call is bounded in time (its context and [Timeouts]) and in size (the Max… constants). Redirects are never followed,
//     so the access token reaches no host but the instance URL that the login named and that passed the rules of endpoint.go.
//   - An org is one org: its 18-character id is read at each login and compared with the pin, or else with the first one seen.
//     Another id is an [*OrgMismatchError], and no call is made with that session.
//   - Reading calls (job info, job list, start of a result file, query, look-up, record, describe, objects, limits) and logins are tried again a
//     bounded number of times on 420, 429, 500, 502, 503, 504, unreadable replies and transport errors, with jittered backoff, and on no refusal. A login by key that is
//     refused after the org told a very different time is made once more by that time. Calls that change
//     something (create, upload, close, abort, delete, collections) are sent once: whether and how to go on is the submission protocol's decision. The one
//     exception is a reply 401 INVALID_SESSION_ID, which is given before the request is looked at: after one new login
//     create, close, abort, delete and collections are repeated, the upload is not (its body may have been half sent).
//   - A call of sObject Collections touches the org's data at once, so it has a deadline: what has not gone out whole by then never does
//     ([Client.Collect]), whatever stood still meanwhile.
//   - With a [Circuit] each exchange is made only when it allows it, logins and repetitions too, and it is told what came of each. A call that it holds back
//     waits for a short while (no longer than between two tries), else it is a [*CircuitOpenError]: nothing was sent.
//   - One login serves all callers: who meets a lost session while another logs in takes its result, its refusal too. A 401 that says that
//     the session is not valid for the REST API leads to no login.
//   - [Definite] tells a refusal from an unknown effect. The predicates ([IsNotFound], [IsAuth], [IsQuota], [IsUnreachable]) work on
//     any error that wraps one of this package.
//   - A reply is what it holds and not what its Content-Type says, but a result file must be called text/csv. A reply 206 is none: a part that ends
//     where a row ends would pass for the whole.
//   - A result file counts only when it ends where a record ends: [ResultReader.Next] says io.EOF only then, and [ErrTruncated]
//     or [ErrMalformed] otherwise. Both mean: forget what was read and read the file again from its start.
//   - Replies are asked for as gzip and bounded in size as unpacked; one that does not unpack, or comes in another packing, is an answer that cannot be read.
//   - Access token, client secret, private key and assertion appear in no error, log line or formatted value; neither does SOQL text, which holds keys of
//     records; also when a reply repeats them. Texts from Salesforce appear with control characters escaped and cut to a length.
//
// What it leaves to others: when to call, how often to look, budgets ([Client.Usage] says what the last reply told), what opens a circuit and for how
// long, matching rows, retrying records.
//
// A Client is safe for concurrent use. Start reading at [New], then job.go, results.go and classes.go. Facts about Salesforce
// are from its Bulk API 2.0 Developer Guide (v66.0) and REST API Developer Guide unless a comment says otherwise.
package salesforce
