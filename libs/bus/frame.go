package bus

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/record"
)

// Headers that upstream may set.
const (
	HeaderContentType     = "Content-Type"
	HeaderContentEncoding = "Content-Encoding"
	HeaderRun             = "Bulkhead-Run"
	HeaderEventTime       = "Bulkhead-Event-Time"
	HeaderCount           = "Bulkhead-Count"
	HeaderTraceparent     = "traceparent"
)

// Content types of a message on a records subject. None means one record.
const (
	TypeJSON     = "application/json"
	TypeNDJSON   = "application/x-ndjson"
	TypeProtobuf = "application/x-protobuf"
)

// Bounds of a frame.
const (
	MaxFrameBytes   = 900 << 10
	MaxFrameRecords = 10_000
)

const maxRunLength = 64

// Refusal says why a message cannot be taken apart.
type Refusal = record.Refusal

// RawRecord is one record of a message, its bytes as published.
type RawRecord struct {
	// Idx is its place in the frame, from 0.
	Idx  uint32
	Body []byte
	// Key is the idempotency key that the message itself gives; "" = it gives none (in a frame Nats-Msg-Id names the frame, never a record).
	Key string
	// Refusal says why this record of the frame is refused whatever its body says: the key that a batch gives it can be none. nil = it is not.
	Refusal *Refusal
}

// DecodeFrame takes a message of a RECORDS stream apart: a single record, a frame of newline-delimited JSON, whose empty lines are no records, or a
// RecordBatch; each as it is or compressed. What cannot be taken apart counts as one record, whose refusal is the answer. Bodies are not looked
// into; they share the memory of data, or of one buffer of at most [MaxFrameBytes] where data was compressed.
func DecodeFrame(header nats.Header, data []byte) ([]RawRecord, *Refusal) {
	return decodeFrame(header, data, nil)
}

// DecodeSome is [DecodeFrame] for a message that was taken apart before, when some of its records are wanted again: it answers those of these places, in
// their order, and does not look into the others. Places are sorted.
func DecodeSome(header nats.Header, data []byte, places []uint32) ([]RawRecord, *Refusal) {
	return decodeFrame(header, data, &some{left: places})
}

// some are the places of the records that are wanted; nil = all are.
type some struct{ left []uint32 }

// next says whether the record of this place is wanted. It is asked place by place.
func (s *some) next(place uint32) bool {
	if s == nil {
		return true
	}
	wanted := false
	for len(s.left) > 0 && s.left[0] <= place {
		wanted, s.left = wanted || s.left[0] == place, s.left[1:]
	}
	return wanted
}

// atMost is how many records are wanted of so many.
func (s *some) atMost(n int) int {
	if s == nil {
		return n
	}
	return len(s.left)
}

func decodeFrame(header nats.Header, data []byte, some *some) ([]RawRecord, *Refusal) {
	if r := checkHeaders(header); r != nil {
		r.Content = record.HashRaw(data)
		return nil, r
	}
	contentType := headerValue(header, HeaderContentType)
	kind := ""
	if contentType != "" {
		parsed, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return nil, unreadable(data, "Content-Type %q cannot be parsed: use %s, %s or %s", cut(contentType), TypeJSON, TypeNDJSON, TypeProtobuf)
		}
		kind = parsed
	}
	if kind != "" && kind != TypeJSON && kind != TypeNDJSON && kind != TypeProtobuf {
		return nil, unreadable(data, "Content-Type %q is not known: use %s, %s or %s", cut(contentType), TypeJSON, TypeNDJSON, TypeProtobuf)
	}
	body, refusal := decode(header, data)
	if refusal != nil {
		return nil, refusal
	}
	if kind == "" || kind == TypeJSON {
		return decodeSingle(header, data, body, some)
	}
	if len(body) > MaxFrameBytes {
		return nil, unreadable(data, "the frame has %d bytes, at most %d are allowed: publish smaller frames", len(body), MaxFrameBytes)
	}
	split := readLines
	if kind == TypeProtobuf {
		split = readBatch
	}
	out, count, err := split(body, some)
	switch {
	case err != nil:
		return nil, unreadable(data, "the frame cannot be taken apart: %v", err)
	case count == 0:
		return nil, unreadable(data, "the frame holds no record")
	}
	if r := checkCount(header, data, count); r != nil {
		return nil, r
	}
	return out, nil
}

func checkHeaders(header nats.Header) *Refusal {
	if run := headerValue(header, HeaderRun); run != "" && !ValidRun(run) {
		return &Refusal{
			Code:    record.CodeFrameUnreadable,
			Message: fmt.Sprintf("header %s %q is no name of a run: 1 to %d of letters, digits, dot, underscore and hyphen", HeaderRun, cut(run), maxRunLength),
		}
	}
	if at := headerValue(header, HeaderEventTime); at != "" {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			return &Refusal{
				Code:    record.CodeFrameUnreadable,
				Message: fmt.Sprintf("header %s %q is no RFC 3339 time such as 2026-01-31T09:30:00Z", HeaderEventTime, cut(at)),
			}
		}
	}
	return nil
}

// decodeSingle takes body, which data holds, as one record.
func decodeSingle(header nats.Header, data, body []byte, some *some) ([]RawRecord, *Refusal) {
	if r := checkCount(header, data, 1); r != nil {
		return nil, r
	}
	key := headerValue(header, jetstream.MsgIDHeader)
	if r := record.CheckKey("header "+jetstream.MsgIDHeader, key); r != nil {
		r.Content = record.HashRaw(data)
		return nil, r
	}
	if !some.next(0) {
		return nil, nil
	}
	return []RawRecord{{Body: body, Key: key}}, nil
}

// readLines takes a frame of newline-delimited JSON apart.
func readLines(data []byte, some *some) ([]RawRecord, int, error) {
	out := make([]RawRecord, 0, some.atMost(min(bytes.Count(data, []byte{'\n'})+1, MaxFrameRecords)))
	count := 0
	rest := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for len(rest) > 0 {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if count == MaxFrameRecords {
			return nil, 0, fmt.Errorf("it has more than %d records: publish smaller frames", MaxFrameRecords)
		}
		if some.next(uint32(count)) {
			out = append(out, RawRecord{Idx: uint32(count), Body: line})
		}
		count++
	}
	return out, count, nil
}

// checkCount compares with the number of records that the publisher says it sent: a frame cut on its way is not half a frame.
func checkCount(header nats.Header, data []byte, have int) *Refusal {
	said := headerValue(header, HeaderCount)
	if said == "" {
		return nil
	}
	n, err := strconv.ParseUint(said, 10, 31)
	if err != nil {
		return unreadable(data, "header %s %q is no number", HeaderCount, cut(said))
	}
	if int(n) != have {
		return unreadable(data, "header %s says %d records, the message holds %d", HeaderCount, n, have)
	}
	return nil
}

func unreadable(data []byte, format string, args ...any) *Refusal {
	return &Refusal{Code: record.CodeFrameUnreadable, Message: fmt.Sprintf(format, args...), Content: record.HashRaw(data)}
}

// Run is the run that a message names; "" for none. [DecodeFrame] refuses messages with a name that is none.
func Run(header nats.Header) string {
	run := headerValue(header, HeaderRun)
	if !ValidRun(run) {
		return ""
	}
	return run
}

// ValidRun says whether s can name a run: 1 to 64 of [A-Za-z0-9._-].
func ValidRun(s string) bool {
	if s == "" || len(s) > maxRunLength {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}

// Traceparent is the W3C trace context of a message; "" when there is none or it is malformed (a new trace begins).
func Traceparent(header nats.Header) string {
	v := headerValue(header, HeaderTraceparent)
	parts := strings.Split(v, "-")
	if len(v) > 128 || len(parts) < 4 || !isHex(parts[0], 2) || !isHex(parts[1], 32) || !isHex(parts[2], 16) || !isHex(parts[3], 2) {
		return ""
	}
	if parts[0] == "ff" || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" || (parts[0] == "00" && len(parts) != 4) {
		return ""
	}
	return v
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// headerValue finds a header whatever the case of its name: client libraries differ.
func headerValue(header nats.Header, name string) string {
	if v, ok := header[name]; ok && len(v) > 0 {
		return v[0]
	}
	for have, v := range header {
		if len(v) > 0 && strings.EqualFold(have, name) {
			return v[0]
		}
	}
	return ""
}

// cut keeps a text from outside short in messages.
func cut(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
