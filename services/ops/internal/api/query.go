package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// strictQuery refuses a parameter that a verb does not know, as a member of a body is refused: a filter that is misspelt would be no filter at all.
type strictQuery struct{ runtime.DefaultQueryParser }

// refuseUnknownParameters sets the parser, of which the gateway has one in a process, however many doors there are.
var refuseUnknownParameters = sync.OnceFunc(func() { runtime.NewServeMux(runtime.SetQueryParameterParser(&strictQuery{})) })

// Parse implements [runtime.QueryParameterParser].
func (q *strictQuery) Parse(msg proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	takes := msg.ProtoReflect().Descriptor()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !hasField(takes, strings.Split(name, ".")) {
			return fmt.Errorf("unknown query parameter %q: known are %s", name, strings.Join(fieldNames(takes), ", "))
		}
	}
	return q.DefaultQueryParser.Parse(msg, values, filter)
}

func hasField(m protoreflect.MessageDescriptor, path []string) bool {
	f := m.Fields().ByName(protoreflect.Name(path[0]))
	if f == nil {
		f = m.Fields().ByJSONName(path[0])
	}
	if f == nil || len(path) == 1 {
		return f != nil
	}
	return f.Message() != nil && hasField(f.Message(), path[1:])
}

func fieldNames(m protoreflect.MessageDescriptor) []string {
	out := make([]string, m.Fields().Len())
	for i := range out {
		out[i] = string(m.Fields().Get(i).Name())
	}
	return out
}
