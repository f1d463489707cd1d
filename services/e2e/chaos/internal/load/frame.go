package load

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
)

// runName is the run that every record belongs to, as the product counts runs.
const runName = "chaos"

// encode makes the message that is sent. ids are the rows' Ids by Ext__c, for records that name rows by them.
func (m *Message) encode(pipeline string, ids map[string]string) (*nats.Msg, error) {
	bodies := make([]string, len(m.Entries))
	for i, e := range m.Entries {
		body, err := named(e.Body, ids)
		if err != nil {
			return nil, fmt.Errorf("message %s, record %d: %w", m.Name, i, err)
		}
		bodies[i] = body
	}
	data, err := compressed([]byte(strings.Join(bodies, "\n")), m.Encoding)
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", m.Name, err)
	}
	out := nats.NewMsg("records." + pipeline)
	out.Data = data
	set := func(name, value string) {
		if value != "" {
			out.Header.Set(name, value)
		}
	}
	set("Bulkhead-Run", runName)
	set("Content-Type", m.Type)
	set("Content-Encoding", m.Encoding)
	set("Nats-Msg-Id", m.MsgID)
	if m.Count > 0 {
		set("Bulkhead-Count", strconv.Itoa(m.Count))
	}
	return out, nil
}

// named puts a row's Id where the body names the row.
func named(body string, ids map[string]string) (string, error) {
	before, rest, found := strings.Cut(body, idMark)
	if !found {
		return body, nil
	}
	name, after, found := strings.Cut(rest, idMark)
	id, known := ids[name]
	if !found || !known {
		return "", fmt.Errorf("no row %q was seeded, so its Id is not known", name)
	}
	return before + id + after, nil
}

func compressed(data []byte, how string) ([]byte, error) {
	var b bytes.Buffer
	switch how {
	case "":
		return data, nil
	case gzipped:
		w := gzip.NewWriter(&b)
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	case zstded:
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("no encoding is called %q", how)
	}
	return b.Bytes(), nil
}
