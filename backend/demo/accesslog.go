package demo

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Names of S3's access log in the demo's directory.
const (
	accessLogFile   = "s3-access.log"
	accessLogFolder = "access-log" // of a stack
)

// openAccessLog opens S3's access log: one file, or the folder of a stack.
func openAccessLog(dir string, stack bool, now func() time.Time) (string, io.WriteCloser, error) {
	if !stack {
		name := filepath.Join(dir, accessLogFile)
		file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("opening S3's access log: %w", err)
		}
		return name, file, nil
	}
	name := filepath.Join(dir, accessLogFolder)
	if err := os.MkdirAll(name, 0o700); err != nil {
		return "", nil, fmt.Errorf("making the folder of S3's access log: %w", err)
	}
	return name, &deliveries{dir: name, now: now}, nil
}

// deliveries writes log lines as S3 delivers them: an object for each minute with
// lines.
//
// SPEC: S3 user guide, "Log object key format": YYYY-mm-DD-HH-MM-SS-UniqueString.
type deliveries struct {
	dir string
	now func() time.Time

	mu     sync.Mutex
	file   *os.File
	minute time.Time
	closed bool
}

// Write writes one or more whole lines.
func (d *deliveries) Write(lines []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, os.ErrClosed
	}
	now := d.now().UTC()
	if minute := now.Truncate(time.Minute); d.file == nil || !minute.Equal(d.minute) {
		unique := make([]byte, 8)
		_, _ = rand.Read(unique) // never fails
		name := now.Format("2006-01-02-15-04-05-") + strings.ToUpper(hex.EncodeToString(unique))
		file, err := os.OpenFile(filepath.Join(d.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, fmt.Errorf("writing S3's access log: %w", err)
		}
		if err := d.end(); err != nil {
			return 0, errors.Join(err, file.Close())
		}
		d.file, d.minute = file, minute
	}
	return d.file.Write(lines)
}

// end closes the current object.
func (d *deliveries) end() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// Close ends the deliveries.
func (d *deliveries) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return d.end()
}
