package api

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// TestNoReplyIsAPlainYesOrNo: a load succeeds in part, so no reply may say "success" of one. What is truly one of two things stands here, with why.
func TestNoReplyIsAPlainYesOrNo(t *testing.T) {
	allowed := map[protoreflect.FullName]string{
		"bulkhead.ops.v1.GetStatusResponse.adds_up":                   "an equation holds or does not",
		"bulkhead.ops.v1.GetBalanceResponse.adds_up":                  "the same",
		"bulkhead.ops.v1.PutPipelineResponse.changed":                 "the text was another one or the same",
		"bulkhead.ops.v1.ReplayDeadLettersResponse.repeated_request":  "the idempotency key was used before or not",
		"bulkhead.ops.v1.DiscardDeadLettersResponse.repeated_request": "the same",
		"bulkhead.ops.v1.ResolveRecordsResponse.repeated_request":     "the same",
		"bulkhead.ops.v1.RereadRecordsResponse.repeated_request":      "the same",
		"bulkhead.ops.v1.Reread.done":                                 "known and accepted say how many, done that no more come",
		"bulkhead.ops.v1.Revision.current":                            "one revision is in force, the others are not",
		"bulkhead.ops.v1.RollbackPipelineResponse.changed":            "the text was another one or the same",
		"bulkhead.ops.v1.Circuit.open":                                "it is open or closed; failures says how many calls failed",
	}
	seen := map[protoreflect.FullName]bool{}
	var walk func(messages protoreflect.MessageDescriptors)
	walk = func(messages protoreflect.MessageDescriptors) {
		for i := range messages.Len() {
			m := messages.Get(i)
			for j := range m.Fields().Len() {
				f := m.Fields().Get(j)
				if f.Kind() == protoreflect.BoolKind && allowed[f.FullName()] == "" {
					t.Errorf("%s is a yes or no: say how many of what, or why it can be nothing else", f.FullName())
				}
				seen[f.FullName()] = true
			}
			walk(m.Messages())
		}
	}
	walk(opsv1.File_bulkhead_ops_v1_ops_proto.Messages())
	for name := range allowed {
		if !seen[name] {
			t.Errorf("%s is gone: take it off the list", name)
		}
	}
}
