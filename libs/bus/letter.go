package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"bulkhead/libs/record"
)

// Headers of a dead letter; they repeat what its body says.
const (
	HeaderClass      = "Bulkhead-Class"
	HeaderCode       = "Bulkhead-Code"
	HeaderKey        = "Bulkhead-Key"
	HeaderDeadLetter = "Bulkhead-Dead-Letter"
)

// MaxLetterBytes bounds the body of a dead letter. A larger one leaves out row, then payload is cut; the whole stays in the ledger.
const MaxLetterBytes = 900 << 10

// DeadLetter is a record that waits for a person, as the message on the DLQ stream.
type DeadLetter struct {
	// ID is the letter's UUID, 36 characters: [record.LetterID] of pipeline, key and generation.
	ID         string   `json:"id"`
	Pipeline   string   `json:"pipeline"`
	Revision   int      `json:"revision"`
	Key        string   `json:"key"`
	Generation int      `json:"generation"`
	Entity     string   `json:"entity"`
	Class      string   `json:"class"`
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
	// Stage is one of record's Stage words.
	Stage string `json:"stage"`
	// Payload is the record as published: in JSON the member payload where it is text, else payload_base64.
	Payload []byte `json:"-"`
	// Row is the mapped row by column, as it was sent; nil when there was none.
	Row      map[string]string `json:"row,omitempty"`
	Attempts []LetterAttempt   `json:"attempts"`
	Origin   LetterOrigin      `json:"origin"`
	Run      string            `json:"run"`
	// Traceparent is the W3C trace context that the record came with; "" = none.
	Traceparent string    `json:"traceparent,omitempty"`
	AcceptedAt  time.Time `json:"accepted_at"`
	DeadAt      time.Time `json:"dead_at"`

	// Truncated says that row is left out or payload cut for its size; PayloadSize (bytes) and PayloadSHA256 (hexadecimal) are then those of the whole.
	Truncated     bool   `json:"truncated,omitempty"`
	PayloadSize   int    `json:"payload_size,omitempty"`
	PayloadSHA256 string `json:"payload_sha256,omitempty"`

	binary bool // payload travels as base64 even where it is valid text
}

// LetterAttempt is one try of the record.
type LetterAttempt struct {
	N       int       `json:"n"`
	Chunk   string    `json:"chunk"`
	JobID   string    `json:"job_id"`
	At      time.Time `json:"at"`
	Class   string    `json:"class"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// LetterOrigin is the record's place in the stream that it was published to.
type LetterOrigin struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Index    uint32 `json:"index"`
}

// wireLetter adds the two spellings of the payload.
type wireLetter struct {
	*plainLetter
	Payload       *string `json:"payload,omitempty"`
	PayloadBase64 *string `json:"payload_base64,omitempty"`
}

type plainLetter DeadLetter

// MarshalJSON writes the form of the contract.
func (l DeadLetter) MarshalJSON() ([]byte, error) {
	plain := plainLetter(l)
	if plain.Fields == nil {
		plain.Fields = []string{}
	}
	if plain.Attempts == nil {
		plain.Attempts = []LetterAttempt{}
	}
	wire := wireLetter{plainLetter: &plain}
	if !l.binary && utf8.Valid(l.Payload) {
		text := string(l.Payload)
		wire.Payload = &text
	} else {
		text := base64.StdEncoding.EncodeToString(l.Payload)
		wire.PayloadBase64 = &text
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false) // a person reads it: <, > and & stay what they are
	if err := encoder.Encode(wire); err != nil {
		return nil, fmt.Errorf("dead letter %s: %w", l.ID, err)
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// UnmarshalJSON reads the form of the contract; members that it does not know are ignored.
func (l *DeadLetter) UnmarshalJSON(data []byte) error {
	wire := wireLetter{plainLetter: (*plainLetter)(l)}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	switch {
	case wire.PayloadBase64 != nil:
		payload, err := base64.StdEncoding.DecodeString(*wire.PayloadBase64)
		if err != nil {
			return fmt.Errorf("payload_base64: %w", err)
		}
		l.Payload = payload
	case wire.Payload != nil:
		l.Payload = []byte(*wire.Payload)
	}
	return nil
}

// DeadLetterMessage is the message of a letter, ready for an outbox, at most [MaxLetterBytes] long.
func DeadLetterMessage(l DeadLetter) (Message, error) {
	if err := checkToken("pipeline", l.Pipeline); err != nil {
		return Message{}, fmt.Errorf("dead letter %s: %w", l.ID, err)
	}
	if err := checkToken("class", l.Class); err != nil {
		return Message{}, fmt.Errorf("dead letter %s: %w", l.ID, err)
	}
	body, err := fit(l)
	if err != nil {
		return Message{}, err
	}
	return Message{
		Subject: DLQSubject(l.Pipeline, l.Class),
		MsgID:   l.ID,
		Headers: map[string]string{
			HeaderContentType: TypeJSON,
			HeaderClass:       l.Class,
			HeaderCode:        headerText(l.Code),
			HeaderKey:         headerText(l.Key),
			HeaderDeadLetter:  l.ID,
		},
		Body: body,
	}, nil
}

// fit encodes a letter within its bound: whole, else without row, else with a shorter payload, else with shorter texts.
func fit(l DeadLetter) ([]byte, error) {
	body, err := l.MarshalJSON()
	if err != nil || len(body) <= MaxLetterBytes {
		return body, err
	}
	sum := sha256.Sum256(l.Payload)
	l.Truncated, l.PayloadSize, l.PayloadSHA256, l.Row = true, len(l.Payload), hex.EncodeToString(sum[:]), nil
	if body, err = l.MarshalJSON(); err != nil || len(body) <= MaxLetterBytes {
		return body, err
	}
	whole := l.Payload
	// A part of binary bytes might be valid text: the spelling stays, so that nobody takes it for what was published.
	l.binary = !utf8.Valid(whole)
	l.Payload = nil
	if body, err = l.MarshalJSON(); err != nil {
		return nil, err
	}
	room := MaxLetterBytes - len(body)
	if room <= 0 {
		return fitTexts(l)
	}
	if l.binary {
		l.Payload = whole[:min(len(whole), room/4*3)]
	} else {
		l.Payload = cutEncoded(whole, room)
	}
	return l.MarshalJSON()
}

// cutEncoded shortens a text so that it takes at most room bytes inside a JSON string.
func cutEncoded(text []byte, room int) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		takes := size
		switch {
		case r < ' ' || r == '\u2028' || r == '\u2029':
			takes = len(`\u0000`)
		case r == '"' || r == '\\':
			takes = 2
		}
		if room -= takes; room < 0 {
			return text[:i]
		}
		i += size
	}
	return text
}

// fitTexts is for letters that are too long even without payload: texts of errors, each cut, and as many attempts as a letter can hold.
func fitTexts(l DeadLetter) ([]byte, error) {
	const (
		longest  = 1000
		attempts = 100
		fields   = 200
	)
	l.Message = string(cutText([]byte(l.Message), longest))
	l.Fields = l.Fields[:min(len(l.Fields), fields)]
	tail := l.Attempts[max(0, len(l.Attempts)-attempts):]
	l.Attempts = make([]LetterAttempt, len(tail))
	for i, a := range tail {
		a.Message = string(cutText([]byte(a.Message), longest))
		l.Attempts[i] = a
	}
	body, err := l.MarshalJSON()
	if err == nil && len(body) > MaxLetterBytes {
		err = fmt.Errorf("dead letter %s: %d bytes without its payload, at most %d fit", l.ID, len(body), MaxLetterBytes)
	}
	return body, err
}

// cutText shortens to at most n bytes, never inside a character.
func cutText(b []byte, n int) []byte {
	n = max(n, 0)
	if n >= len(b) {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// ParseDeadLetter reads the body of a DLQ message. It refuses what is no letter: no JSON object, or without id, pipeline, class or stage.
func ParseDeadLetter(body []byte) (DeadLetter, error) {
	var l DeadLetter
	if err := json.Unmarshal(body, &l); err != nil {
		return DeadLetter{}, fmt.Errorf("not a dead letter: %w", err)
	}
	for _, member := range []struct{ name, value string }{
		{"id", l.ID}, {"pipeline", l.Pipeline}, {"class", l.Class}, {"stage", l.Stage},
	} {
		if member.value == "" {
			return DeadLetter{}, fmt.Errorf("not a dead letter: member %s is missing", member.name)
		}
	}
	if class := record.Class(l.Class); !class.Known() && class != record.ClassUnresolved {
		return DeadLetter{}, fmt.Errorf("not a dead letter: class %q is not known", l.Class)
	}
	return l, nil
}
