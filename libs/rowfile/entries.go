package rowfile

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Manifest is a manifest as it lies in memory unpacked, its rows taken apart only where they are asked for: of a large chunk nearly all land, and of
// those nobody needs more than the run. It holds the bytes and four more per row, a tenth of what [DecodeManifest] makes of them.
// It is safe for concurrent use.
type Manifest struct {
	raw  []byte
	runs []string
	name string   // of the pipeline
	rows []uint32 // where the message of each row begins in raw, length first

	received []*flowv1.ManifestReceived
}

// Field numbers of the messages; a test compares them with the generated code.
const (
	manifestRuns     = 1
	manifestRows     = 2
	manifestTimes    = 3
	manifestPipeline = 4
	rowRecords       = 1
	entryKey         = 1
	entryKeyHash     = 2
	entryRun         = 5
	entryLetterID    = 10

	entrySeq        = 3
	entryIdx        = 4
	entryColumns    = 6
	entryGeneration = 7
	entryAttempts   = 8
	entryFailureID  = 9
	entryAcceptedAt = 11
	entryAmbiguous  = 12
	entryVersion    = 13
	entryContent    = 14

	receivedRows = 1
	receivedAt   = 2
)

// ReadManifest unpacks a stored manifest. It refuses what [DecodeManifest] refuses.
func ReadManifest(data []byte) (*Manifest, error) {
	raw, err := decompress(nil, data, MaxManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m := &Manifest{raw: raw}
	if err := m.find(); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", ErrMalformed, err)
	}
	for i := range m.rows {
		if err := m.check(i); err != nil {
			return nil, fmt.Errorf("manifest row %d: %w: %w", i, ErrMalformed, err)
		}
	}
	return m, nil
}

// Len is the number of rows.
func (m *Manifest) Len() int { return len(m.rows) }

// Runs are the names of the runs that records point at by index.
func (m *Manifest) Runs() []string { return m.runs }

// Row takes a row apart, by its number from 0.
func (m *Manifest) Row(row int) (*flowv1.ManifestRow, error) {
	out := &flowv1.ManifestRow{}
	if err := proto.Unmarshal(m.message(row), out); err != nil {
		return nil, fmt.Errorf("manifest row %d: %w: %w", row, ErrMalformed, err)
	}
	restoreKeys(m.name, out)
	return out, nil
}

// EachRun tells for each record of a row which run it belongs to, by index.
func (m *Manifest) EachRun(row int, tell func(run int)) {
	// The message was looked through when the manifest was read: nothing in it is malformed.
	_ = eachField(m.message(row), func(number protowire.Number, kind protowire.Type, value []byte, _ uint64) error {
		if number != rowRecords || kind != protowire.BytesType {
			return nil
		}
		run := uint32(0)
		err := eachField(value, func(number protowire.Number, kind protowire.Type, _ []byte, n uint64) error {
			if number == entryRun && kind == protowire.VarintType {
				run = uint32(n)
			}
			return nil
		})
		tell(int(run))
		return err
	})
}

// message is the message of a row.
func (m *Manifest) message(row int) []byte {
	value, _ := protowire.ConsumeBytes(m.raw[m.rows[row]:])
	return value
}

// find learns where the rows are.
func (m *Manifest) find() error {
	return eachField(m.raw, func(number protowire.Number, kind protowire.Type, value []byte, at uint64) error {
		switch {
		case kind != protowire.BytesType:
		case number == manifestRuns:
			if !utf8.Valid(value) {
				return errNotUTF8
			}
			if len(m.runs) == maxListed {
				return errManyListed
			}
			m.runs = append(m.runs, string(value))
		case number == manifestRows:
			if len(value) < minRow { // or a few bytes could make a list of a billion rows
				return fmt.Errorf("row %d of %d bytes carries no record", len(m.rows), len(value))
			}
			m.rows = append(m.rows, uint32(at))
		case number == manifestTimes:
			if len(m.received) == maxListed {
				return errManyListed
			}
			received, err := readReceived(value)
			if err != nil {
				return err
			}
			m.received = append(m.received, received)
		case number == manifestPipeline:
			if !utf8.Valid(value) {
				return errNotUTF8
			}
			m.name = string(value)
		}
		return nil
	})
}

const (
	// minRow is the length of the shortest message of a row: one record, of which nothing but a hash of sixteen bytes is said.
	minRow = 2 + 2 + 16
	// maxListed bounds the runs, and the times at which rows were received: a chunk has a million rows at most.
	maxListed = 1 << 20
)

var (
	errNotUTF8    = errors.New("a string is not UTF-8")
	errManyListed = fmt.Errorf("it lists more than %d runs or times", maxListed)
)

// check looks through one row.
func (m *Manifest) check(row int) error {
	records := 0
	err := eachField(m.message(row), func(number protowire.Number, kind protowire.Type, value []byte, _ uint64) error {
		if number != rowRecords || kind != protowire.BytesType {
			return nil
		}
		records++
		return m.checkEntry(value)
	})
	if err == nil && records == 0 {
		err = errors.New("it carries no record")
	}
	return err
}

func (m *Manifest) checkEntry(entry []byte) error {
	var content, keyHash, letterID int
	var run uint32
	err := eachField(entry, func(number protowire.Number, kind protowire.Type, value []byte, n uint64) error {
		switch {
		case number == entryKey && kind == protowire.BytesType:
			if !utf8.Valid(value) {
				return errNotUTF8
			}
		case number == entryKeyHash && kind == protowire.BytesType:
			keyHash = len(value)
		case number == entryContent && kind == protowire.BytesType:
			content = len(value)
		case number == entryLetterID && kind == protowire.BytesType:
			letterID = len(value)
		case number == entryRun && kind == protowire.VarintType:
			run = uint32(n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return checkEntry(content, keyHash, letterID, run, len(m.runs))
}

// eachField goes through the fields of a message. Of a field of bytes it tells the value and, as n, where its length stands in the message; of a number
// n is the number.
func eachField(message []byte, tell func(number protowire.Number, kind protowire.Type, value []byte, n uint64) error) error {
	for at := 0; at < len(message); {
		number, kind, size := protowire.ConsumeTag(message[at:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		at += size
		var value []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			n = uint64(at)
			value, size = protowire.ConsumeBytes(message[at:])
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(message[at:])
		default:
			size = protowire.ConsumeFieldValue(number, kind, message[at:])
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := tell(number, kind, value, n); err != nil {
			return err
		}
		at += size
	}
	return nil
}
