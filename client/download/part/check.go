package part

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mostChecked is the largest number of folders with a remembered Check.
const mostChecked = 1024

// Check returns the reason why no file can be written below dir and the folders
// rel, as far as existing folders show it. It creates nothing. The files of one
// folder share a result for a moment, unless it is a failure.
func (d *Disk) Check(dir string, rel []string) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return diskError(dir, err)
	}
	folder, now := at+"\x00"+strings.Join(rel, "\x00"), time.Now()
	d.mu.Lock()
	recent := now.Sub(d.checked[folder]) < lookGood
	d.mu.Unlock()
	if recent {
		return nil
	}
	if err := d.check(at, rel); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.checked) > mostChecked {
		clear(d.checked)
	}
	d.checked[folder] = now
	return nil
}

func (d *Disk) check(at string, rel []string) error {
	for up := at; ; up = filepath.Dir(up) { // the destination, or the nearest folder above it that is there
		if info, err := os.Stat(up); err == nil {
			if !info.IsDir() {
				return &Error{Kind: ErrDisk, Path: at, Detail: up + " is no folder", Below: at}
			}
			if up != at {
				return d.cannotWrite(up, at)
			}
			break
		} else if !errors.Is(err, os.ErrNotExist) || up == filepath.Dir(up) {
			return destinationError(at, err)
		} else if _, err := os.Lstat(up); err == nil {
			return &Error{Kind: ErrDisk, Path: at, Detail: up + " is a link to an absent folder", Below: at}
		}
	}
	for _, name := range rel {
		next := filepath.Join(at, name)
		if info, err := os.Lstat(next); err != nil || !info.IsDir() {
			break // made, or refused, on the way down
		}
		at = next
	}
	return d.cannotWrite(at, at)
}

// cannotWrite is the failure of all files below a folder that cannot be written.
func (d *Disk) cannotWrite(folder, below string) error {
	if err := d.options.Writable(folder); err != nil {
		return &Error{Kind: ErrDisk, Path: folder, Below: below, Err: err}
	}
	return nil
}
