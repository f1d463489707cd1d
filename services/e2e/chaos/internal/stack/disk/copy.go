package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

const (
	// seekData and seekHole are lseek's on Linux: files of disks are mostly holes.
	seekData, seekHole = 3, 4
	// blockBytes are compared and written at once.
	blockBytes = 256 << 10
	// passes bound how often a copy is compared with a file that changes all the time.
	passes = 50
)

// copyOf copies a file that others may still write to now and then, as it was at one moment: it goes over it again until a whole pass finds nothing
// that differs, and at the beginning of that pass the file was what the copy is.
func copyOf(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // our own file
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600) //nolint:gosec // our own file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for range passes {
		changed, err := pass(ctx, in, out, info.Size())
		if err != nil || changed == 0 {
			return err
		}
	}
	return fmt.Errorf("%s changes all the time: who writes to it?", from)
}

// pass makes the copy equal wherever it differs, and says in how many blocks it did.
func pass(ctx context.Context, in, out *os.File, size int64) (changed int, err error) {
	is, was := make([]byte, blockBytes), make([]byte, blockBytes)
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return changed, ctx.Err()
		}
		from, err := in.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break // nothing but holes behind it
		}
		if err != nil {
			return changed, err
		}
		end, err := in.Seek(from, seekHole)
		if err != nil {
			return changed, err
		}
		for at = from; at < end; {
			n := min(int64(blockBytes), end-at)
			if err := errors.Join(read(in, is[:n], at), read(out, was[:n], at)); err != nil {
				return changed, err
			}
			if !bytes.Equal(is[:n], was[:n]) {
				if _, err := out.WriteAt(is[:n], at); err != nil {
					return changed, err
				}
				changed++
			}
			at += n
		}
	}
	return changed, nil
}

func read(f *os.File, into []byte, at int64) error {
	if _, err := f.ReadAt(into, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
