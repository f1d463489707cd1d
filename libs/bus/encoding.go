package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
)

// Encodings of a body, as the header Content-Encoding names them.
const (
	EncodingGzip = "gzip"
	EncodingZstd = "zstd"
)

// maxWindow is the window that a zstd body may ask for: what RFC 8878 wants every decoder to take, and what every level but the "ultra" ones stays in.
const maxWindow = 8 << 20

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

var (
	errTooLarge = fmt.Errorf("it has more than %d bytes when it is unpacked: publish smaller frames", MaxFrameBytes)
	errTwice    = errors.New("it is compressed twice: compress it once")
)

// rooms are where bodies are unpacked, one byte longer than the longest: what fills it is too long. Whatever a body claims, this much is taken.
var rooms = sync.Pool{New: func() any {
	room := make([]byte, 0, MaxFrameBytes+1)
	return &room
}}

var gzipReaders sync.Pool // of *gzip.Reader

var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	// The bound of memory caps windows only; that of the result is its room (the cap limit).
	return zstd.NewReader(nil, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecodeAllCapLimit(true))
})

// decode undoes the body's encoding: none, gzip or zstd, once. What it returns holds as much memory as it is long, at most [MaxFrameBytes]; without an
// encoding it is data itself.
func decode(header nats.Header, data []byte) ([]byte, *Refusal) {
	encoding, ok := encodingOf(header)
	var unpack func(data, room []byte) ([]byte, error)
	switch {
	case !ok:
		return nil, unreadable(data, "%s %q names more than one encoding: compress the body once, by %s or %s",
			HeaderContentEncoding, cut(encoding), EncodingGzip, EncodingZstd)
	case encoding == "":
		return data, nil
	case encoding == EncodingGzip:
		unpack = gunzip
	case encoding == EncodingZstd:
		unpack = unzstd
	default:
		return nil, unreadable(data, "%s %q is not known: use %s or %s, or publish the body as it is",
			HeaderContentEncoding, cut(encoding), EncodingGzip, EncodingZstd)
	}
	room := rooms.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer rooms.Put(room)
	body, err := unpack(data, (*room)[:0])
	switch {
	case err != nil:
	case len(body) > MaxFrameBytes:
		err = errTooLarge
	case bytes.HasPrefix(body, gzipMagic) || bytes.HasPrefix(body, zstdMagic):
		err = errTwice
	}
	if err != nil {
		return nil, unreadable(data, "the body is no readable %s: %v", encoding, err)
	}
	return bytes.Clone(body), nil
}

// encodingOf is the one encoding that the headers name, in lower case; "" is none. It is false when they name several.
func encodingOf(header nats.Header) (string, bool) {
	var named []string
	for name, values := range header {
		if !strings.EqualFold(name, HeaderContentEncoding) {
			continue
		}
		for _, value := range values {
			for token := range strings.SplitSeq(strings.ToLower(value), ",") {
				if token = strings.TrimSpace(token); token != "" && token != "identity" {
					named = append(named, token)
				}
			}
		}
	}
	switch len(named) {
	case 0:
		return "", true
	case 1:
		return named[0], true
	}
	slices.Sort(named) // headers have no order
	return strings.Join(named, ", "), false
}

// gunzip reads all members of a gzip body; checksums and lengths are compared, and what stands behind the last member is an error.
func gunzip(data, room []byte) ([]byte, error) {
	source := bytes.NewReader(data)
	z, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	defer gzipReaders.Put(z)
	if err := z.Reset(source); err != nil {
		return nil, said(err)
	}
	for len(room) < cap(room) {
		n, err := z.Read(room[len(room):cap(room)])
		room = room[:len(room)+n]
		if errors.Is(err, io.EOF) {
			return room, nil
		}
		if err != nil {
			return nil, said(err)
		}
	}
	return room, nil // full: too long
}

// said puts the reader's errors into words for a publisher.
func said(err error) error {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	case errors.Is(err, gzip.ErrHeader):
		return errors.New("it does not begin as gzip, or something follows its end")
	case errors.Is(err, gzip.ErrChecksum):
		return errors.New("its checksum or length does not fit what it holds")
	}
	return err
}

// unzstd reads all frames of a zstd body.
func unzstd(data, room []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, errors.New("it is empty") // no frame at all, which the decoder takes as nothing
	}
	z, err := zstdDecoder()
	if err != nil {
		return nil, err
	}
	body, err := z.DecodeAll(data, room)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errTooLarge
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("it wants a window of more than %d bytes: compress at level 19 or lower", maxWindow)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it ends too early")
	case errors.Is(err, zstd.ErrMagicMismatch):
		return nil, errors.New("it does not begin as zstd, or something follows its end")
	case errors.Is(err, zstd.ErrCRCMismatch):
		return nil, errors.New("its checksum does not fit what it holds")
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return nil, errors.New("it needs a dictionary: compress it without one")
	}
	return body, err
}
