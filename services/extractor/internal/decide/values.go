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
	// MaxRecords bounds the records merged into one chunk's rows: a flood of versions of a few entities adds no row but grows the manifest.
	MaxRecords = 500_000
)

// KeyKind says where a record's key comes from; it decides what the key is a repeat of.
type KeyKind uint8

// The kinds of key.
const (
	// KeyNamed: members that the definition names, or the publisher's Nats-Msg-Id. The same key and content is a repeat for ever.
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

	KeyKind KeyKind
	Key     string
	KeyHash record.Hash
	Content record.Hash

	// Entity is the external id's text; "" when it is not known, and then HasEntity is false and Lane is record.LaneNone.
	Entity     string
	EntityHash record.Hash
	HasEntity  bool
	Lane       int

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
}

// Known is what a key or an entity stands for already.
type Known struct {
	Content record.Hash
	Place   record.Place
}

// Answers is what the ledger knows of a batch of candidates: hashes that are absent are unknown to it.
type Answers struct {
	// Keys by key hash.
	Keys map[record.Hash]Known
	// Newest by entity hash: the entity's newest record.
	Newest map[record.Hash]Known
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
	Records []Record
	Dead    []Dead
	// Repeats counts records seen before, by run.
	Repeats map[string]int64
	// Marks are the moves of the checkpoint vector, rising by lane.
	Marks []Move

	cut []int // the lanes that were emptied
}

// Empty says whether there is nothing to store.
func (c *Commit) Empty() bool {
	return len(c.Chunks) == 0 && len(c.Dead) == 0 && len(c.Repeats) == 0 && len(c.Marks) == 0
}

// Chunk is a sealed chunk.
type Chunk struct {
	ID      [16]byte
	Lane    int
	Rows    int
	Records int
	// Bytes of the raw CSV with its header.
	Bytes int64
	// FirstSeq is the lowest stream sequence of any record in it.
	FirstSeq uint64
	Trace    string
	Pieces   []Piece
	Manifest []byte
	// Runs counts its records by run.
	Runs map[string]int
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
	// Chunk is the zero value for a refused record, which has no row either.
	Chunk      [16]byte
	Row        int
	Place      record.Place
	Generation int
	Columns    record.Bitmap
}

// Refused says that the record is in no chunk.
func (r *Record) Refused() bool { return r.Chunk == [16]byte{} }

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

// Move is a mark's move. From is what the ledger must still hold.
type Move struct {
	Lane     int
	From, To record.Place
}
