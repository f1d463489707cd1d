package submit

import (
	"strings"
	"testing"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"

	"github.com/google/uuid"
)

func boundMessage(f *flowv1.JobBound) bus.Msg {
	return bus.Msg{Seq: 7, Data: bus.FlowMessage(bus.NewEnvelope(accounts, 1, f)).Body, Time: moment}
}

func TestABindingIsReadOrRefused(t *testing.T) {
	chunk := uuid.NewString()
	tests := []struct {
		name string
		fact *flowv1.JobBound
		ok   bool
	}{
		{"one of this release", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", Org: testOrg, FromSeq: 3, ThroughSeq: 9}, true},
		{"one of an earlier release says no org and no places", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", Epoch: 4}, true},
		{"without a chunk it is none", &flowv1.JobBound{JobId: "750000000000001AAA"}, false},
		{"without a job it is none", &flowv1.JobBound{Chunk: chunk, JobId: "x"}, false},
		{"an org of control characters is none", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", Org: "a\x00b"}, false},
		{"an endless org is none", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", Org: strings.Repeat("x", 300)}, false},
		{"places that run backwards are none", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", FromSeq: 9, ThroughSeq: 3}, false},
		{"places that the ledger cannot store are none", &flowv1.JobBound{Chunk: chunk, JobId: "750000000000001AAA", FromSeq: 1, ThroughSeq: 1 << 63}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := BindingOf(boundMessage(tt.fact))
			if (err == nil) != tt.ok {
				t.Fatalf("%+v, %v", b, err)
			}
			if tt.ok && (b.Chunk.String() != chunk || b.Pipeline != accounts || !b.At.Equal(moment) || b.Through != tt.fact.GetThroughSeq()) {
				t.Errorf("%+v", b)
			}
		})
	}
	if _, err := BindingOf(bus.Msg{Data: bus.FlowMessage(bus.NewEnvelope(accounts, 1, &flowv1.ChunkAnswered{Chunk: chunk})).Body}); err == nil {
		t.Error("another fact is taken for a binding")
	}
}

func FuzzBindingOf(f *testing.F) {
	f.Add(boundMessage(&flowv1.JobBound{Chunk: uuid.NewString(), JobId: "750000000000001AAA", Org: testOrg, FromSeq: 3, ThroughSeq: 9}).Data)
	f.Add([]byte("no envelope"))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := BindingOf(bus.Msg{Data: body})
		if err == nil && (len(b.JobID) != 18 || b.Pipeline == "" || strings.Contains(b.Org, "\x00") || int64(b.Through) < 0 || int64(b.From) < 0) {
			t.Errorf("%+v", b)
		}
	})
}
