package rowfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/s2"
)

// rooms are where compressed data is written before its size is known.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// A piece is packedMark, the CRC-32C of its rows in little-endian order, and an S2 block of them. S2 takes a third of the time of zstd's fastest level, for
// half as many bytes more; the sum finds what a disk has changed, as zstd's own does. What releases before wrote is a frame of zstd, which begins otherwise.
const (
	packedMark   = 'S'
	packedHeader = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pack returns the piece of these rows in no more memory than it takes: pieces of a chunk that fills lie about for long.
func pack(raw []byte) []byte {
	room := rooms.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer rooms.Put(room)
	*room = s2.Encode((*room)[:cap(*room)], raw)
	piece := make([]byte, packedHeader, packedHeader+len(*room))
	piece[0] = packedMark
	binary.LittleEndian.PutUint32(piece[1:], crc32.Checksum(raw, castagnoli))
	return append(piece, *room...)
}

// DecodePiece returns the raw rows of a piece. It refuses what no writer of pieces made, or would exceed a piece's maximum.
func DecodePiece(data []byte) ([]byte, error) { return decodePiece(nil, data) }

// decodePiece unpacks into room, as far as it has any.
func decodePiece(room, data []byte) ([]byte, error) {
	read := decompress
	if len(data) > 0 && data[0] == packedMark {
		read = unpack
	}
	raw, err := read(room, data, maxPieceRaw)
	if err != nil {
		return nil, fmt.Errorf("piece: %w", err)
	}
	return raw, nil
}

// unpack is the reverse of pack, and otherwise does as decompress.
func unpack(room, data []byte, limit int) ([]byte, error) {
	if len(data) < packedHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(data))
	}
	sum, block := binary.LittleEndian.Uint32(data[1:]), data[packedHeader:]
	size, err := s2.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if room, err = roomOf(room, uint64(size), limit); err != nil {
		return nil, err
	}
	raw, err := s2.Decode(room[:size], block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if crc32.Checksum(raw, castagnoli) != sum {
		return nil, fmt.Errorf("%w: its rows are not those that were packed", ErrMalformed)
	}
	return raw, nil
}
