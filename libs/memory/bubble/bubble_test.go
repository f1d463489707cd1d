package bubble_test

import (
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/bubble"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func TestBubble(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	frame := encoder.EncodeAll([]byte(`{"id":"a"}`), nil)
	for _, name := range []string{"a first bubble unpacks frames and chunks", "so does a second one"} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				if _, refusal := bus.DecodeFrame(nats.Header{bus.HeaderContentEncoding: {bus.EncodingZstd}}, frame); refusal != nil {
					t.Error(refusal.Message)
				}
				w := rowfile.NewWriter([]string{"Id"})
				if _, err := w.Add([]string{"1"}); err != nil {
					t.Fatal(err)
				}
				if rows, err := rowfile.DecodePiece(w.Close().Data); err != nil || len(rows) == 0 {
					t.Errorf("%q %v", rows, err)
				}
				if m, err := rowfile.DecodeManifest(rowfile.EncodeManifest(&flowv1.Manifest{Runs: []string{"a"}})); err != nil || len(m.GetRuns()) != 1 {
					t.Errorf("%v %v", m, err)
				}
			})
		})
	}
}
