package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Marshaler is the JSON of the API: members in snake_case as in the .proto files, every number a JSON number (protobuf's own JSON
// writes 64-bit ones as strings), zero values present, times in RFC 3339, an absent time null. It reads protobuf's JSON, numbers
// in either spelling, and refuses members that it does not know.
type Marshaler struct{}

var _ runtime.Marshaler = Marshaler{}

// ContentType is always JSON.
func (Marshaler) ContentType(any) string { return "application/json" }

// Marshal writes a message of the API; anything else as encoding/json does.
func (Marshaler) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return json.Marshal(v)
	}
	var b bytes.Buffer
	if err := writeMessage(&b, m.ProtoReflect()); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// Unmarshal reads a message of the API.
func (Marshaler) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return json.Unmarshal(data, v)
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		// The library varies its white space on purpose; ours is to be relied on.
		text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
		return fmt.Errorf("request body: %s", strings.TrimPrefix(text, "proto: "))
	}
	return nil
}

// NewDecoder reads one message from r, at most maxBody bytes.
func (m Marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(io.LimitReader(r, maxBody+1))
		if err != nil {
			return err
		}
		if len(data) > maxBody {
			return fmt.Errorf("request body is larger than %d bytes", maxBody)
		}
		if len(bytes.TrimSpace(data)) == 0 {
			return io.EOF
		}
		return m.Unmarshal(data, v)
	})
}

// NewEncoder writes messages to w.
func (m Marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := m.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}

func writeMessage(b *bytes.Buffer, m protoreflect.Message) error {
	if t, ok := m.Interface().(*timestamppb.Timestamp); ok {
		return writeString(b, t.AsTime().UTC().Format(time.RFC3339Nano))
	}
	b.WriteByte('{')
	fields := m.Descriptor().Fields()
	first := true
	for i := range fields.Len() {
		f := fields.Get(i)
		if (f.HasOptionalKeyword() || f.ContainingOneof() != nil) && !m.Has(f) {
			continue // not said is not zero
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		if err := writeString(b, string(f.Name())); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeField(b, m, f); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeField(b *bytes.Buffer, m protoreflect.Message, f protoreflect.FieldDescriptor) error {
	switch {
	case f.IsMap():
		return writeMap(b, m.Get(f).Map(), f)
	case f.IsList():
		list := m.Get(f).List()
		b.WriteByte('[')
		for i := range list.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeValue(b, f, list.Get(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case f.Message() != nil && !m.Has(f):
		b.WriteString("null")
		return nil
	}
	return writeValue(b, f, m.Get(f))
}

// writeMap writes members sorted by key: the same message is the same text.
func writeMap(b *bytes.Buffer, entries protoreflect.Map, f protoreflect.FieldDescriptor) error {
	var keys []string
	values := map[string]protoreflect.Value{}
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		keys = append(keys, k.String())
		values[k.String()] = v
		return true
	})
	slices.Sort(keys)
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeString(b, k); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeValue(b, f.MapValue(), values[k]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeValue(b *bytes.Buffer, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch f.Kind() {
	case protoreflect.BoolKind:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if n := v.Float(); math.IsNaN(n) || math.IsInf(n, 0) {
			b.WriteString("null") // JSON has no other word for it
			return nil
		}
		text, err := json.Marshal(v.Float())
		if err != nil {
			return err
		}
		b.Write(text)
	case protoreflect.StringKind:
		return writeString(b, v.String())
	case protoreflect.BytesKind:
		return writeString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return writeString(b, string(e.Name()))
		}
		b.WriteString(strconv.Itoa(int(v.Enum())))
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return writeMessage(b, v.Message())
	}
	return nil
}

// writeString leaves <, > and & as they are: payloads are read by people and machines, not put into a page as they stand.
func writeString(b *bytes.Buffer, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("text of %d bytes is no UTF-8", len(s))
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return nil
}
