package sqlite

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"usher/backend/event"
)

// ErrBehind says that records which were written are not in the log any more.
var ErrBehind = errors.New("the audit log has lost records")

// The head file keeps the number and hash of the last record beside the
// database, outside its write-ahead log, so that the loss of the latter shows.
// It is written after a commit is durable and never before: a crash at any
// point leaves it at or behind the log's end. Two slots, each in a disk sector
// of its own, are written in turn, so that a torn write costs the newer one
// alone. A line of text in each slot can be read without usher.
const (
	headSuffix = ".head"
	slotSize   = 512
	headWords  = "usher-head-1"
	headSync   = time.Second // between two syncs of the file
)

// headFile is the open head file of a log.
type headFile struct {
	f    *os.File
	slot int64 // the one to write next

	mu      sync.Mutex
	dirty   bool
	written event.Head

	stop, stopped chan struct{}
}

func slot(h event.Head) []byte {
	line := fmt.Sprintf("%s %d %x", headWords, h.Seq, h.Hash)
	line += fmt.Sprintf(" %08x\n", crc32.ChecksumIEEE([]byte(line)))
	return append([]byte(line), bytes.Repeat([]byte("\n"), slotSize-len(line))...)
}

// parseSlot returns false for a slot that was never written, or not whole.
func parseSlot(raw []byte) (h event.Head, ok bool) {
	line, _, _ := strings.Cut(string(raw), "\n")
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || line[at+1:] != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line[:at]))) {
		return h, false
	}
	words := strings.Fields(line[:at])
	if len(words) != 3 || words[0] != headWords {
		return h, false
	}
	seq, err := strconv.ParseUint(words[1], 10, 63)
	if err != nil || hex.DecodedLen(len(words[2])) != len(h.Hash) {
		return h, false
	}
	h.Seq = seq
	_, err = hex.Decode(h.Hash[:], []byte(words[2]))
	return h, err == nil
}

// readHead returns the newer head of the file at path, and the slot that may
// be written next. A file that is absent or holds no whole slot claims nothing.
func readHead(path string) (h event.Head, next int64, err error) {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return h, 0, fmt.Errorf("reading the head of the audit log: %w", err)
	}
	for i := range int64(2) {
		part := raw[min(len(raw), int(i*slotSize)):]
		if found, ok := parseSlot(part[:min(len(part), slotSize)]); ok && found.Seq >= h.Seq {
			h, next = found, 1-i
		}
	}
	return h, next, nil
}

// openHead opens the head file for writing, with both of its sectors in place:
// later writes need no space.
func openHead(path string, next int64) (*headFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the head of the audit log: %w", err)
	}
	h := &headFile{f: f, slot: next, stop: make(chan struct{}), stopped: make(chan struct{})}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err == nil && info.Size() < 2*slotSize {
		_, err = f.WriteAt(bytes.Repeat([]byte("\n"), int(2*slotSize-info.Size())), info.Size())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the head of the audit log: %w", err), f.Close())
	}
	go h.keep()
	return h, nil
}

// write puts a head that is durable in the log into the file.
func (h *headFile) write(head event.Head) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if head == h.written {
		return nil
	}
	return h.put(head)
}

// reset makes the file claim this head and no higher one.
func (h *headFile) reset(head event.Head) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.put(head), h.put(head))
}

// put writes one slot; h.mu is held.
func (h *headFile) put(head event.Head) error {
	if _, err := h.f.WriteAt(slot(head), h.slot*slotSize); err != nil {
		return fmt.Errorf("writing the head of the audit log: %w", err)
	}
	h.slot, h.written, h.dirty = 1-h.slot, head, true
	return nil
}

// keep syncs the file from time to time. The loss of a sync, which needs the
// loss of power, makes the claim an older one and never a wrong one.
func (h *headFile) keep() {
	defer close(h.stopped)
	tick := time.NewTicker(headSync)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = h.sync()
		case <-h.stop:
			return
		}
	}
}

func (h *headFile) sync() error {
	h.mu.Lock()
	dirty := h.dirty
	h.dirty = false
	h.mu.Unlock()
	if !dirty {
		return nil
	}
	return h.f.Sync()
}

func (h *headFile) close() error {
	close(h.stop)
	<-h.stopped
	return errors.Join(h.sync(), h.f.Close())
}

// behind compares the log's end with what the head file claims. at is the
// log's own record of that number.
func behind(claimed, end, at event.Head) error {
	switch {
	case claimed.Seq > end.Seq:
		return fmt.Errorf("%w: it ends at record %d, and record %d was written; put the log back together with its -wal file, or start once with --accept-lost-records to go on without them",
			ErrBehind, end.Seq, claimed.Seq)
	case claimed.Seq > 0 && at != claimed:
		return fmt.Errorf("%w: record %d is another one than was written; put the log back, or start once with --accept-lost-records to go on with this one", ErrBehind, claimed.Seq)
	}
	return nil
}
