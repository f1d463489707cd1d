package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// UsageError is about what the caller asked for: nothing was published.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

const (
	// readBuffer is how much of a file is read at a time.
	readBuffer = 256 << 10
	// head is how much of a file's start must look like text.
	head = 8 << 10
	// maxWindow bounds the memory that a zstd file may ask for; zstd --long=27 stays within.
	maxWindow = 128 << 20
)

var (
	magicGzip = []byte{0x1f, 0x8b}
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	bomUTF8   = []byte{0xef, 0xbb, 0xbf}
)

// source is a file that can be read more than once.
type source struct {
	name string // for people
	f    *os.File
	size int64 // as it lies there, compressed or not
	was  os.FileInfo
}

// openSource opens a file. What can be read only once (standard input, a pipe) is copied into a temporary file, since its digest is needed before
// the first row is published.
func openSource(ctx context.Context, path string, stdin io.Reader) (*source, error) {
	if path == "-" {
		return spool(ctx, "standard input", stdin)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &UsageError{err}
	case info.IsDir():
		return nil, usagef("%s is a directory: name a file", path)
	}
	if !info.Mode().IsRegular() {
		f, err := openPipe(ctx, path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return spool(ctx, path, f)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &UsageError{err}
	}
	return &source{name: path, f: f, size: info.Size(), was: info}, nil
}

// openPipe opens what is no regular file. A named pipe is opened when somebody opens it for writing, which may be never.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened) // without room: who takes the file also closes it
	go func() {
		f, err := os.Open(path)
		select {
		case done <- opened{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close() // nothing was read of it
			}
		}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, &UsageError{o.err}
		}
		return o.f, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("open %s: %w", path, ctx.Err())
	}
}

// spool copies r to a temporary file without a name: it goes with the process, however that ends.
func spool(ctx context.Context, name string, r io.Reader) (_ *source, err error) {
	in := bufio.NewReaderSize(&waitingReader{ctx: ctx, r: r, buf: make([]byte, readBuffer)}, readBuffer)
	start, err := in.Peek(head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !compressed(start) {
		if err := looksLikeText(name, start); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp("", "bulkhead-load-*")
	if err != nil {
		return nil, fmt.Errorf("a temporary file for %s: %w", name, err)
	}
	_ = os.Remove(f.Name()) // where that is not possible the file stays until somebody cleans the directory
	n, err := io.Copy(f, in)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy %s into a temporary file (TMPDIR names the directory): %w", name, err), f.Close())
	}
	return &source{name: name, f: f, size: n}, nil
}

func (s *source) Close() error { return s.f.Close() }

// changed says whether the file on disk is another one than at the start.
func (s *source) changed() bool {
	if s.was == nil {
		return false
	}
	now, err := s.f.Stat()
	return err != nil || now.Size() != s.was.Size() || !now.ModTime().Equal(s.was.ModTime())
}

// content is one reading of a source from its start, decompressed.
type content struct {
	io.Reader
	raw   *countReader
	close func()
}

func (c *content) Close() { c.close() }

// read starts a reading. Its raw counter says how much of the file as it lies there is read.
func (s *source) read(ctx context.Context) (*content, error) {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name, err)
	}
	raw := &countReader{r: &stopReader{ctx: ctx, r: s.f}}
	in := bufio.NewReaderSize(raw, readBuffer)
	start, err := in.Peek(len(magicZstd))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", s.name, err)
	}
	switch {
	case bytes.HasPrefix(start, magicGzip):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, usagef("%s begins like a gzip file and is none: %w", s.name, err)
		}
		return &content{Reader: &brokenReader{z, s.name}, raw: raw, close: func() { _ = z.Close() }}, nil
	case bytes.HasPrefix(start, magicZstd):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, usagef("%s begins like a zstd file and is none: %w", s.name, err)
		}
		return &content{Reader: &brokenReader{z, s.name}, raw: raw, close: z.Close}, nil
	}
	return &content{Reader: in, raw: raw, close: func() {}}, nil
}

func compressed(start []byte) bool {
	return bytes.HasPrefix(start, magicGzip) || bytes.HasPrefix(start, magicZstd)
}

// looksLikeText refuses what no reader of rows can make sense of.
func looksLikeText(name string, start []byte) error {
	switch {
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		return usagef("%s is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)", name)
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return usagef("%s is a ZIP archive or a spreadsheet: save it as CSV in UTF-8", name)
	case bytes.IndexByte(start, 0) >= 0:
		return usagef("%s is no text (it holds zero bytes): CSV or newline-delimited JSON in UTF-8 is needed, plain or compressed with gzip or zstd", name)
	}
	return nil
}

// stopReader ends when its context does.
type stopReader struct {
	ctx context.Context //nolint:containedctx // io.Reader leaves no other way
	r   io.Reader
}

func (s *stopReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// waitingReader ends when its context does, also while a read waits: for a person at a terminal, or a pipe whose writer says nothing. The read itself
// goes on until it has an answer, which nobody hears: the process ends soon.
type waitingReader struct {
	ctx context.Context //nolint:containedctx // io.Reader leaves no other way
	r   io.Reader
	buf []byte // the caller's own could be written to after Read returned
}

func (w *waitingReader) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	type answer struct {
		n   int
		err error
	}
	buf, said := w.buf[:min(len(p), len(w.buf))], make(chan answer, 1)
	go func() {
		n, err := w.r.Read(buf)
		said <- answer{n, err}
	}()
	select {
	case a := <-said:
		return copy(p, buf[:a.n]), a.err
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	}
}

type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// brokenReader says of a decompressor's error which file is damaged.
type brokenReader struct {
	r    io.Reader
	name string
}

func (b *brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		err = usagef("%s is damaged or cut off: its compressed data ends with %w", b.name, err)
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		err = usagef("%s is cut off: its compressed data does not end", b.name)
	}
	return n, err
}
