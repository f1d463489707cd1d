package layout

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	_ "bulkhead/proto/gen/bulkhead/record/v1" // registers its messages
)

// asyncAPI is docs/asyncapi.yaml, as far as the tests look at it.
type asyncAPI struct {
	Version  string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address    string                    `yaml:"address"`
		Parameters map[string]map[string]any `yaml:"parameters"`
		Messages   map[string]reference      `yaml:"messages"`
	} `yaml:"channels"`
	Operations map[string]struct {
		Action  string    `yaml:"action"`
		Channel reference `yaml:"channel"`
	} `yaml:"operations"`
	Components struct {
		Traits map[string]struct {
			Headers schema `yaml:"headers"`
		} `yaml:"messageTraits"`
		Messages map[string]struct {
			ContentType string              `yaml:"contentType"`
			Protobuf    string              `yaml:"x-protobuf-message"`
			Fields      map[string][]string `yaml:"x-protobuf-fields"`
			Payload     struct {
				Schema reference `yaml:"schema"`
			} `yaml:"payload"`
		} `yaml:"messages"`
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

type reference struct {
	To string `yaml:"$ref"`
}

// schema is a JSON schema, as far as the tests look at it.
type schema struct {
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
	Enum       []string          `yaml:"enum"`
	MaxLength  int               `yaml:"maxLength"`
	About      string            `yaml:"description"`
}

func messages(t *testing.T) (page asyncAPI, text []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	return page, text
}

func alike(t *testing.T, what string, page, inCode []string) {
	t.Helper()
	page, inCode = slices.Sorted(slices.Values(page)), slices.Sorted(slices.Values(inCode))
	if !slices.Equal(page, inCode) {
		t.Errorf("%s differ:\n  docs/asyncapi.yaml: %v\n  code:               %v", what, page, inCode)
	}
}

func letterClasses() []string {
	return append(strs(record.Classes()), string(record.ClassUnresolved))
}

func TestMessagesAreWrittenDown(t *testing.T) {
	page, _ := messages(t)
	if page.Version != "3.0.0" {
		t.Errorf("it is a page of AsyncAPI %q", page.Version)
	}
	t.Run("subjects are those of the code, and each has an operation", func(t *testing.T) {
		var subjects, used []string
		for _, c := range page.Channels {
			subjects = append(subjects, c.Address)
		}
		want := []string{bus.RecordsSubject("{pipeline}"), bus.DLQSubject("{pipeline}", "{class}")}
		for _, fact := range bus.Facts() {
			want = append(want, bus.FlowSubject("{pipeline}", fact))
		}
		alike(t, "subjects", subjects, want)
		for _, o := range page.Operations {
			used = append(used, strings.TrimPrefix(o.Channel.To, "#/channels/"))
		}
		alike(t, "channels of operations", used, slices.Collect(maps.Keys(page.Channels)))
	})
	t.Run("each message stands in one channel", func(t *testing.T) {
		var used []string
		for _, c := range page.Channels {
			for _, m := range c.Messages {
				used = append(used, strings.TrimPrefix(m.To, "#/components/messages/"))
			}
		}
		alike(t, "messages of channels", used, slices.Collect(maps.Keys(page.Components.Messages)))
	})
	t.Run("classes, codes and stages of letters", func(t *testing.T) {
		letter := page.Components.Schemas["deadLetter"].Properties
		alike(t, "classes", letter["class"].Enum, letterClasses())
		var classes []string
		words, _ := page.Channels["deadLetters"].Parameters["class"]["enum"].([]any)
		for _, w := range words {
			classes = append(classes, w.(string)) //nolint:forcetypeassert // a list of words
		}
		alike(t, "classes of the subject", classes, letterClasses())
		alike(t, "stages", letter["stage"].Enum, []string{record.StageExtract, record.StageReconcile, record.StageRetry})
		_, list, _ := strings.Cut(letter["code"].About, "one of ")
		alike(t, "codes", strings.Split(strings.TrimSuffix(strings.Join(strings.Fields(list), " "), "."), ", "), record.RefusalCodes())
	})
	t.Run("headers, content types and bounds of records", func(t *testing.T) {
		headers := page.Components.Traits["recordHeaders"].Headers.Properties
		alike(t, "headers", slices.Collect(maps.Keys(headers)), []string{
			bus.HeaderContentType, bus.HeaderContentEncoding, nats.MsgIdHdr, bus.HeaderRun, bus.HeaderEventTime, bus.HeaderCount, bus.HeaderTraceparent,
		})
		alike(t, "encodings", headers[bus.HeaderContentEncoding].Enum, []string{bus.EncodingGzip, bus.EncodingZstd})
		alike(t, "content types", headers[bus.HeaderContentType].Enum, []string{bus.TypeJSON, bus.TypeNDJSON, bus.TypeProtobuf})
		var types []string
		for _, m := range page.Channels["records"].Messages {
			types = append(types, page.Components.Messages[strings.TrimPrefix(m.To, "#/components/messages/")].ContentType)
		}
		alike(t, "content types of messages", types, []string{bus.TypeJSON, bus.TypeNDJSON, bus.TypeProtobuf})
		if headers[nats.MsgIdHdr].MaxLength != record.MaxKeyBytes {
			t.Errorf("a key has at most %d characters there, %d bytes in code", headers[nats.MsgIdHdr].MaxLength, record.MaxKeyBytes)
		}
	})
}

func TestMessagesInProtobufHaveTheirMembers(t *testing.T) {
	page, _ := messages(t)
	facts := map[string]bool{}
	for name, m := range page.Components.Messages {
		if m.Protobuf == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			whole, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(m.Protobuf))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(root, "docs", m.Payload.Schema.To)); err != nil || !strings.HasSuffix(m.Payload.Schema.To, whole.ParentFile().Path()) {
				t.Errorf("the schema is %s, %s is in %s (%v)", m.Payload.Schema.To, m.Protobuf, whole.ParentFile().Path(), err)
			}
			if m.ContentType != bus.TypeProtobuf {
				t.Errorf("the content type is %s", m.ContentType)
			}
			for short, fields := range m.Fields {
				d, err := protoregistry.GlobalFiles.FindDescriptorByName(whole.Parent().FullName().Append(protoreflect.Name(short)))
				if err != nil {
					t.Error(err)
					continue
				}
				have := d.(protoreflect.MessageDescriptor).Fields() //nolint:forcetypeassert // the page names messages
				var inCode []string
				for i := range have.Len() {
					f := have.Get(i)
					if f.ContainingOneof() == nil {
						inCode = append(inCode, string(f.Name()))
					} else if slices.Contains(fields, string(f.Name())) {
						inCode = append(inCode, string(f.Name())) // the one fact of this message
						facts[string(f.Name())] = true
						if _, shown := m.Fields[string(f.Message().Name())]; !shown {
							t.Errorf("the fields of %s are not shown", f.Message().Name())
						}
					}
				}
				alike(t, "fields of "+short, fields, inCode)
			}
		})
	}
	alike(t, "facts", slices.Collect(maps.Keys(facts)), bus.Facts())
	if n := (&flowv1.Envelope{}).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields().Len(); n != len(facts) {
		t.Errorf("%d facts are shown, the envelope has %d", len(facts), n)
	}
}

// compile makes a schema of the page ready to validate with.
func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	_, text := messages(t)
	var page any
	if err := yaml.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(whole)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("asyncapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealMessagesFitTheirSchemas(t *testing.T) {
	page, _ := messages(t)
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	letter := bus.DeadLetter{
		ID: "0191d0c4-7c7e-7000-8000-000000000001", Pipeline: "accounts", Revision: 3, Key: "k-1", Generation: 1, Entity: "acc-1",
		Class: string(record.ClassReference), Code: "INVALID_FIELD", Message: "it is not there", Fields: []string{"AccountId"}, Stage: record.StageRetry,
		Payload: []byte(`{"id":"acc-1"}`), Row: map[string]string{"External_Id__c": "acc-1"},
		Attempts: []bus.LetterAttempt{{N: 1, Chunk: "c", JobID: "750000000000001AAA", At: at, Class: "reference", Code: "INVALID_FIELD", Message: "m"}},
		Origin:   bus.LetterOrigin{Stream: bus.RecordsStream("accounts"), Sequence: 7, Index: 2}, Run: "r", Traceparent: "00-1-2-03",
		AcceptedAt: at, DeadAt: at,
	}
	binary, bare, long := letter, letter, letter
	binary.Payload = []byte{0xff, 0x00}
	bare.Row, bare.Attempts, bare.Fields, bare.Traceparent, bare.Stage = nil, nil, nil, "", record.StageExtract
	long.Payload = []byte(strings.Repeat("é", bus.MaxLetterBytes))
	seen := map[string]bool{}
	headers := map[string]bool{}
	for what, l := range map[string]bus.DeadLetter{"with everything": letter, "whose payload is no text": binary, "without a try": bare, "that is cut": long} {
		t.Run("a letter "+what, func(t *testing.T) {
			m, err := bus.DeadLetterMessage(l)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, "deadLetter", m.Body)
			var body map[string]any
			if err := json.Unmarshal(m.Body, &body); err != nil {
				t.Fatal(err)
			}
			for member := range body {
				seen[member] = true
			}
			all := map[string]string{nats.MsgIdHdr: m.MsgID}
			maps.Copy(all, m.Headers)
			text, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, "letterHeaders", text)
			for h := range all {
				headers[h] = true
			}
		})
	}
	alike(t, "members of letters", slices.Collect(maps.Keys(page.Components.Schemas["deadLetter"].Properties)), slices.Collect(maps.Keys(seen)))
	alike(t, "headers of letters", slices.Collect(maps.Keys(page.Components.Schemas["letterHeaders"].Properties)), slices.Collect(maps.Keys(headers)))
	t.Run("a fact's headers", func(t *testing.T) {
		e := bus.NewEnvelope("accounts", 1, &flowv1.ChunkAnswered{Chunk: "c"})
		e.Traceparent = "00-1-2-03"
		m := bus.FlowMessage(e)
		all := append(slices.Collect(maps.Keys(m.Headers)), nats.MsgIdHdr)
		alike(t, "headers of facts", slices.Collect(maps.Keys(page.Components.Schemas["factHeaders"].Properties)), all)
	})
	t.Run("records", func(t *testing.T) {
		valid(t, "record", []byte(`{"id":"acc-1","name":null,"employees":12.50}`))
		for _, bad := range []string{`{}`, `[]`, `"x"`, `null`} {
			if err := validate(t, "record", []byte(bad)); err == nil {
				t.Errorf("%s fits", bad)
			}
		}
	})
}

func validate(t *testing.T, name string, body []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, name).Validate(v)
}

func valid(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := validate(t, name, body); err != nil {
		t.Errorf("%v\n%.500s", err, body)
	}
}
