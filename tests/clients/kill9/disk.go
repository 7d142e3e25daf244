package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	diskBytes   = 512 << 20
	pageBytes   = 4096
	sectorBytes = 512 // what a disk writes whole or not at all
)

// image is what a disk holds: its own pages, below them those of another image, which does not change
// meanwhile, and zeros.
type image struct {
	below *image
	pages map[int64]*[pageBytes]byte
}

func over(below *image) *image { return &image{below: below, pages: map[int64]*[pageBytes]byte{}} }

func (m *image) page(n int64) *[pageBytes]byte {
	for ; m != nil; m = m.below {
		if page := m.pages[n]; page != nil {
			return page
		}
	}
	return nil
}

func (m *image) read(into []byte, from int64) {
	for len(into) > 0 {
		n, at := from/pageBytes, from%pageBytes
		step := min(int64(len(into)), pageBytes-at)
		if page := m.page(n); page != nil {
			copy(into[:step], page[at:])
		} else {
			clear(into[:step])
		}
		into, from = into[step:], from+step
	}
}

func (m *image) write(data []byte, to int64) {
	for len(data) > 0 {
		n, at := to/pageBytes, to%pageBytes
		page := m.pages[n]
		if page == nil {
			page = new([pageBytes]byte)
			if older := m.below.page(n); older != nil {
				*page = *older
			}
			m.pages[n] = page
		}
		step := int64(copy(page[at:], data))
		data, to = data[step:], to+step
	}
}

// entry is a write to a disk, or without data a flush.
type entry struct {
	offset int64
	data   []byte
}

// apply makes the image what a disk holds for certain behind these entries, in whose order they arrived.
func (m *image) apply(log []entry) {
	for _, e := range log {
		m.write(e.data, e.offset)
	}
}

// settled is how many of the entries are on the disk whatever happens: those before the last flush.
func settled(log []entry) int {
	for n := len(log); n > 0; n-- {
		if log[n-1].data == nil {
			return n
		}
	}
	return 0
}

// The ways in which a disk without power keeps what was not flushed.
var ways = []string{"nothing", "everything", "the first writes", "some writes", "some sectors", "all writes but one", "one write"}

// cut is an image as a power cut behind these entries may leave it. Of the writes that were not flushed any may be there and
// any not, sector by sector. They are applied in their order, which loses no case: apart from each other they have none, and of
// two to the same sector a disk does not put the older over the newer.
func cut(below *image, unflushed []entry, rng *rand.Rand) (m *image, how string) {
	m = over(below)
	if len(unflushed) == 0 {
		return m, "nothing was unflushed"
	}
	way, one := ways[rng.IntN(len(ways))], rng.IntN(len(unflushed))
	for i, e := range unflushed {
		data := e.data
		switch way {
		case "nothing":
			data = nil
		case "the first writes":
			if i > one {
				data = nil
			} else if i == one {
				data = data[:rng.IntN(len(data)/sectorBytes+1)*sectorBytes]
			}
		case "some writes":
			if rng.IntN(2) == 0 {
				data = nil
			}
		case "some sectors":
			for at := 0; at < len(data); at += sectorBytes {
				if rng.IntN(2) == 0 {
					m.write(data[at:min(at+sectorBytes, len(data))], e.offset+int64(at))
				}
			}
			data = nil
		case "all writes but one":
			if i == one {
				data = nil
			}
		case "one write":
			if i != one {
				data = nil
			}
		}
		m.write(data, e.offset)
	}
	return m, fmt.Sprintf("%s of %d that were unflushed", way, len(unflushed))
}

// save writes the image to a file without its zeros.
func (m *image) save(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for n := range int64(diskBytes / pageBytes) {
		if page := m.page(n); page != nil {
			if _, err := file.WriteAt(page[:], n*pageBytes); err != nil {
				return err
			}
		}
	}
	return file.Truncate(diskBytes)
}

// disk is a file for a loop device, and logs what reaches it as dm-log-writes does in the kernel.
type disk struct {
	fusefs.Inode
	name   string
	length atomic.Int64 // of the log

	sync.RWMutex
	now   *image
	log   []entry
	bytes int64
}

var _ = (fusefs.NodeGetattrer)((*disk)(nil))
var _ = (fusefs.NodeOpener)((*disk)(nil))
var _ = (fusefs.NodeReader)((*disk)(nil))
var _ = (fusefs.NodeWriter)((*disk)(nil))
var _ = (fusefs.NodeFsyncer)((*disk)(nil))

func (d *disk) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = 0o600, diskBytes, pageBytes
	return 0
}

// Open keeps the kernel from caching: every request of the loop device is to be seen.
func (d *disk) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *disk) Read(_ context.Context, _ fusefs.FileHandle, into []byte, from int64) (fuse.ReadResult, syscall.Errno) {
	into = into[:max(0, min(int64(len(into)), diskBytes-from))]
	d.RLock()
	defer d.RUnlock()
	d.now.read(into, from)
	return fuse.ReadResultData(into), 0
}

func (d *disk) Write(_ context.Context, _ fusefs.FileHandle, data []byte, to int64) (uint32, syscall.Errno) {
	if to+int64(len(data)) > diskBytes {
		return 0, syscall.ENOSPC
	}
	d.Lock()
	defer d.Unlock()
	if d.now == nil {
		return 0, syscall.EIO
	}
	d.now.write(data, to)
	d.bytes += int64(len(data))
	d.append(entry{to, append([]byte{}, data...)})
	return uint32(len(data)), 0
}

func (d *disk) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno {
	d.Lock()
	defer d.Unlock()
	d.append(entry{})
	return 0
}

func (d *disk) append(e entry) {
	d.log = append(d.log, e)
	d.length.Store(int64(len(d.log)))
}

func (d *disk) written() int64 {
	d.RLock()
	defer d.RUnlock()
	return d.bytes
}

// until is the log up to there.
func (d *disk) until(n int64) []entry {
	d.RLock()
	defer d.RUnlock()
	return d.log[:n:n]
}

// shelf is the folder of the disks.
type shelf struct {
	fusefs.Inode
	path  string
	count int
}

// newShelf mounts by itself: go-fuse would let the programs that are started inherit its connection, with which the disks
// outlive this program and whatever uses them hangs.
func newShelf(path string) (*shelf, error) {
	connection, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", connection)
	if err := unix.Mount("disks", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return nil, fmt.Errorf("mounting %s: %w", path, err)
	}
	s := &shelf{path: path}
	_, err = fusefs.Mount(fmt.Sprintf("/dev/fd/%d", connection), s,
		&fusefs.Options{MountOptions: fuse.MountOptions{MaxWrite: 512 << 10}})
	return s, err
}

func (s *shelf) add(start *image) *disk {
	s.count++
	d := &disk{name: strconv.Itoa(s.count), now: over(start)}
	s.AddChild(d.name, s.NewPersistentInode(context.Background(), d, fusefs.StableAttr{Mode: syscall.S_IFREG}), true)
	return d
}

// remove lets go of what the disk holds.
func (s *shelf) remove(d *disk) {
	s.RmChild(d.name)
	d.Lock()
	defer d.Unlock()
	d.now, d.log = nil, nil
}

// mount mounts the disk's file system, which it makes first if that is wanted. The loop device detaches itself when nothing
// uses it any more, however this program ends.
func (s *shelf) mount(d *disk, at, kind string, format bool) error {
	file, err := unix.Open(s.path+"/"+d.name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the disk: %w", err)
	}
	defer unix.Close(file)
	loop, device, err := attach(file)
	if err != nil {
		return fmt.Errorf("a loop device: %w", err)
	}
	defer unix.Close(loop)
	if format {
		words := map[string][]string{
			"ext4": {"-q", "-F", "-O", "metadata_csum,64bit", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"},
			"xfs":  {"-q", "-f", "-K"}}[kind]
		if output, err := exec.Command("mkfs."+kind, append(words, device)...).CombinedOutput(); err != nil {
			return fmt.Errorf("mkfs.%s: %w: %s", kind, err, output)
		}
	}
	if err := unix.Mount(device, at, kind, unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", kind, err)
	}
	return nil
}

func attach(file int) (loop int, device string, err error) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	defer unix.Close(control)
	config := unix.LoopConfig{Fd: uint32(file)}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO
	for {
		n, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return 0, "", err
		}
		device = fmt.Sprintf("/dev/loop%d", n)
		if loop, err = unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return 0, "", err
		}
		if err = unix.IoctlLoopConfigure(loop, &config); err == nil {
			return loop, device, nil
		}
		unix.Close(loop)
		if !errors.Is(err, unix.EBUSY) { // somebody else took it
			return 0, "", err
		}
	}
}

// unmount waits for the last process that was killed to let go.
func unmount(at string) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for start := time.Now(); ; <-poll.C {
		err := unix.Unmount(at, 0)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Since(start) > 10*time.Second {
			return &fs.PathError{Op: "unmount", Path: at, Err: err}
		}
	}
}
