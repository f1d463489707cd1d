// Package bubble runs tests in virtual time (testing/synctest) over the product's own packages.
//
// What always holds: what a process makes once and shares (decoders with channels inside) is made before the first bubble, since a bubble's channels
// cannot be used from another one. Tests that put services into a bubble begin it here, or call [Prepare] before.
package bubble

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Test runs a test in a bubble of its own.
func Test(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	Prepare()
	synctest.Test(t, run)
}

// Prepare makes what all bubbles share. Call it outside of a bubble; later calls do nothing.
func Prepare() { prepare() }

var prepare = sync.OnceFunc(func() {
	// The decoder of frames.
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		panic(fmt.Sprintf("bubble: zstd encoder: %v", err)) // no option is set: it works or never does
	}
	frame := encoder.EncodeAll([]byte(`{"id":"a"}`), nil)
	if _, refusal := bus.DecodeFrame(nats.Header{bus.HeaderContentEncoding: {bus.EncodingZstd}}, frame); refusal != nil {
		panic("bubble: a frame is refused: " + refusal.Message)
	}
	// The encoder and the decoder of manifests.
	if _, err := rowfile.DecodeManifest(rowfile.EncodeManifest(&flowv1.Manifest{})); err != nil {
		panic(fmt.Sprintf("bubble: a manifest is refused: %v", err))
	}
})
