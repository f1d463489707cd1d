// Package disk is file systems that lose power as a machine's do: what was written and not synced is gone.
//
// A disk is an ext4 file system in a file, mounted by way of a loop device. The file holds what reached the block device, and nothing that the
// kernel still keeps in memory; so a copy of the file, made while nobody writes, is what a power cut at that moment would have left. Mounting
// the copy replays the journal, as the next start of a machine does.
//
// What always holds: a copy is of one moment, however long it takes (it is compared with the file until both are the same); what was synced
// before that moment is in it. Writing back is put off for as long as the kernel does it anywhere, so that what nobody synced is really lost. What
// is not tried: a device that itself forgets what it has acknowledged (a volatile cache that ignores flushes); no software survives that.
//
// It takes root, loop devices and e2fsprogs. There is no other way to lose what a kernel holds without losing the kernel.
//
// Start reading at Make, then Snapshot and Revert.
package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// writeBack is the time in seconds after which ext4 commits its journal by itself: as long as the kernel leaves written pages in memory
	// (vm.dirty_expire_centisecs). With the five seconds that are usual, a file that nobody synced would survive by chance.
	writeBack = 30
	// perFile is the room in bytes for which there is one file: a cluster, its databases and a broker's streams have far fewer.
	perFile = 32768
	// runFor bounds mkfs, mount and umount; busyFor bounds waiting for processes that were killed to let go of the file system.
	runFor    = 30 * time.Second
	busyFor   = 10 * time.Second
	lookEvery = 20 * time.Millisecond
)

// remedy is what an error of mounting ends with.
const remedy = "a power cut is tried on file systems of its own, which takes root and loop devices: run it as root (sudo), in a container with --privileged"

// Disk is one file system. Its calls come one after the other.
type Disk struct {
	dir, name string
	n         int // how many images came before this one
	mounted   bool
	copied    bool // the next image is there
}

// Make makes a file system of so many bytes, empty, in a file of a directory, and mounts it below that. The file takes as much room as is written
// to it. Close takes both away.
func Make(ctx context.Context, dir, name string, size int64) (_ *Disk, err error) {
	d := &Disk{dir: dir, name: name}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close(ctx))
		}
	}()
	if err := os.MkdirAll(d.Path(), 0o755); err != nil { //nolint:gosec // the database server runs as an account of its own
		return nil, fmt.Errorf("disk %s: %w", name, err)
	}
	image, err := os.OpenFile(d.image(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("disk %s: %w", name, err)
	}
	if err := errors.Join(image.Truncate(size), image.Close()); err != nil {
		return nil, fmt.Errorf("disk %s: %w", name, err)
	}
	// Nothing is left to be written out later by a thread of the kernel's own, which would write while a copy is made.
	err = run(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-i", fmt.Sprint(perFile), "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image())
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("disk %s: %w: install e2fsprogs (apt-get install e2fsprogs)", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("disk %s: %w", name, err)
	}
	return d, d.mount(ctx)
}

// Path is where the file system is mounted. It stays the same.
func (d *Disk) Path() string { return filepath.Join(d.dir, d.name) }

// image is the file that holds it now.
func (d *Disk) image() string { return filepath.Join(d.dir, fmt.Sprintf("%s-%d.img", d.name, d.n)) }

// next is the file that holds what a power cut leaves.
func (d *Disk) next() string { return filepath.Join(d.dir, fmt.Sprintf("%s-%d.img", d.name, d.n+1)) }

func (d *Disk) mount(ctx context.Context) error {
	err := run(ctx, "mount", "-t", "ext4", "-o", fmt.Sprintf("loop,noatime,commit=%d", writeBack), d.image(), d.Path())
	if err != nil {
		return fmt.Errorf("disk %s: %w; %s", d.name, err, remedy)
	}
	d.mounted = true
	return nil
}

// unmount waits until nobody holds a file of it any more.
func (d *Disk) unmount(ctx context.Context) error {
	for until := time.Now().Add(busyFor); d.mounted; {
		err := run(ctx, "umount", d.Path())
		switch {
		case err == nil:
			d.mounted = false
		case ctx.Err() != nil || time.Now().After(until):
			return fmt.Errorf("disk %s: %w", d.name, err)
		default:
			time.Sleep(lookEvery)
		}
	}
	return nil
}

// Snapshot keeps what has reached the disk by now: what Revert goes back to. Whoever writes to it stands still meanwhile.
func (d *Disk) Snapshot(ctx context.Context) error {
	if err := copyOf(ctx, d.image(), d.next()); err != nil {
		return fmt.Errorf("disk %s: copy what has reached it: %w", d.name, err)
	}
	d.copied = true
	return nil
}

// Revert makes the disk what it was at the last Snapshot: everything that had not reached it by then is lost. Whoever used it has ended.
func (d *Disk) Revert(ctx context.Context) error {
	if !d.copied {
		return fmt.Errorf("disk %s: nothing was kept to go back to", d.name)
	}
	if err := d.unmount(ctx); err != nil {
		return err
	}
	if err := os.Remove(d.image()); err != nil {
		return fmt.Errorf("disk %s: %w", d.name, err)
	}
	d.n, d.copied = d.n+1, false
	return d.mount(ctx)
}

// Close unmounts it and takes its files away, whatever became of the context. It may be called twice.
func (d *Disk) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := d.unmount(ctx); err != nil {
		// Whoever still holds a file keeps it until he ends; the mount goes now.
		if lazy := run(ctx, "umount", "-l", d.Path()); lazy != nil {
			return errors.Join(err, lazy)
		}
		d.mounted = false
	}
	var errs []error
	for _, path := range []string{d.image(), d.next(), d.Path()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("disk %s: %w", d.name, err)
	}
	return nil
}

// run runs a program of the system's to its end.
func run(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	path, err := exec.LookPath(program)
	if err != nil {
		// They are not on the way of every account.
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", program)); err != nil {
			return fmt.Errorf("%s: %w", program, exec.ErrNotFound)
		}
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput() //nolint:gosec // our own paths
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.Join(strings.Fields(string(out[:min(len(out), 1<<10)])), " "))
	}
	return nil
}
