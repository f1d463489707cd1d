package simtest

import (
	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// The control API's words, for callers.
type (
	Fault    = fault.Rule     // a fault rule; see package fault for every member
	Match    = fault.Match    // what a fault applies to
	Where    = fault.Where    // which rows a fault applies to
	Effect   = fault.Effect   // what a fault does
	Kind     = fault.Kind     // what sort of fault an effect is
	Profile  = fault.Profile  // how rough the faults of a seed are
	Endpoint = fault.Endpoint // a sort of request
	Call     = calls.Call     // a request that the org was sent
	Saved    = calls.Saved    // what a call of collections did to each of its rows
	Job      = bulk.View      // a job as the org knows it
	Row      = bulk.RowView   // the truth about one uploaded row
	Record   = org.Record     // a row of the org with its history
	Count    = org.Count      // the rows of an object
	Group    = org.Group      // how many rows hold the same values
	Duration = settings.Duration
	Switch   = switches.Name     // an open question about real orgs
	Position = switches.Position // an answer to it
)

// Endpoints, for faults and for choosing calls.
const (
	Token       = fault.Token
	SOAP        = fault.SOAP
	Identity    = fault.Identity
	Versions    = fault.Versions
	Limits      = fault.Limits
	Describe    = fault.Describe
	Query       = fault.Query
	Records     = fault.Records
	Collections = fault.Collections
	Composite   = fault.Composite
	Create      = fault.Create
	Upload      = fault.Upload
	Close       = fault.Close
	Abort       = fault.Abort
	Info        = fault.Info
	List        = fault.List
	Remove      = fault.Remove
	Successful  = fault.Successful
	FailedRows  = fault.FailedRows
	Unprocessed = fault.Unprocessed

	QueryResults = fault.QueryResults
	ResultPages  = fault.ResultPages
)

// Kinds of effect; package fault says what each does.
const (
	Status       = fault.Status
	Latency      = fault.Latency
	DropBefore   = fault.DropBefore
	DropMid      = fault.DropMid
	DropAfter    = fault.DropAfter
	HalfReply    = fault.HalfReply
	Truncate     = fault.Truncate
	Slow         = fault.Slow
	ExpireToken  = fault.ExpireToken
	OrgDown      = fault.OrgDown
	Quota        = fault.Quota
	WrongType    = fault.WrongType
	GzipGarbage  = fault.GzipGarbage
	GzipBomb     = fault.GzipBomb
	RowError     = fault.RowError
	LockStorm    = fault.LockStorm
	JobStall     = fault.JobStall
	JobAbort     = fault.JobAbort
	JobFail      = fault.JobFail
	JobVanish    = fault.JobVanish
	JobBackwards = fault.JobBackwards
	BatchTimeout = fault.BatchTimeout
	LoseRows     = fault.LoseRows
	DoubleRows   = fault.DoubleRows
	RewriteRows  = fault.RewriteRows
	ForeignRows  = fault.ForeignRows
)

// The profiles of Draw.
const (
	Calm  = fault.Calm
	Rough = fault.Rough
	Awful = fault.Awful
)

// The limits that a Quota fault can use up.
const (
	QuotaDaily   = fault.QuotaDaily
	QuotaLongTxn = fault.QuotaLongTxn
	QuotaJobs    = fault.QuotaJobs
)

// LockError is the error text of a row that met a lock; a retry heals it.
const LockError = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001000000000001:--"
