package sqlite

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"usher/backend/audit/tree"
)

// Errors of a log whose head file differs from it.
var (
	// ErrBehind: the log no longer has records that were written to it.
	ErrBehind = errors.New("the audit log has lost records")
	// ErrNoHead: a log with checkpoints has no head file. A copy of a log has none.
	ErrNoHead = errors.New("the head file of the audit log is missing or empty")
)

// The head file keeps the number of records, the root of their tree and the number
// of checkpoints outside the database and its write-ahead log, so the loss of either is detected. It is
// written only after a commit is durable: a crash leaves it at or before the
// log's end. It has two slots in separate disk sectors, written alternately, so
// a torn write damages the newer slot only. Each slot is a line of text.
const (
	headSuffix = ".head"
	slotSize   = 512
	headWords  = "usher-head-2"
	headSync   = time.Second // interval between syncs of the file
)

// claim is the content of the head file.
type claim struct {
	tree.Head
	checkpoints int64 // number of stored checkpoints
}

// after reports whether c is later than other, or the same.
func (c claim) after(other claim) bool {
	return c.Size > other.Size || c.Size == other.Size && c.checkpoints >= other.checkpoints
}

// headFile is the open head file of a log.
type headFile struct {
	f    *os.File
	slot int64 // index of the next write

	mu      sync.Mutex
	dirty   bool
	written claim

	stop, stopped chan struct{}
}

func slot(c claim) []byte {
	line := append(make([]byte, 0, slotSize), headWords+" "...)
	line = strconv.AppendInt(line, c.Size, 10)
	line = hex.AppendEncode(append(line, ' '), c.Root[:])
	line = strconv.AppendInt(append(line, ' '), c.checkpoints, 10)
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(line))
	line = hex.AppendEncode(append(line, ' '), sum)
	for len(line) < slotSize {
		line = append(line, '\n')
	}
	return line
}

// parseSlot returns false for an empty or torn slot.
func parseSlot(raw []byte) (c claim, ok bool) {
	line, _, _ := strings.Cut(string(raw), "\n")
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || line[at+1:] != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line[:at]))) {
		return c, false
	}
	words := strings.Fields(line[:at])
	if len(words) != 4 || words[0] != headWords {
		return c, false
	}
	size, err1 := strconv.ParseUint(words[1], 10, 62)
	root, err2 := hex.DecodeString(words[2])
	checkpoints, err3 := strconv.ParseUint(words[3], 10, 62)
	if errors.Join(err1, err2, err3) != nil || len(root) != len(c.Root) {
		return c, false
	}
	return claim{tree.Head{Size: int64(size), Root: tree.Hash(root)}, int64(checkpoints)}, true
}

// storedClaim is the content of a head file.
type storedClaim struct {
	claim
	next  int64 // index of the slot with the earlier claim
	valid bool  // false: the file is missing, or has no valid slot
}

// readHead returns the later claim in the file at path.
func readHead(path string) (c storedClaim, err error) {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return c, fmt.Errorf("reading the head of the audit log: %w", err)
	}
	for i := range int64(2) {
		part := raw[min(len(raw), int(i*slotSize)):]
		if found, ok := parseSlot(part[:min(len(part), slotSize)]); ok && found.after(c.claim) {
			c = storedClaim{found, 1 - i, true}
		}
	}
	return c, nil
}

// openHead opens the head file for writing. It allocates both slots, so later
// writes need no disk space.
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
	go h.syncLoop()
	return h, nil
}

// write stores a claim. Its records and checkpoints must be durable in the log
// already.
func (h *headFile) write(head claim) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if head == h.written {
		return nil
	}
	return h.put(head)
}

// reset stores a claim in both slots, so no later one remains.
func (h *headFile) reset(head claim) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.put(head), h.put(head))
}

// put writes one slot; h.mu is held.
func (h *headFile) put(head claim) error {
	if _, err := h.f.WriteAt(slot(head), h.slot*slotSize); err != nil {
		return fmt.Errorf("writing the head of the audit log: %w", err)
	}
	h.slot, h.written, h.dirty = 1-h.slot, head, true
	return nil
}

// syncLoop syncs the file every headSync. A power failure before a sync leaves
// an older head in the file, never a wrong one.
func (h *headFile) syncLoop() {
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

// compareHeads compares the log with the claim of its head file. at is the head of
// the log's first claimed.Size records.
func compareHeads(claimed storedClaim, end claim, at tree.Head) error {
	switch {
	case !claimed.valid && end.checkpoints > 0:
		return fmt.Errorf("%w; a restored copy has none: begin a new log with usher audit restart --reason TEXT, or start once with --accept-lost-records to continue with the copy. Otherwise another program removed the file: keep the log, and run usher audit verify", ErrNoHead)
	case claimed.Size > end.Size:
		return fmt.Errorf("%w: it ends at record %d, but record %d was written; this is an older copy of the log, or its -wal file is missing: restore the log together with its -wal file, begin a new log with usher audit restart --reason TEXT, or start once with --accept-lost-records to continue without these records",
			ErrBehind, end.Size, claimed.Size)
	case claimed.Size > 0 && at != claimed.Head:
		return fmt.Errorf("%w: its first %d records differ from those that were written; restore the log, or start once with --accept-lost-records to continue with this log", ErrBehind, claimed.Size)
	case claimed.checkpoints > end.checkpoints:
		return fmt.Errorf("%w: it has %d checkpoints, but %d were written; restore the log, or start once with --accept-lost-records to continue with this log", ErrBehind, end.checkpoints, claimed.checkpoints)
	}
	return nil
}
