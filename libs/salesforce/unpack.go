package salesforce

import (
	"bufio"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Replies in which much is packed are unpacked here: the transport's own way takes half as long again. That a reply may be packed is said by the request's
// Accept-Encoding; where that is not set, the transport sets it and unpacks.
const packing = "gzip"

// packedBuffer is how much of a packed reply is read from the connection at a time, in bytes.
const packedBuffer = 64 << 10

// unpack puts a reader of what is packed in the place of the reply's body, if that was asked for and came, as the transport would: an empty body stays as it is.
func unpack(hr *http.Request, resp *http.Response) {
	if hr.Header.Get("Accept-Encoding") != packing || !strings.EqualFold(resp.Header.Get("Content-Encoding"), packing) || resp.ContentLength == 0 {
		return
	}
	resp.Body = &unpacked{packed: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
}

// unpacked reads a packed body. Nothing is read before the first Read, which is bounded by whoever calls it.
type unpacked struct {
	packed io.ReadCloser
	z      *gzip.Reader
	err    error // of beginning
}

// Read reads on.
func (u *unpacked) Read(p []byte) (int, error) {
	if u.z == nil && u.err == nil {
		u.z, u.err = gzip.NewReader(bufio.NewReaderSize(u.packed, packedBuffer))
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.z.Read(p)
}

// Close lets go of the connection.
func (u *unpacked) Close() error { return u.packed.Close() }
