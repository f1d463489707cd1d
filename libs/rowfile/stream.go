package rowfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// stream compresses what comes in parts into one frame of zstd that says its size, as what is compressed at once does: readers go by it.
type stream struct {
	encoder *zstd.Encoder
	out     bytes.Buffer
	size    uint64
}

// The header of a frame as the encoder writes it when it does not know the size (RFC 8878, 3.1.1): four bytes of magic, a descriptor, the window; and what is
// made of it: a bit pair of the descriptor that says that eight bytes of size follow.
const (
	shortHeader  = 6
	sizeBytes    = 8
	atDescriptor = 4
	// notShort are the bits of a descriptor that would make its header another one: size, single segment, dictionary.
	notShort  = 0b1110_0011
	sizeEight = 0b1100_0000
)

var streamEncoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(PieceBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(fmt.Sprintf("rowfile: zstd encoder: %v", err)) // options are constant: it works or never does
	}
	return e
}}

// newStream begins a frame of about so many bytes as they are.
func newStream(size int) *stream {
	const left, of = 2, 5                                       // hashes, which do not compress, are about that much of a manifest
	s := &stream{encoder: streamEncoders.Get().(*zstd.Encoder)} //nolint:forcetypeassert // the pool holds nothing else
	s.out.Grow(size/of*left + shortHeader + sizeBytes)
	s.out.Write(make([]byte, sizeBytes)) // the header grows by as much
	s.encoder.Reset(&s.out)
	return s
}

func (s *stream) write(p []byte) {
	s.size += uint64(len(p))
	if _, err := s.encoder.Write(p); err != nil {
		panic(fmt.Sprintf("rowfile: zstd into memory: %v", err)) // a buffer takes everything
	}
}

// end returns the frame.
func (s *stream) end() []byte {
	if err := s.encoder.Close(); err != nil {
		panic(fmt.Sprintf("rowfile: zstd into memory: %v", err))
	}
	s.encoder.Reset(nil)
	streamEncoders.Put(s.encoder)
	frame := s.out.Bytes()
	header := frame[sizeBytes:][:shortHeader]
	if header[atDescriptor]&notShort != 0 {
		panic(fmt.Sprintf("rowfile: zstd: a frame begins with %x", header))
	}
	copy(frame, header)
	frame[atDescriptor] |= sizeEight
	binary.LittleEndian.PutUint64(frame[shortHeader:], s.size)
	return frame
}
