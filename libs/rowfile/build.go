package rowfile

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ParseRow takes a row that [AppendRow] wrote, with its line feed, apart.
func ParseRow(line []byte, columns int) ([]string, error) {
	var c cutter
	c.begin(line)
	n, err := c.next()
	switch {
	case err != nil:
		return nil, err
	case n != columns || !c.spent():
		return nil, fmt.Errorf("%w: %d cells, want %d in one row", ErrMalformed, n, columns)
	}
	return c.texts(make([]string, 0, columns), columns), nil
}

// ManifestWriter writes the manifest of a chunk as its rows come, without making anything of them in between: what it writes reads as what
// [EncodeManifest] writes. Begin each row by [ManifestWriter.Row], then add its records, the oldest first.
type ManifestWriter struct {
	raw  []byte // complete rows, those that are not compressed yet
	size int    // about as many bytes as all will have
	out  *stream
	row  []byte // records of the row that was begun
	item []byte // the record that is being added

	pipeline string
	runs     []string
	received []byte
	rows     uint32 // that came together, at the time at
	at       int64
	begun    bool
}

// manifestAhead is the size from which rows of a manifest are compressed before it ends: one of a large chunk is never in memory as it is.
const manifestAhead = 1 << 20

// NewManifestWriter begins a manifest of about so many bytes.
func NewManifestWriter(size int) *ManifestWriter {
	return &ManifestWriter{raw: make([]byte, 0, min(size, manifestAhead+manifestAhead/8)), size: size}
}

// Pipeline names the pipeline whose records come: records that say their content instead of a key need it.
func (w *ManifestWriter) Pipeline(name string) { w.pipeline = name }

// ManifestRecord is an entry of a manifest; see bulkhead.flow.v1.ManifestEntry.
type ManifestRecord struct {
	Key        []byte
	KeyHash    *[16]byte
	Content    *[16]byte // of a key that [record.BodyKey] makes of it and the place: in place of Key and KeyHash
	Seq        uint64
	Idx        uint32
	Run        uint32 // as Run returned it
	Columns    []byte
	Generation uint32
	Attempts   uint32
	FailureID  int64
	LetterID   []byte // 16 bytes or none
	AcceptedAt int64  // microseconds since 1970
	Ambiguous  bool
	Version    []byte
}

// Run is the index of a new run. Each name is given once.
func (w *ManifestWriter) Run(name string) uint32 {
	w.runs = append(w.runs, name)
	return uint32(len(w.runs) - 1)
}

// Row begins the next row, which has been on its way since a time in microseconds since 1970; 0 = it is not known.
func (w *ManifestWriter) Row(received int64) {
	w.end()
	w.begun = true
	if w.rows > 0 && w.at != received {
		w.together()
	}
	w.at = received
	w.rows++
}

// end completes the row that was begun.
func (w *ManifestWriter) end() {
	if !w.begun {
		return
	}
	w.raw = protowire.AppendTag(w.raw, manifestRows, protowire.BytesType)
	w.raw = protowire.AppendBytes(w.raw, w.row)
	w.row = w.row[:0]
	if len(w.raw) >= manifestAhead {
		if w.out == nil {
			w.out = newStream(w.size)
		}
		w.out.write(w.raw)
		w.raw = w.raw[:0]
	}
}

// together notes the rows that came together.
func (w *ManifestWriter) together() {
	item := appendUint(w.item[:0], receivedRows, uint64(w.rows))
	item = appendUint(item, receivedAt, uint64(w.at))
	w.received = protowire.AppendTag(w.received, manifestTimes, protowire.BytesType)
	w.received = protowire.AppendBytes(w.received, item)
	w.item, w.rows = item, 0
}

// Record adds a record to the row that was begun.
func (w *ManifestWriter) Record(r *ManifestRecord) {
	b := w.item[:0]
	if r.Content != nil {
		b = appendText(b, entryContent, r.Content[:])
	} else {
		b = appendText(b, entryKey, r.Key)
		b = appendText(b, entryKeyHash, r.KeyHash[:])
	}
	b = appendUint(b, entrySeq, r.Seq)
	b = appendUint(b, entryIdx, uint64(r.Idx))
	b = appendUint(b, entryRun, uint64(r.Run))
	b = appendText(b, entryColumns, r.Columns)
	b = appendUint(b, entryGeneration, uint64(r.Generation))
	b = appendUint(b, entryAttempts, uint64(r.Attempts))
	b = appendUint(b, entryFailureID, uint64(r.FailureID))
	b = appendText(b, entryLetterID, r.LetterID)
	b = appendUint(b, entryAcceptedAt, uint64(r.AcceptedAt))
	if r.Ambiguous {
		b = appendUint(b, entryAmbiguous, 1)
	}
	b = appendText(b, entryVersion, r.Version)
	w.item = b
	w.row = protowire.AppendTag(w.row, rowRecords, protowire.BytesType)
	w.row = protowire.AppendBytes(w.row, b)
}

// Encode ends the manifest and returns it in the form in which it is stored. Rows come before the runs that they point at: readers know no order of fields.
func (w *ManifestWriter) Encode() []byte {
	w.end()
	w.begun = false
	if w.rows > 0 {
		w.together()
	}
	for _, name := range w.runs {
		w.raw = protowire.AppendTag(w.raw, manifestRuns, protowire.BytesType)
		w.raw = protowire.AppendString(w.raw, name)
	}
	w.raw = append(w.raw, w.received...)
	w.raw = appendText(w.raw, manifestPipeline, []byte(w.pipeline))
	if w.out == nil {
		return compress(w.raw)
	}
	w.out.write(w.raw)
	return w.out.end()
}

// appendUint and appendText leave out what is zero, as proto3 does.
func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendText(b []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}
