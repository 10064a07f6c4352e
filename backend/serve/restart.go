package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// Files of a restart, beside the key file.
const (
	restartsSuffix = ".restarts" // signed restarts in base64, one a line, the oldest first
	nextSuffix     = ".next"     // key of a restart that is not complete
)

// Restarted is the result of RestartFile.
type Restarted struct {
	Events int64    // of the old log, as far as they are known
	Kept   int64    // of the old log, in the kept file
	Files  []string // of the old log, under their new names
	Key    string   // public key of the new log
}

// errNextKey: a restart was interrupted.
var errNextKey = errors.New("a restart of the audit log is not complete: run usher audit restart again")

// RestartFile begins a new audit log in place of that of a configuration file, or,
// if config is empty, of the log at path with the key beside it. No server may run.
// The old files are kept. The restart is signed by the old key before any file is
// renamed; after an interruption, another call completes it.
func RestartFile(ctx context.Context, config, path, reason string, d Deps) (Restarted, error) {
	c := Config{Audit: path, AuditKey: filepath.Join(filepath.Dir(path), auditKeyName)}
	if config != "" {
		var err error
		if c, err = Load(config); err != nil {
			return Restarted{}, err
		}
	}
	if table(c.Audit) != "" {
		return Restarted{}, errors.New("the audit log is a DynamoDB table, which cannot be restarted")
	}
	r, err := restart(ctx, c, reason, d)
	if err != nil {
		return r, fmt.Errorf("restarting the audit log: %w", err)
	}
	return r, nil
}

func restart(ctx context.Context, c Config, reason string, d Deps) (Restarted, error) {
	done, err := restarts(c.AuditKey)
	if err != nil {
		return Restarted{}, err
	}
	next, err := readSigner(c.AuditKey + nextSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if next, err = nextKey(c, len(done)+2, d); err != nil {
			return Restarted{}, err
		}
	case err != nil:
		return Restarted{}, err
	}
	last, err := announced(c, done, next)
	if err != nil {
		return Restarted{}, err
	}
	if last == nil { // not signed yet
		signer, err := readSigner(c.AuditKey)
		if err != nil {
			return Restarted{}, fmt.Errorf("reading the key of the old log: %w", err)
		}
		old, err := sqlite.Inspected(ctx, c.Audit)
		if err != nil {
			return Restarted{}, err
		}
		last = &checkpoint.Restart{Old: signer.Key(), Head: old.Head, Kept: old.Kept, New: next.Key(), Time: d.Now(), Reason: reason}
		signed, err := checkpoint.SignRestart(signer, *last)
		if err != nil {
			return Restarted{}, err
		}
		done = append(done, signed)
		if err := writeRestarts(c.AuditKey, done); err != nil {
			return Restarted{}, err
		}
	}
	r := Restarted{Events: last.Head.Size, Kept: last.Kept, Key: next.Key()}
	n := len(done)
	if r.Files, err = sqlite.SetAside(c.Audit, n); err != nil {
		return r, err
	}
	return r, replaceKey(c.AuditKey, n)
}

// nextKey creates the key of the log number n.
func nextKey(c Config, n int, d Deps) (*checkpoint.Signer, error) {
	old, err := readSigner(c.AuditKey)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the old log: %w", err)
	}
	if n > api.MaxRestarts {
		return nil, fmt.Errorf("the log was restarted %d times: move its files away, and let each person trust the server again with usher configure", n-1)
	}
	name := strings.TrimSuffix(old.Name(), fmt.Sprintf("/%d", n-1))
	if err := createKey(c.AuditKey+nextSuffix, fmt.Sprintf("%s/%d", name, n), d.Rand); err != nil {
		return nil, err
	}
	return readSigner(c.AuditKey + nextSuffix)
}

// announced returns the last restart if its new key is next.
func announced(c Config, done [][]byte, next *checkpoint.Signer) (*checkpoint.Restart, error) {
	if len(done) == 0 {
		return nil, nil
	}
	// The old key file may be renamed already: its name is in the restart itself.
	for _, key := range []string{c.AuditKey, aside(c.AuditKey, len(done))} {
		signer, err := readSigner(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r, err := signer.OpenRestart(done[len(done)-1]); err == nil && r.New == next.Key() {
			return &r, nil
		}
	}
	return nil, nil
}

func aside(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }

// replaceKey keeps the old key under another name, and puts the next one in its
// place.
func replaceKey(path string, n int) error {
	if _, err := os.Lstat(aside(path, n)); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path, aside(path, n)); err != nil {
			return err
		}
	}
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// restarts returns the signed restarts of a key file's log, the oldest first.
func restarts(key string) ([][]byte, error) {
	if key == "" { // of a log in a table
		return nil, nil
	}
	raw, err := os.ReadFile(key + restartsSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, line := range strings.Fields(string(raw)) {
		signed, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", key+restartsSuffix, err)
		}
		all = append(all, signed)
	}
	return all, nil
}

func writeRestarts(key string, all [][]byte) error {
	var b bytes.Buffer
	for _, signed := range all {
		b.WriteString(base64.StdEncoding.EncodeToString(signed) + "\n")
	}
	path := key + restartsSuffix
	f, err := os.OpenFile(path+nextSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the entries of a folder durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // needs no sync of directories and supports none
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// recordRestart records, as the first event of a new log, the restart that began it.
func recordRestart(ctx context.Context, c Config, store logStore, log *audit.Log) error {
	n, err := store.Count(ctx)
	if err != nil || n > 0 {
		return err
	}
	done, err := restarts(c.AuditKey)
	if err != nil || len(done) == 0 {
		return err
	}
	old, err := readSigner(aside(c.AuditKey, len(done)))
	if err != nil {
		return fmt.Errorf("reading the key of the previous log: %w", err)
	}
	r, err := old.OpenRestart(done[len(done)-1])
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("%s; the previous log had %d events with the root %s, of which %d are kept", r.Reason, r.Head.Size, r.Head.Root, r.Kept)
	if err := log.Record(ctx, event.Event{Action: event.LogRestarted, Outcome: event.Allowed, Reason: reason}); err != nil {
		return fmt.Errorf("recording the restart of the audit log: %w", err)
	}
	return nil
}
