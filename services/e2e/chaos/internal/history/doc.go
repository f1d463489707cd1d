// Package history is what one chaos run leaves behind in its directory: what was planned, what was published, what was done to the
// parts, what was seen meanwhile, and what the org, the dead-letter stream and the API said in the end. A run is judged from these files
// alone, so that a later, stricter judge can look at an old run again.
//
// It knows nothing of the services: neither their packages nor their database types. Every file is JSON, one value a line where the name
// ends in ndjson; members are only added. Times are milliseconds since the run's start, as floats, from the clock of the instrument.
//
//	plan.json             Plan: everything that the seed decided
//	pipelines.json        []Pipeline: what the records of each pipeline mean
//	run.json              Run: when, on what, how it ended
//	published.ndjson      Publication: each record of each try to publish, with what the broker answered
//	timeline.ndjson       Event: phases, faults, ends and starts of processes, operators' actions
//	samples.ndjson        Sample: balance, marks and counts, several times a second
//	org/records.ndjson    OrgRecord: every row that the org holds or held, with every version
//	org/jobs.ndjson       OrgJob: every job that there was
//	org/rows.ndjson       OrgRow: what became of each uploaded row, as only the org knows, with the cells as they were uploaded
//	org/calls.ndjson      OrgCall: the requests that the org was sent
//	letters.ndjson        Letter: each message that was ever seen on the DLQ stream, by a plain client
//	final.json            Final: the API's answers at rest, and what is left in the DLQ stream
//	landed.ndjson         Landed: the API's export of what landed
//	points.json           Points: crash points that were reached, and at which a process was killed
//	logs/                 what each process wrote
//	verdict.json          Verdict: written by the judge
package history
