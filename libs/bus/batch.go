package bus

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/libs/record"
)

// Fields of bulkhead.record.v1.RecordBatch and its Record.
const (
	fieldRecords = 1
	fieldBody    = 1
	fieldKey     = 2
)

var errBatchEnd = errors.New("it ends too early")

// readBatch takes a RecordBatch apart. It reads the wire form itself: bodies share the memory of data, and a body of a megabyte that claims
// half a million records costs nothing. Fields that are not known are an error, since what a newer publisher says with them would be lost.
func readBatch(data []byte, some *some) ([]RawRecord, int, error) {
	out := make([]RawRecord, 0, some.atMost(aboutHowMany(data)))
	count := 0
	for rest := data; len(rest) > 0; count++ {
		number, value, n, err := lengthField(rest)
		if err != nil {
			return nil, 0, err
		}
		if number != fieldRecords {
			return nil, 0, fmt.Errorf("the batch has the field %d, which is not known here", number)
		}
		rest = rest[n:]
		if count == MaxFrameRecords {
			return nil, 0, fmt.Errorf("it has more than %d records: publish smaller frames", MaxFrameRecords)
		}
		if !some.next(uint32(count)) {
			continue
		}
		r, err := readRecord(value)
		if err != nil {
			return nil, 0, fmt.Errorf("record %d: %w", count, err)
		}
		r.Idx = uint32(count)
		out = append(out, r)
	}
	return out, count, nil
}

// aboutHowMany guesses the records of a batch by the size of its first one, so that the list of them need not grow.
func aboutHowMany(data []byte) int {
	_, _, size, err := lengthField(data)
	if err != nil {
		return 0
	}
	guess := len(data) / size
	return min(guess+guess/16+1, MaxFrameRecords)
}

func readRecord(data []byte) (RawRecord, error) {
	var (
		r    RawRecord
		key  []byte
		seen [fieldKey + 1]bool
	)
	for rest := data; len(rest) > 0; {
		number, value, n, err := lengthField(rest)
		switch {
		case err != nil:
			return r, err
		case number > fieldKey:
			return r, fmt.Errorf("the field %d is not known here", number)
		case seen[number]:
			return r, fmt.Errorf("the field %d stands twice", number)
		}
		seen[number] = true
		if number == fieldBody {
			r.Body = value
		} else {
			key = value
		}
		rest = rest[n:]
	}
	if refusal := checkBatchKey(key); refusal != nil {
		refusal.Content = record.HashRaw(r.Body)
		r.Refusal = refusal
		return r, nil //nolint:nilerr // the key refuses this record only, not the batch
	}
	r.Key = string(key)
	return r, nil
}

// checkBatchKey looks at no more of a key than it must: a long one is refused without being copied.
func checkBatchKey(key []byte) *Refusal {
	const what = "the key of the record in the batch"
	if len(key) > record.MaxKeyBytes {
		return &Refusal{Code: record.CodeTooLarge, Message: fmt.Sprintf("%s has %d bytes, at most %d are allowed", what, len(key), record.MaxKeyBytes)}
	}
	if !utf8.Valid(key) {
		return &Refusal{Code: record.CodeBadUTF8, Message: what + " is not valid UTF-8"}
	}
	return record.CheckKey(what, string(key))
}

// lengthField reads one field, which must be a text, bytes or a message: nothing else stands in a batch. n is its whole length.
func lengthField(data []byte) (number protowire.Number, value []byte, n int, err error) {
	if value, n = shortField(data); n > 0 {
		return protowire.Number(data[0] >> 3), value, n, nil
	}
	number, kind, tag := protowire.ConsumeTag(data)
	if tag < 0 {
		return 0, nil, 0, batchError(tag)
	}
	if kind != protowire.BytesType {
		return 0, nil, 0, fmt.Errorf("the field %d is of another type than here", number)
	}
	value, length := protowire.ConsumeBytes(data[tag:])
	if length < 0 {
		return 0, nil, 0, batchError(length)
	}
	return number, value, tag + length, nil
}

// shortField is lengthField for what nearly every field is: a number of one byte, and a length of one or two; 0 = it is not so.
func shortField(data []byte) (value []byte, n int) {
	const more = 0x80 // another byte follows
	if len(data) < 3 || data[0] >= more || data[0]>>3 == 0 || protowire.Type(data[0]&7) != protowire.BytesType {
		return nil, 0
	}
	size, from := int(data[1]), 2
	if size >= more {
		if data[2] >= more {
			return nil, 0
		}
		size, from = size-more+int(data[2])<<7, 3
	}
	if size > len(data)-from {
		return nil, 0
	}
	return data[from : from+size : from+size], from + size
}

func batchError(code int) error {
	if errors.Is(protowire.ParseError(code), io.ErrUnexpectedEOF) {
		return errBatchEnd
	}
	return errors.New("it is no protobuf")
}
