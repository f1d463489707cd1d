package record

// Class says what must happen next after a failure. It is put on where the failure is known and read in one place.
type Class string

// The classes of failure. The default policy of each (tries, waits) is the retry policy's matter, not this package's.
const (
	// ClassTransient: the same row may land when sent again later.
	ClassTransient Class = "transient"
	// ClassContention: another writer held a lock; sent again later, it may land.
	ClassContention Class = "contention"
	// ClassQuota: a limit of the org is used up; the pipeline waits, the record is not to blame.
	ClassQuota Class = "quota"
	// ClassData: the record's own values are refused; a person corrects it.
	ClassData Class = "data"
	// ClassDuplicate: another row of the org already holds what must be unique.
	ClassDuplicate Class = "duplicate"
	// ClassReference: a row that this one points at is not there (yet).
	ClassReference Class = "reference"
	// ClassPermission: rights or configuration of the org forbid it.
	ClassPermission Class = "permission"
	// ClassCode: the org's own code (trigger, flow) refused it.
	ClassCode Class = "code"
	// ClassAuth: the session or the credentials are not valid.
	ClassAuth Class = "auth"
	// ClassUnclassified: a definite failure whose code is not known.
	ClassUnclassified Class = "unclassified"
)

// ClassUnresolved is the class of letters of unresolved records: whether they landed could not be established, and a person decides. It is a class
// of letters only: no failure has it, and no policy.
const ClassUnresolved Class = "unresolved"
