package submit

import "bulkhead/libs/fault/planted"

// Action is what a worker does next for the one submission that it has claimed.
type Action uint8

// The actions, in the order of the protocol.
const (
	// Claim takes the submission: lease and a new epoch, which every later write names.
	Claim Action = iota
	// TakeLane takes the lane before anything is created, where something must be asked under it ([Stored.Straight] is false).
	TakeLane
	// Check asks, under the lane, what newer versions cover and which ids the rows have in the org, and stores the answer.
	Check
	// Create makes a job. Whatever job was made before is left behind: an Open job has processed nothing.
	Create
	// SaveCreated writes the job's id into the submission.
	SaveCreated
	// Upload sends the rows, once per job.
	Upload
	// SaveUploaded writes that the job holds everything: rows, bytes and hash.
	SaveUploaded
	// Adopt binds the submission to the job that it was bound to before the ledger was restored to an earlier moment.
	Adopt
	// SaveDoubted writes that rows of the chunk may have been sent by a job that the restored ledger has forgotten: none is sent, and the reconciler looks for them.
	SaveDoubted
	// Bind ties the submission to this one job for ever. It needs the lane and all gates.
	Bind
	// Announce publishes job_bound and waits for the acknowledgement.
	Announce
	// Close asks Salesforce to process the job: the only step that touches the org's data.
	Close
	// Look reads the job's state.
	Look
	// SaveRefused writes that the close was refused for good, before the job is aborted.
	SaveRefused
	// Abort gives up a job whose close was refused.
	Abort
	// SaveSubmitted hands the job to the poller.
	SaveSubmitted
	// SaveSent writes down that a call of collections is about to be made. The first one needs the lane and all gates.
	SaveSent
	// Call makes that call, before its deadline or not at all. It touches the org's data.
	Call
	// SaveAnswer writes down what the call answered, row by row.
	SaveAnswer
	// SaveVoid writes down that the call surely had no effect. A chunk of which nothing else was sent is claimed again.
	SaveVoid
	// SaveRest writes down that what is left of the chunk is not sent: a call was refused for good when others had been made, or too many in a row had no
	// answer.
	SaveRest
	// Park gives the lease back and names a later time; whoever claims then goes on from what is stored.
	Park
	// Stop ends the work without a write: it is done, or somebody else owns the submission now.
	Stop
)

// Stage is a submission's state, as the ledger, the view and the documentation write it.
type Stage string

// The stages of a submission.
const (
	// StageClaimed is noted, maybe claimed, and without a job. Moved on by SaveCreated, to sent by SaveSent or SaveDoubted, to nothing_sent by Check, or to bound
	// by Adopt.
	StageClaimed Stage = "claimed"
	// StageCreated has a job that may still be left behind. Moved on by Bind or Adopt, or to sent by SaveDoubted.
	StageCreated Stage = "created"
	// StageBound belongs to its job for ever. Moved on by SaveSubmitted.
	StageBound Stage = "bound"
	// StageSent is for calls of collections: one is written down as sent before it is made. It holds its lane for ever; every further call is made
	// from here, and it is over when the outcome is there. Moved back by SaveVoid where nothing else was sent. What SaveDoubted has ended is here too, as calls
	// that nobody answered.
	StageSent Stage = "sent"
	// StageSubmitted is the poller's and the reconciler's to finish. Moved on when the chunk's outcome is there.
	StageSubmitted Stage = "submitted"
	// StageReconciled has its outcome; its lane is free.
	StageReconciled Stage = "reconciled"
	// StageNothingSent ended without a row sent: newer versions cover all of it, or the close was refused and nothing processed.
	StageNothingSent Stage = "nothing_sent"
)

// Stages lists the stages in the order of a submission's life.
func Stages() []Stage {
	return []Stage{StageClaimed, StageCreated, StageBound, StageSent, StageSubmitted, StageReconciled, StageNothingSent}
}

// Stored is what the ledger says of a submission at the claim. J is the type of job ids: text in the product.
type Stored[J comparable] struct {
	Stage Stage
	// Job is the job of stages created and later.
	Job J
	// Straight: nothing has to be asked before the upload, and the lane is taken at the bind. So it is with fresh chunks, which go in the order of
	// the stream, unless their rows are named by another field than Id or their records carry versions, which may be older than what was sent.
	Straight bool
	// Checked says that the answer of Check is stored. The lane is held from before it until the chunk is reconciled.
	Checked bool
	// Uploaded says that the job holds the whole upload.
	Uploaded bool
	// Refused says that the job's close was refused for good.
	Refused bool
	// Collects says that the chunk goes by calls of collections and not by a job, if nothing of it has been created.
	Collects bool
	// Forgotten is the job that the chunk was bound to before the ledger was restored to an earlier moment, and that has ended, of an insert; of no meaning
	// unless Adopts. Doubted: a job that the restored ledger has forgotten may have carried rows of the chunk, and they must not be sent blindly.
	Forgotten       J
	Adopts, Doubted bool
	// Answered says that nothing is left to be called for: the rows have their answers. Silent says that enough calls had none.
	Answered, Silent bool
}

// State is all that a worker remembers between two actions. The zero State is a worker that has claimed nothing.
type State[J comparable] struct {
	// Do is the action to carry out now.
	Do Action
	// Job is the job that Do is about; of no meaning before it is created.
	Job J
	// Announced: job_bound was acknowledged in this claim. CloseTried and AbortTried: the call was made in this claim.
	Announced, CloseTried, AbortTried bool
	// Refused: the close, or a call, was refused for good. RefusedSaved: the ledger says so of the close.
	Refused, RefusedSaved bool
	// Collects: it goes by calls of collections. Begun: a call of the chunk was made before the one in hand, or may have been.
	Collects, Begun bool
}

// Kind is what came of an action.
type Kind uint8

// The kinds of events.
const (
	// Broken: it is not known what came of it here (ledger out of reach, told to stop). Somebody will read it from the ledger.
	Broken Kind = iota
	// Claimed: the submission is ours; the event carries what is stored.
	Claimed
	// Done: the write, publish or call is known to have worked. For Create the event carries the job.
	Done
	// Fenced: the write hit no row: there is a newer owner, or somebody was first.
	Fenced
	// Waiting: a gate or the lane does not let it pass now; nothing was written.
	Waiting
	// TooOld: the job is too old to be bound; nothing was written.
	TooOld
	// Covered: no row is left to send, and the ledger says why: newer versions cover it, or the org has no such row.
	Covered
	// Unsure: the call got no clean answer, or a refusal that may pass. It may have had its effect.
	Unsure
	// Refused: the call was refused for good. It had no effect.
	Refused
	// NoEffect: the call surely had no effect, and may be made again later.
	NoEffect
	// More: the write has worked, and rows are left to be called for.
	More
	// SeenOpen, SeenPast and SeenNothing: the job is Open; is past Open; does not exist (404).
	SeenOpen
	SeenPast
	SeenNothing
)

// Event is what came of the action that was last asked for.
type Event[J comparable] struct {
	Kind Kind
	// Job is set by Done of Create.
	Job J
	// Stored is set by Claimed.
	Stored Stored[J]
}

// Step is the protocol: what a worker does next, given what came of what it did. It is pure and total: an event that its action cannot
// have stops the worker, which is always safe, since whoever claims next goes on from what the ledger holds.
func Step[J comparable](s State[J], e Event[J]) State[J] {
	if e.Kind == Fenced || e.Kind == Broken {
		return stop[J]()
	}
	if late, ok := savesLate(s, e); ok {
		return late
	}
	switch s.Do {
	case Claim:
		if e.Kind == Claimed {
			return resume(e.Stored)
		}
	case TakeLane:
		switch e.Kind {
		case Done:
			s.Do = Check
			return s
		case Waiting, Unsure:
			return park(s)
		}
	case Check:
		switch e.Kind {
		case Done:
			s.Do = Create
			if s.Collects {
				s.Do = SaveSent
			}
			return s
		case Covered:
			return stop[J]()
		case Unsure, Refused:
			return park(s)
		}
	case Create:
		switch e.Kind {
		case Done:
			return State[J]{Do: SaveCreated, Job: e.Job}
		case Unsure, Refused:
			// A job that was made all the same is an orphan, and harmless; looking for it would be a guess.
			return park(s)
		}
	case SaveCreated:
		return onDone(s, e, Upload)
	case Upload:
		switch e.Kind {
		case Done:
			s.Do = SaveUploaded
			return s
		case Unsure, Refused:
			// A job takes one upload. What it holds now cannot be asked, so it is left behind: the next claim finds created without an
			// upload and makes a new job.
			return park(s)
		}
	case SaveUploaded:
		return onDone(s, e, Bind)
	case Adopt:
		switch e.Kind {
		case Done:
			s.Do = Look
			return s
		case Waiting:
			return park(s)
		}
	case SaveDoubted:
		if e.Kind == Waiting || e.Kind == Unsure {
			return park(s)
		}
	case Bind:
		switch e.Kind {
		case Unsure:
			return park(s)
		case Done:
			s.Do = Announce
			return s
		case Waiting:
			return park(s)
		case TooOld:
			var none J
			return State[J]{Do: Create, Job: none}
		}
	case Announce:
		switch e.Kind {
		case Done:
			s.Announced = true
			s.Do = Close
			return s
		case Unsure:
			return park(s)
		}
	case Close:
		s.CloseTried = true
		switch e.Kind {
		case Done:
			s.Do = SaveSubmitted
			return s
		case Unsure:
			if planted.On(planted.NewJobAfterLostClose) {
				return State[J]{Do: Create}
			}
			s.Do = Look
			return s
		case Refused:
			// The refusal may only mean that an earlier close got through: the job's state decides.
			s.Refused = true
			s.Do = Look
			return s
		}
	case Look:
		return afterLook(s, e)
	case SaveRefused:
		s.RefusedSaved = true
		return onDone(s, e, Abort)
	case Abort:
		s.AbortTried = true
		switch e.Kind {
		case Done:
			if planted.On(planted.TakeoverAborts) && !s.Refused {
				return State[J]{Do: Create}
			}
			s.Do = SaveSubmitted
			return s
		case Unsure, Refused:
			s.Do = Look
			return s
		}
	case SaveSent, Call, SaveAnswer, SaveVoid, SaveRest:
		return afterCall(s, e)
	}
	return stop[J]()
}

// afterCall is the part of the protocol for calls of collections. They touch the org's data at once, so each is written down first, with the time until
// which it may land. Where no answer comes the worker lets go: nobody claims the submission before that time is over, and then the same rows are called for
// again. They are keyed, so the second call does nothing that the first has not done.
func afterCall[J comparable](s State[J], e Event[J]) State[J] {
	switch s.Do {
	case SaveSent:
		switch e.Kind {
		case Done:
			s.Do = Call
			return s
		case Waiting, Unsure, Refused:
			return park(s) // a gate, or the org cannot be reached: nothing was written
		}
	case Call:
		switch e.Kind {
		case Done:
			s.Do = SaveAnswer
			return s
		case Unsure:
			return park(s)
		case NoEffect:
			s.Do = SaveVoid
			return s
		case Refused:
			s.Do, s.Refused = SaveVoid, true
			if s.Begun {
				s.Do = SaveRest
			}
			return s
		}
	case SaveAnswer:
		switch e.Kind {
		case Done:
			return stop[J]()
		case More:
			s.Do, s.Begun = SaveSent, true
			return s
		}
	case SaveVoid:
		switch {
		case e.Kind != Done:
		case s.Refused: // by a job, each row has its own refusal
			return State[J]{Do: Create}
		default:
			return park(s)
		}
	case SaveRest:
		if e.Kind == Done {
			return stop[J]()
		}
	}
	return stop[J]()
}

// resume is where a worker goes on after a claim. Before the bind everything may be left behind and done again; from the bind on the job
// is adopted, never replaced and never aborted for being somebody else's.
//
// In a ledger that was restored to an earlier moment a chunk may have gone further than is stored: see [Runner.Recover].
func resume[J comparable](stored Stored[J]) State[J] {
	if again, ok := afterRestore(stored); ok {
		return again
	}
	switch stored.Stage {
	case StageClaimed:
		s := State[J]{Do: TakeLane, Collects: stored.Collects}
		switch {
		case (stored.Straight || stored.Checked) && stored.Collects:
			s.Do = SaveSent
		case stored.Straight || stored.Checked:
			s.Do = Create
		case planted.On(planted.StaleCheckOutsideTheLane):
			s.Do = Check
		}
		return s
	case StageCreated:
		if stored.Uploaded {
			return State[J]{Do: Bind, Job: stored.Job}
		}
		if planted.On(planted.UploadTwice) {
			return State[J]{Do: Upload, Job: stored.Job}
		}
		return State[J]{Do: Create}
	case StageBound:
		if planted.On(planted.TakeoverAborts) && !stored.Refused {
			return State[J]{Do: Abort, Job: stored.Job}
		}
		return State[J]{Do: Look, Job: stored.Job, Refused: stored.Refused, RefusedSaved: stored.Refused}
	case StageSent:
		switch {
		case stored.Answered:
		case stored.Silent:
			return State[J]{Do: SaveRest, Collects: true, Begun: true}
		default:
			return State[J]{Do: SaveSent, Collects: true, Begun: true}
		}
	}
	return stop[J]()
}

// afterRestore is where a worker goes on with a chunk that is bound to no job here and was, or may have been, sent before the ledger was restored.
func afterRestore[J comparable](stored Stored[J]) (State[J], bool) {
	unbound := stored.Stage == StageClaimed || stored.Stage == StageCreated
	switch {
	case unbound && stored.Adopts:
		return State[J]{Do: Adopt, Job: stored.Forgotten}, true
	case (unbound || stored.Stage == StageSent && !stored.Answered) && stored.Doubted && !planted.On(planted.DoubtedRowsSentAgain):
		return State[J]{Do: SaveDoubted}, true
	}
	return State[J]{}, false
}

// afterLook decides by the state of the bound job.
func afterLook[J comparable](s State[J], e Event[J]) State[J] {
	switch e.Kind {
	case SeenPast, SeenNothing:
		if planted.On(planted.SendAgainOn404) && e.Kind == SeenNothing {
			return State[J]{Do: Create}
		}
		// Not found proves nothing yet: the poller confirms it, and the rows are never sent again because of one 404.
		s.Do = SaveSubmitted
		return s
	case SeenOpen:
		switch {
		case s.Refused && !s.RefusedSaved:
			s.Do = SaveRefused
		case s.Refused && !s.AbortTried:
			s.Do = Abort
		case s.Refused || s.CloseTried:
			return park(s) // the call does not get through now
		case s.Announced:
			s.Do = Close
		default:
			s.Do = Announce
		}
		return s
	case Unsure:
		return park(s)
	}
	return stop[J]()
}

func onDone[J comparable](s State[J], e Event[J], next Action) State[J] {
	if e.Kind != Done {
		return stop[J]()
	}
	s.Do = next
	return s
}

func park[J comparable](s State[J]) State[J] { return State[J]{Do: Park, Job: s.Job} }

func stop[J comparable]() State[J] { return State[J]{Do: Stop} }
