package publish

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

// Field numbers of bulkhead.record.v1.RecordBatch and Record. Frames are written field by field: a record is copied once, and its size is known
// before it is taken.
const (
	batchRecords protowire.Number = 1
	recordBody   protowire.Number = 1
	recordKey    protowire.Number = 2
)

// Record is one event.
type Record struct {
	// Key is its idempotency key: the same key again is a repeat. Empty = the definition names members for it, or the content stands in. Only
	// the format [Batch] carries keys.
	Key string
	// Body is one JSON object. It is copied.
	Body []byte
}

// frame is what is being filled.
type frame struct {
	body    []byte
	records int
}

func (f *frame) reset() { f.body, f.records = f.body[:0], 0 }

// innerSize is the size of a Record message.
func innerSize(r Record) int {
	n := protowire.SizeTag(recordBody) + protowire.SizeBytes(len(r.Body))
	if r.Key != "" {
		n += protowire.SizeTag(recordKey) + protowire.SizeBytes(len(r.Key))
	}
	return n
}

// size is what a record takes in a frame, in bytes.
func (o *options) size(r Record) int {
	if o.format == NDJSON {
		return len(r.Body) + 1
	}
	return protowire.SizeTag(batchRecords) + protowire.SizeBytes(innerSize(r))
}

func (o *options) add(f *frame, r Record) {
	f.records++
	if o.format == NDJSON {
		f.body = append(append(f.body, r.Body...), '\n')
		return
	}
	b := protowire.AppendTag(f.body, batchRecords, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(innerSize(r)))
	b = protowire.AppendTag(b, recordBody, protowire.BytesType)
	b = protowire.AppendBytes(b, r.Body)
	if r.Key != "" {
		b = protowire.AppendTag(b, recordKey, protowire.BytesType)
		b = protowire.AppendString(b, r.Key)
	}
	f.body = b
}

// check refuses what no frame can carry.
func (o *options) check(r Record) error {
	if refusal := record.CheckKey("the key", r.Key); refusal != nil {
		return &RecordError{refusal.Message}
	}
	if o.format != NDJSON {
		return nil
	}
	switch {
	case r.Key != "":
		return &RecordError{"newline-delimited JSON carries no keys: publish in the format Batch, or let the definition name the key's members"}
	case len(bytes.TrimSpace(r.Body)) == 0:
		return &RecordError{"an empty line is no record"}
	case bytes.ContainsAny(r.Body, "\n"):
		return &RecordError{"the body holds a line end: publish in the format Batch, or write the JSON on one line"}
	}
	return nil
}

// sealed is a frame on its way; it never changes any more.
type sealed struct {
	n       uint64
	records int
	msg     *nats.Msg
	since   time.Time // its first sending
	sends   int
}

// seal makes the message of a frame. id names the frame, and only this sending of it by this publisher: an id made from the content would let
// the broker take two equal frames, which are two events, for one.
func (o *options) seal(f *frame, n uint64, subject, id string, limit int) (*sealed, error) {
	msg := nats.NewMsg(subject)
	contentType := bus.TypeProtobuf
	if o.format == NDJSON {
		contentType = bus.TypeNDJSON
	}
	msg.Header.Set(bus.HeaderContentType, contentType)
	msg.Header.Set(bus.HeaderCount, strconv.Itoa(f.records))
	msg.Header.Set(nats.MsgIdHdr, id)
	if o.run != "" {
		msg.Header.Set(bus.HeaderRun, o.run)
	}
	if o.eventTime != nil {
		if at := o.eventTime(); !at.IsZero() {
			msg.Header.Set(bus.HeaderEventTime, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if o.trace != nil {
		if parent := o.trace(); parent != "" {
			msg.Header.Set(bus.HeaderTraceparent, parent)
		}
	}
	body, err := o.compress(f.body)
	if err != nil {
		return nil, fmt.Errorf("compress a frame: %w", err)
	}
	if o.encoding != Plain && len(body) < min(len(f.body), limit) {
		msg.Header.Set(bus.HeaderContentEncoding, string(o.encoding))
		msg.Data = body
	} else {
		msg.Data = bytes.Clone(f.body) // what does not become smaller travels as it is
	}
	return &sealed{n: n, records: f.records, msg: msg}, nil
}

func (o *options) compress(body []byte) ([]byte, error) {
	switch o.encoding {
	case Gzip:
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	case Zstd:
		return o.zstd.EncodeAll(body, nil), nil
	case Plain:
	}
	return nil, nil
}
