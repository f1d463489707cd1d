// Package models holds the exhaustive models of two protocols that belong to no one service: the life of a record's dead letters (ops, retrier,
// extractor and whoever decides), and work under a lease (every service). It has no code of its own; the tests are the models.
//
// What always holds, of these and of the models that stand beside a service's code:
//   - A model has a step for each transaction, each call and each read whose answer somebody keeps, and everything that may happen between two
//     of them: a process falls or is stopped, an answer is lost, a request comes late, a stream is made again. Bounds are budgets; within them
//     every order of steps is visited (package explore).
//   - It finds no harm and no state from which no end can be reached; and for each safeguard that can be taken away it finds the harm that the
//     safeguard is there for. A safeguard whose loss nobody notices is not needed, or its model is blind.
//   - Ordinary tests explore all of the bounds; under the race detector, which finds nothing in one goroutine, smaller ones.
//
// Where the decision is a function of the product, the model calls it; where it is a statement of SQL (an order, a taken letter, a claim), the model says
// what the statement does, and tests on PostgreSQL hold that: the claim's histories are checked as those of one register in package poll.
//
// The models, and what each takes for granted that another one shows:
//
//	submit, one chunk        Step; two workers, crashes, lost and late replies, takeovers  a lane's truth moves only while nobody holds it (lane);
//	                         DecideForgotten; a ledger that is put back to any moment      how watches and outcomes end (poll, account)
//	submit, calls            Step; two calls of a small chunk, a paused twin, late calls   a late write hits no row (leases)
//	submit, one lane         Supersede; versions of one pipeline or of several, resends,   a submission closes one job, once, under the lane (chunk)
//	                         replays, refused closes
//	poll, one watch          Judge; two instances, wrong 404s, another org                 a late write hits no row (leases)
//	account, one outcome     Decide, Reading, Finish; rows that land late or show up late  a late write hits no row (leases)
//	models, replays          one record, three generations, two operators                  a chunk's outcome is its rows' (account)
//	models, leases           two processes, one piece of work                              nothing
//
// Which planted bug (package planted) is found by which model, as which harm; the safeguard's name is the one of the test. Bugs in functions that a
// model calls are also found as they are planted, in a build with their tag (TestTheModelFindsPlantedBugs). The others are the extractor's and
// the streams' own: they are for simulation and chaos.
//
//	ack_before_commit                             -
//	checkpoint_ignored                            -
//	one_sequence_for_many_lanes                   -
//	job_id_stored_after_close                     chunk    duplicate         the job's id stored before the close                  as planted
//	no_epoch                                      chunk    duplicate         the epoch in every write                              as planted
//	                                              lease    write of a former holder   the epoch in every write
//	                                              watch    gone without three in a row   the epoch in every write
//	new_job_after_lost_close                      chunk    duplicate         keeping the bound job after a lost close              as planted
//	upload_twice                                  chunk    stuck             one upload per job                                    as planted
//	send_again_on_404                             chunk    duplicate         handing a 404 to the poller                           as planted
//	takeover_aborts                               chunk    duplicate         never aborting what a predecessor has bound           as planted
//	resend_of_the_whole_chunk                     lane     resent            parting a chunk's rows by their outcome
//	                                              outcome  false_failure                                                           as planted
//	end_of_file_taken_as_complete                 outcome  missing too early, false_failure   downloads that must be whole         as planted
//	results_of_aborted_jobs_ignored               outcome  false_failure     the results of aborted jobs                           as planted
//	                                              lane     doubled           the results of aborted jobs
//	matching_by_position                          lane     false_success     matching rows by what survives Salesforce
//	                                              outcome  false_success                                                           as planted
//	stale_check_outside_the_lane                  lane     stale             holding the lane before newer versions are asked for
//	                                              chunk    stale answer      the lane before the org is asked                      as planted
//	supersede_without_covering_fields             lane     field_lost        covering every field of what is left out              as planted
//	replay_without_an_idempotency_key             replay   order carried out twice   the idempotency key
//	                                              replay   two generations of one letter   a row that says that a letter is taken
//	dead_letter_before_commit                     replay   false_failure     the commit before the letter
//	source_purged_while_a_chunk_is_open           -
//	same_key_with_other_content_taken_as_repeat   -
//	checkpoint_without_the_streams_incarnation    replay   letter deleted    looking at what is deleted
//	                                              replay   stuck             publishing open letters into a stream that is made again
//	call_sent_late                                calls    late landing      the deadline: a paused twin's late call
//	restored_ledger_taken_as_whole                chunk    duplicate         comparing a restored ledger with what was told bound  as planted
//	doubted_rows_sent_again                       chunk    duplicate         doubting rows that a forgotten job may have carried   as planted
//
// What the models take for one step though it is two: deleting a letter's message and looking which stream that met. A process that is killed between the
// two, after the stream was deleted, made again and filled, leaves another letter without its copy in the stream; that letter stays in the ledger and
// in ops' index ("looking behind a deletion which stream it met").
//
// What stands in no model: what several chunks forget together (places in RECORDS, the order of a restored lane), deletes, and versions within one pipeline that come late (the extractor asks for those before
// it seals). In the model of a chunk wrong 404s are fewer than the poller wants in a row: as many of them, over its whole wait, would be believed.
//
// What they leave to others: time that is real, the text of the SQL, the wire.
//
// Start reading at lease_test.go, the smallest; replay_test.go is the other model, replay_protocol_test.go what is asked of it.
package models
