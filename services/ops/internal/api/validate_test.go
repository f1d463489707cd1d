package api

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// TestNoTextThatCannotBeStoredPasses sets each text field of each request, those of messages in it too, one by one.
func TestNoTextThatCannotBeStoredPasses(t *testing.T) {
	const nul, broken = "a\x00b", "a\xffb"
	tried := map[string]bool{}
	// try sets the text fields below m, which is root or in it, and has root checked for each.
	var try func(t *testing.T, root, m protoreflect.Message, at string)
	try = func(t *testing.T, root, m protoreflect.Message, at string) {
		t.Helper()
		for i := range m.Descriptor().Fields().Len() {
			f := m.Descriptor().Fields().Get(i)
			name := at + string(f.Name())
			set := func(text string) { m.Set(f, protoreflect.ValueOfString(text)) }
			switch {
			case f.IsMap():
				t.Fatalf("%s is a map, which this test does not fill", name)
			case f.Kind() == protoreflect.MessageKind && !f.IsList():
				try(t, root, m.Mutable(f).Message(), name+".")
				m.Clear(f)
				continue
			case f.Kind() != protoreflect.StringKind:
				continue
			case f.IsList():
				name += "[1]"
				set = func(text string) {
					m.Clear(f)
					list := m.Mutable(f).List()
					for _, s := range []string{"fine", text, text} {
						list.Append(protoreflect.ValueOfString(s))
					}
				}
			}
			for text, word := range map[string]string{nul: name + " holds the character U+0000", broken: name + " is no UTF-8"} {
				set(text)
				err := check(root.Interface())
				if status.Code(err) != codes.InvalidArgument || strings.Count(err.Error(), word) != 1 || strings.Contains(err.Error(), "[2]") {
					t.Errorf("%s %q: %v, want %q", name, text, err, word)
				}
			}
			set("fine")
			if err := check(root.Interface()); err != nil && (strings.Contains(err.Error(), "U+0000") || strings.Contains(err.Error(), "UTF-8")) {
				t.Errorf("%s: %v", name, err)
			}
			m.Clear(f)
			tried[string(root.Descriptor().Name())+" "+name] = true
		}
	}
	methods := opsv1.File_bulkhead_ops_v1_ops_proto.Services().ByName("OpsService").Methods()
	for i := range methods.Len() {
		input := methods.Get(i).Input()
		t.Run(string(input.Name())+" is refused by the name of its field", func(t *testing.T) {
			kind, err := protoregistry.GlobalTypes.FindMessageByName(input.FullName())
			if err != nil {
				t.Fatal(err)
			}
			root := kind.New()
			try(t, root, root, "")
		})
	}
	for _, name := range []string{"ReplayDeadLettersRequest filter.code", "ReplayDeadLettersRequest ids[1]", "ResumePipelineRequest reason", "ListRecordsRequest entity"} {
		if !tried[name] {
			t.Errorf("%s was not tried", name)
		}
	}
}
