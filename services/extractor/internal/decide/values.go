package decide

import (
	"math"
	"time"

	"bulkhead/libs/record"
)

// EndOfFrame as a place's index stands behind every record of its message: the whole message is decided.
const EndOfFrame = math.MaxInt32

// Bounds on what a lane keeps unsealed apart from rows.
const (
	// MaxDead is the number of refused records after which a lane is committed.
	MaxDead = 1_000
	// MaxDeadBytes bounds their payloads, since each is copied into the ledger and into the outbox by one transaction.
	MaxDeadBytes = 16 << 20
	// MaxRecords bounds the records merged into one chunk's rows: a flood of versions of a few entities adds no row but grows the manifest. It lets rows of
	// 170 bytes fill an upload of 100 MB.
	MaxRecords = 600_000
	// MaxSuperseded is the number of records that came behind newer versions after which a lane is committed: they are kept without their bodies.
	MaxSuperseded = 50_000
	// maxWalk bounds how far a late version looks for its place among the records of its row; behind that its lane is sealed first. A flood of
	// versions out of order would take time by its square.
	maxWalk = 4_096
)

// KeyKind says where a record's key comes from; it decides what the key is a repeat of.
type KeyKind uint8

// The kinds of key.
const (
	// KeyNamed: members that the definition names, or what the publisher gives (Nats-Msg-Id, the key in a batch). The same key and content is a
	// repeat until a person gives the record up.
	KeyNamed KeyKind = iota
	// KeyFromBody: made from the content; a repeat only of its entity's newest version.
	KeyFromBody
	// KeyUnknown: refused before a key could be read; made from the place, never a repeat.
	KeyUnknown
)

// Candidate is one record as it was read and mapped, not yet decided.
type Candidate struct {
	Place record.Place
	// Last says that no further record follows in this message.
	Last bool
	// Received is when the broker stored it, in microseconds since 1970; 0 = it is not known.
	Received int64

	KeyKind KeyKind
	// Key and KeyHash may be left out where the key is made from the body: see NameByBody.
	Key     string
	KeyHash record.Hash
	Content record.Hash

	// Entity is the key field's text, or the key where there is no such field; "" when it is not known, and then HasEntity is false and Lane is
	// record.LaneNone.
	Entity     string
	EntityHash record.Hash
	HasEntity  bool
	Lane       int
	// Version says which record of the entity is newer; nil when the definition names no version, or the record does not map.
	Version record.Version
	// Generation is the one that the record opens; 0 = the first. Whoever decides sets it.
	Generation int

	// Run is the load that it belongs to; "" = none.
	Run string
	// Trace is a W3C traceparent; "" = none.
	Trace string

	// Cells is the mapped row, as long as the header; nil when refused.
	Cells []string
	// Named are the places in the header that this record names, rising.
	Named []int
	// Columns is the same over the ordinals of extractor.columns.
	Columns record.Bitmap

	// Refusal is nil when the record maps.
	Refusal *record.Refusal
	// Payload is the record's original bytes. It may point into the message: what keeps it longer copies it.
	Payload []byte

	// Origin is nil but for replays.
	Origin *Origin
}

// NameByBody makes the key of a record that is named by its body, unless it was made before. Most such records never need it but for their row in the ledger.
func (c *Candidate) NameByBody(pipeline string) {
	if c.KeyKind == KeyFromBody && c.Key == "" {
		c.Key = record.BodyKey(c.Content, c.Place)
		c.KeyHash = record.HashKey(pipeline, c.Key)
	}
}

// Origin says what a replayed record was before.
type Origin struct {
	// Generation is the one that the replay opens.
	Generation int
	// LetterID is the letter that is replayed.
	LetterID [16]byte
	// FailureID is reconciler_pub.failures.id that holds its payload; 0 = none.
	FailureID int64
	// AcceptedAt is when the record was accepted, in its first generation.
	AcceptedAt time.Time
	// Ambiguous says that an earlier try may have had an effect that nobody saw.
	Ambiguous bool
}

// Known is what a key or an entity stands for already.
type Known struct {
	Content record.Hash
	Place   record.Place
	// Generation is the last one that the key has; of a key only. Small, since lanes hold one of these for each record.
	Generation int32
	// GivenUp says that a person discarded it or rolled it back: publishing it again is no repeat.
	GivenUp bool
}

// Dated is what an entity stands for, by version.
type Dated struct {
	Known
	Version record.Version
}

// Owner is a record that says something of an entity.
type Owner struct {
	Version record.Version
	KeyHash record.Hash
	Place   record.Place
}

// olderThan orders records of an entity: by version, then by place.
func (o Owner) olderThan(p Owner) bool {
	if c := o.Version.Compare(p.Version); c != 0 {
		return c < 0
	}
	return o.Place.Less(p.Place)
}

// Named is a record that may reach the org, or has, and the columns that it names.
type Named struct {
	Owner
	Columns record.Bitmap // over the ordinals of extractor.columns
}

// Same is a record that may reach the org, or has, and what it says.
type Same struct {
	Owner
	Content record.Hash
}

// EntityVersion names one version of one entity.
type EntityVersion struct {
	Entity record.Hash
	// Version is a [record.Version] as a string, which can be compared.
	Version string
}

// Answers is what the ledger knows of a batch of candidates: hashes that are absent are unknown to it.
type Answers struct {
	// Keys by key hash.
	Keys map[record.Hash]Known
	// Newest by entity hash: the entity's last record in the stream.
	Newest map[record.Hash]Known
	// NewestVersions by entity hash: the record of the entity's newest version, of those that have one.
	NewestVersions map[record.Hash]Dated
	// Newer by entity hash: for each set of columns the newest record of at least the version asked for, without those that can never be sent.
	Newer map[record.Hash][]Named
	// Equal are the records of just this version, without those that can never be sent.
	Equal map[EntityVersion][]Same
}

// Wanted is what an engine has to know of a batch before it is fed. What is empty need not be asked.
type Wanted struct {
	Keys []record.Hash
	// Newest and NewestVersions are entities.
	Newest, NewestVersions []record.Hash
	// Newer are entities with the lowest version of theirs in the batch.
	Newer []EntityVersion
}

// Limits bound a chunk.
type Limits struct {
	// Rows and Bytes are hard upper bounds; Bytes counts the raw CSV with its header. One row alone may exceed neither by a
	// definition that was checked: a record is far smaller than the smallest chunk.
	Rows  int
	Bytes int64
	// Age is how long something may stay unsealed.
	Age time.Duration
}

// Commit is what one transaction stores: effect, progress and what follows.
type Commit struct {
	// At is when it was decided: the acceptance of every record in it.
	At      time.Time
	Chunks  []Chunk
	Records Records
	Dead    []Dead
	// Superseded came behind newer versions that say all they say.
	Superseded []Superseded
	// Repeats counts records seen before, by run.
	Repeats map[string]int64
	// Marks are the moves of the checkpoint vector, rising by lane.
	Marks []Move
	// Follower is the highest sequence of a record in its chunks that may follow another one of its entity, in the stream or in the ledger; 0 = none may.
	Follower uint64

	cut []int // the lanes that were emptied
}

// Empty says whether there is nothing to store.
func (c *Commit) Empty() bool {
	return len(c.Chunks) == 0 && len(c.Dead) == 0 && len(c.Superseded) == 0 && len(c.Repeats) == 0 && len(c.Marks) == 0
}

// Chunk is a sealed chunk.
type Chunk struct {
	ID      [16]byte
	Lane    int
	Rows    int
	Records int
	// Bytes of the raw CSV with its header.
	Bytes int64
	// FirstSeq and LastSeq are the lowest and the highest stream sequence of any record in it.
	FirstSeq, LastSeq uint64
	// Versioned says that a record in it carries a version.
	Versioned bool
	Trace     string
	Pieces    []Piece
	Manifest  []byte
	// Runs counts its records by run, and how many of them are accepted by it.
	Runs map[string]Run
}

// Run is what a chunk has of one run.
type Run struct {
	Records int
	// Accepted are those that the ledger did not count before.
	Accepted int
}

// Piece is a part of a chunk's rows, in order.
type Piece struct {
	Rows int
	Data []byte
}

// Record is the narrow row of one accepted record.
type Record struct {
	KeyHash    record.Hash
	Content    record.Hash
	EntityHash record.Hash
	HasEntity  bool
	// Chunk is the zero value for a record that was refused or superseded, which has no row either.
	Chunk      [16]byte
	Row        int
	Place      record.Place
	Generation int
	// Columns are empty for a record without a row.
	Columns record.Bitmap
	Version record.Version
	// Placed says that the key was made from the body, so that its place leads to it and no index of keys has to.
	Placed bool
}

// Ended says that the record is in no chunk: refused, or superseded.
func (r *Record) Ended() bool { return r.Chunk == [16]byte{} }

// Dead is a refused record: a row of the ledger, and a letter.
type Dead struct {
	LetterID   [16]byte
	Run        string
	Key        string
	KeyHash    record.Hash
	Generation int
	Entity     string
	// Code is one of record's codes of refusal.
	Code    string
	Message string
	Fields  []string
	Payload []byte
	Place   record.Place
	Trace   string
	// AcceptedAt is zero when it is accepted by the commit that holds it.
	AcceptedAt time.Time
}

// Accepted says that the record was not counted before.
func (d *Dead) Accepted() bool { return d.AcceptedAt.IsZero() }

// Superseded is a record that is never sent: newer versions of its entity say all that it says.
type Superseded struct {
	Run        string
	Key        string
	KeyHash    record.Hash
	Generation int
	Entity     string
	Place      record.Place
	Version    record.Version
	// Successor is the newest of those versions.
	Successor Owner
}

// Move is a mark's move. From is what the ledger must still hold.
type Move struct {
	Lane     int
	From, To record.Place
}
