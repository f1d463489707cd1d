package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Encoders and decoders of zstd are costly to make and safe for concurrent use in this form.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithSingleSegment(true), // a single segment always says its size
			zstd.WithWindowSize(PieceBytes), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(fmt.Sprintf("rowfile: zstd encoder: %v", err)) // options are constant: it works or never does
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxManifestBytes), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(fmt.Sprintf("rowfile: zstd decoder: %v", err))
		}
		return d
	})
)

// compress returns what is compressed in no more memory than it takes.
func compress(raw []byte) []byte {
	room := rooms.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer rooms.Put(room)
	*room = encoder().EncodeAll(raw, (*room)[:0])
	return bytes.Clone(*room)
}

// unsaidSize bounds what a frame without its size may become.
const unsaidSize = 4096

// errTooLong says that compressed data would become longer than it may be.
var errTooLong = errors.New("decompressed size exceeds its bound")

// decompress unpacks into room where that is large enough. What it returns has all of that room behind it, for the next time.
func decompress(room, data []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// The encoder says the size of everything from 256 bytes on. The capacity bounds the decoder, whatever frames follow.
	size := uint64(unsaidSize)
	if h.HasFCS {
		size = h.FrameContentSize
	}
	room, err := roomOf(room, size, limit)
	if err != nil {
		return nil, err
	}
	raw, err := decoder().DecodeAll(data, room[:0:size])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(raw) > 0 && &raw[0] == &room[:1][0] {
		raw = room[:len(raw)]
	}
	return raw, nil
}

// roomOf returns room where that is large enough, else a larger one. It is empty, and at least size bytes.
func roomOf(room []byte, size uint64, limit int) ([]byte, error) {
	switch {
	case size > uint64(limit):
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errTooLong, size, limit)
	case uint64(cap(room)) >= size:
		return room[:0], nil
	case room == nil:
		return make([]byte, 0, size), nil
	default:
		return make([]byte, 0, size+size/8), nil // the pieces of a chunk are of about one size: the next one fits
	}
}
