package switches

// The positions, by the switch that has them. The first of each is the default.
const (
	// EmbeddedNewlines.
	NewlinesSame Position = "same"
	NewlinesAny  Position = "any"
	NewlinesNone Position = "none"
	// UnfinishedResults.
	ResultsRefused    Position = "refused"
	ResultsHeaderOnly Position = "header_only"
	ResultsPartial    Position = "partial"
	// CloseWithoutUpload and HeaderOnly.
	JobFailed   Position = "failed"
	JobComplete Position = "complete"
	// OversizedUpload.
	BulkAPIError    Position = "bulk_api_error"
	ExceededQuota   Position = "exceeded_quota"
	PayloadTooLarge Position = "payload_too_large"
	// UploadNotOpen and OtherState.
	InvalidJobState Position = "invalid_job_state"
	APIError        Position = "api_error"
	// CloseTwice, GzipRequests, BlankIDColumn, SOAPLogin.
	Refused  Position = "refused"
	Accepted Position = "accepted"
	Ignored  Position = "ignored"
	// ResultDelimiter.
	JobDelimiter Position = "job"
	Comma        Position = "comma"
	// ResultLineEnding.
	LF            Position = "lf"
	JobLineEnding Position = "job"
	// RepeatedColumn.
	LastWins Position = "last_wins"
	// OpenTooLong.
	JobAborted Position = "aborted"
	StaysOpen  Position = "stays_open"
	// LockFailures.
	RowErrors Position = "row_errors"
	// UnprocessedCounted.
	NotCounted Position = "not_counted"
	Counted    Position = "counted"
	// SameKeyTwice.
	EveryRow    Position = "every_row"
	AllButFirst Position = "all_but_first"
	// BlankID.
	Inserted Position = "inserted"
	// SOAPLogin.
	RefusedFrom65 Position = "refused_from_65"
	Allowed       Position = "allowed"
	// ParallelKeys.
	Seen  Position = "seen"
	Raced Position = "raced"
)

// All is every switch, in the order of the questions that stand behind them.
var All = []Switch{
	{EmbeddedNewlines, "does a line break inside a quoted value pass?", []Answer{
		{NewlinesSame, "it passes when it equals the job's lineEnding and fails the whole job otherwise"},
		{NewlinesAny, "every one passes"},
		{NewlinesNone, "every one fails the whole job"},
	}},
	{UnfinishedResults, "what does a result file of an unfinished job say?", []Answer{
		{ResultsRefused, "400 INVALIDJOBSTATE"},
		{ResultsHeaderOnly, "200 with the header line alone"},
		{ResultsPartial, "200 with the rows that are known so far"},
	}},
	{CloseWithoutUpload, "how does a job end that was closed without any upload?", []Answer{
		{JobFailed, "Failed, with an errorMessage of InvalidBatch"},
		{JobComplete, "JobComplete with no rows"},
	}},
	{HeaderOnly, "how does a job end whose upload is a header without rows?", []Answer{
		{JobComplete, "JobComplete with no rows"},
		{JobFailed, "Failed, with an errorMessage of InvalidBatch"},
	}},
	{OversizedUpload, "what answers an upload that is too large?", []Answer{
		{BulkAPIError, "400 BULK_API_ERROR"},
		{ExceededQuota, "400 EXCEEDEDQUOTA"},
		{PayloadTooLarge, "413 with an HTML page, as an edge would"},
	}},
	{UploadNotOpen, "which code answers an upload to a job that is not Open?", []Answer{
		{InvalidJobState, "400 INVALIDJOBSTATE"},
		{APIError, "400 API_ERROR"},
	}},
	{CloseTwice, "what answers a second close?", []Answer{
		{Refused, "400 INVALIDJOBSTATE"},
		{Accepted, "200 with the job as it is"},
	}},
	{OtherState, "which code answers a PATCH to a state that nobody may set?", []Answer{
		{InvalidJobState, "400 INVALIDJOBSTATE"},
		{APIError, "400 API_ERROR, an invalid value"},
	}},
	{ResultDelimiter, "which delimiter have result files?", []Answer{
		{JobDelimiter, "the job's own columnDelimiter"},
		{Comma, "always a comma"},
	}},
	{ResultLineEnding, "which line ends have result files?", []Answer{
		{LF, "always LF"},
		{JobLineEnding, "the job's own lineEnding"},
	}},
	{RepeatedColumn, "what happens to an upload that names a column twice?", []Answer{
		{JobFailed, "the job fails with InvalidBatch"},
		{LastWins, "the last of the columns is saved"},
	}},
	{OpenTooLong, "what becomes of a job that is Open for more than 24 hours?", []Answer{
		{JobAborted, "it is Aborted"},
		{StaysOpen, "it stays listed as Open, but takes neither upload nor close"},
	}},
	{LockFailures, "how do rows end that met locks in every try of their batch?", []Answer{
		{RowErrors, "each fails with UNABLE_TO_LOCK_ROW, and the job is JobComplete"},
		{JobFailed, "the job fails with TooManyLockFailure, and they are unprocessed"},
	}},
	{UnprocessedCounted, "does numberRecordsProcessed of a Failed or Aborted job count unprocessed rows?", []Answer{
		{NotCounted, "it counts the rows that were attempted"},
		{Counted, "it counts every row of the upload once processing has begun"},
	}},
	{SameKeyTwice, "which rows fail when a transaction names a key twice?", []Answer{
		{EveryRow, "every row with the key"},
		{AllButFirst, "every row with the key but the first"},
	}},
	{GzipRequests, "may a request body be compressed with gzip?", []Answer{
		{Accepted, "yes"},
		{Refused, "no: 415"},
	}},
	{BlankID, "what does an upsert by Id do with a row whose Id is blank?", []Answer{
		{Inserted, "it inserts the row"},
		{Refused, "the row fails with MISSING_ARGUMENT"},
	}},
	{BlankIDColumn, "what does an insert or upsert do with an Id column that is blank in every row?", []Answer{
		{Ignored, "nothing: it is as if the column were not there"},
		{Refused, "the job fails with InvalidBatch"},
	}},
	{SOAPLogin, "does SOAP login still work on versions from 65.0 on?", []Answer{
		{RefusedFrom65, "no, only below"},
		{Allowed, "yes"},
	}},
	{ParallelKeys, "does an upsert see what another batch of its job inserts at the same time?", []Answer{
		{Seen, "yes: it updates that row"},
		{Raced, "no: the row fails with DUPLICATE_VALUE where the key is unique, and is inserted a second time where it is not"},
	}},
}
