// Package planted holds bugs that are switched on on purpose, to prove that the project's instruments find them.
//
// Each stands at the place in the product at which it would really be made, as `if planted.On(planted.NoEpoch) { … }`, and does there
// what somebody who did not know better would have written. In a normal build On is a constant false, and the compiler takes the
// bug away with its name. Built with the tag `planted`, the environment variable BULKHEAD_PLANTED names the one bug that is on, and tests
// choose it by Set. A name that is not in the list ends the process: a run of a misspelt bug would say that the instrument is blind.
//
// All lists the bugs with what each does and which promise it breaks. What finds it is for the instruments to say.
package planted

import "fmt"

// Bug names a planted bug. None is no bug.
type Bug string

// The bugs.
const (
	None                         Bug = ""
	AckBeforeCommit              Bug = "ack_before_commit"
	CheckpointIgnored            Bug = "checkpoint_ignored"
	OneSequenceForManyLanes      Bug = "one_sequence_for_many_lanes"
	JobIDStoredAfterClose        Bug = "job_id_stored_after_close"
	NoEpoch                      Bug = "no_epoch"
	NewJobAfterLostClose         Bug = "new_job_after_lost_close"
	UploadTwice                  Bug = "upload_twice"
	SendAgainOn404               Bug = "send_again_on_404"
	TakeoverAborts               Bug = "takeover_aborts"
	ResendOfTheWholeChunk        Bug = "resend_of_the_whole_chunk"
	EndOfFileTakenAsComplete     Bug = "end_of_file_taken_as_complete"
	ResultsOfAbortedJobsIgnored  Bug = "results_of_aborted_jobs_ignored"
	MatchingByPosition           Bug = "matching_by_position"
	StaleCheckOutsideTheLane     Bug = "stale_check_outside_the_lane"
	SupersedeWithoutFields       Bug = "supersede_without_covering_fields"
	ReplayWithoutIdempotencyKey  Bug = "replay_without_an_idempotency_key"
	DeadLetterBeforeCommit       Bug = "dead_letter_before_commit"
	SourcePurgedWhileChunkOpen   Bug = "source_purged_while_a_chunk_is_open"
	OtherContentTakenAsRepeat    Bug = "same_key_with_other_content_taken_as_repeat"
	CheckpointWithoutIncarnation Bug = "checkpoint_without_the_streams_incarnation"
	CallSentLate                 Bug = "call_sent_late"
	RestoredLedgerTakenAsWhole   Bug = "restored_ledger_taken_as_whole"
	DoubtedRowsSentAgain         Bug = "doubted_rows_sent_again"
)

// Description is a bug with what it does.
type Description struct {
	Bug Bug
	// Invariant is the promise that it breaks, as the research on reliability numbers them.
	Invariant string
	// Finding is the word under which a judge of a run reports that, as far as one word can be said beforehand; others may come with it.
	Finding string
	// Does says in one sentence what the product does under it.
	Does string
}

// All describes every bug, in the order in which they are documented.
func All() []Description {
	return []Description{
		{AckBeforeCommit, "I11", "lost", "the extractor moves its marks, which are its acknowledgement of the stream, in a transaction before that of the records, and workers acknowledge facts before they note them"},
		{CheckpointIgnored, "I10", "stale", "a reader that begins again does not ask a lane's mark whether a record is decided already, and decides it anew"},
		{OneSequenceForManyLanes, "I5", "lost", "a commit moves the mark of every lane to the place that was read, also of lanes that hold records which are not sealed"},
		{JobIDStoredAfterClose, "I3", "doubled", "the submitter stores a job's id, and binds it, only after the job was closed"},
		{NoEpoch, "I19", "doubled", "a submitter whose claim was taken over does not notice that its writes hit nothing, and goes on"},
		{NewJobAfterLostClose, "I3", "doubled", "a close without an answer counts as not made: the submitter makes another job of the same rows"},
		{UploadTwice, "I5", "stuck", "an upload without an answer is sent again into the same job, which then cannot be closed"},
		{SendAgainOn404, "I4", "doubled", "a job that Salesforce does not know counts as one that processed nothing: its rows are sent again"},
		{TakeoverAborts, "I3", "doubled", "whoever takes over a bound submission aborts the job that it finds and makes another one of the same rows"},
		{ResendOfTheWholeChunk, "I8", "resent", "when a row of a chunk is to be sent again, all its rows are"},
		{EndOfFileTakenAsComplete, "I20", "resent", "a result file that was cut counts as whole, its rows are not held against the counters, and what it does not tell of is sent again"},
		{ResultsOfAbortedJobsIgnored, "I8", "doubled", "the result files of aborted jobs are not read: all their rows count as never processed"},
		{MatchingByPosition, "I6", "false_success", "the n-th row of the result files counts as the answer to the n-th row that was sent"},
		{StaleCheckOutsideTheLane, "I9", "stale", "a resend asks for newer versions before it holds its lane, so that one may land between the question and the bind"},
		{SupersedeWithoutFields, "I2", "field_lost", "any newer version supersedes a record, also when it does not name all the fields that the record sets"},
		{ReplayWithoutIdempotencyKey, "I13", "doubled", "an order under a key that was used before is carried out again, and only the memory of a process knows which letters it took"},
		{DeadLetterBeforeCommit, "I7", "false_failure", "letters go out for what one read of the result files says, before the outcome is decided and committed"},
		{SourcePurgedWhileChunkOpen, "I15", "field_lost", "messages of RECORDS go as soon as they are sealed, while a chunk that holds them has no outcome"},
		{OtherContentTakenAsRepeat, "I5", "lost", "a record under a key that was used for other content counts as a repeat"},
		{CheckpointWithoutIncarnation, "I14", "lost", "a place in a stream is stored without the stream's incarnation: in a stream that was made again it goes on at the old place"},
		{CallSentLate, "I9", "stale", "a call of collections goes out however late it is: of a process that stood still it lands when others have called for its rows again, and newer versions have landed"},
		{RestoredLedgerTakenAsWhole, "I23", "doubled", "the submitter does not compare job_bound with its ledger: one that was restored sends again what jobs have carried that it has forgotten"},
		{DoubtedRowsSentAgain, "I23", "doubled", "an insert that a forgotten job may have carried is sent again as soon as that job has ended"},
	}
}

// find returns the bug of that name; "" is [None].
func find(name string) (Bug, error) {
	if name == "" {
		return None, nil
	}
	for _, d := range All() {
		if string(d.Bug) == name {
			return d.Bug, nil
		}
	}
	return None, fmt.Errorf("there is no planted bug %q: take a name of planted.All", name)
}
