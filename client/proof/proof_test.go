package proof_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/client/proof"
)

// log is a log in memory that answers like a server.
type log struct {
	*checkpointtest.Log
	events []string
	note   string // overrides the checkpoint
}

func newLog(t testing.TB, name string) *log { return &log{Log: checkpointtest.New(t, name)} }

func (l *log) add(texts ...string) *log {
	for _, text := range texts {
		l.Add([]byte(text))
	}
	l.events = append(l.events, texts...)
	return l
}

func (l *log) grow(n int) *log {
	for range n {
		l.add(fmt.Sprint("event ", len(l.events)))
	}
	return l
}

// fork returns another log of the same key with other events.
func (l *log) fork() *log { return &log{Log: l.Fork()} }

func (l *log) Latest(ctx context.Context) ([]byte, error) {
	if l.note != "" {
		return []byte(l.note), nil
	}
	return l.Log.Latest(ctx)
}

func (l *log) Checkpoint(ctx context.Context, in api.CheckpointRequest) (api.CheckpointResponse, error) {
	p, err := checkpoint.Prove(ctx, l, in.From)
	out := api.CheckpointResponse{Checkpoint: string(p.Note), From: p.From}
	for _, h := range p.Hashes {
		out.Proof = append(out.Proof, h[:])
	}
	return out, err
}

// files are state files in a folder.
type files string

func (f files) StateFile(name string) string          { return filepath.Join(string(f), name) }
func (f files) LoadState(name string) ([]byte, error) { return os.ReadFile(f.StateFile(name)) }
func (f files) SaveState(name string, data []byte) error {
	temp := f.StateFile(fmt.Sprintf("%s.%d", name, time.Now().UnixNano()))
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, f.StateFile(name))
}

// machine is one machine with its memory.
type machine struct {
	files
	now      time.Time
	restarts [][]byte
	trusted  string
}

func newMachine(t testing.TB) *machine {
	return &machine{files: files(t.TempDir()), now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
}

// visit is one process of the machine that checks a log.
func (m *machine) visit(t testing.TB, server proof.Server, key string) (*proof.Watch, proof.State, error) {
	t.Helper()
	w, err := proof.New(proof.Config{Server: server, Files: m.files, Place: "https://files.example.com", Host: "files.example.com",
		Log: api.AuditLog{Key: key, Restarts: m.restarts}, Trusted: m.trusted, Now: func() time.Time { return m.now }})
	if err != nil {
		t.Fatal(err)
	}
	state, err := w.Check(t.Context())
	return w, state, err
}

func isFraud(t testing.TB, err error, kind proof.Kind) *proof.Fraud {
	t.Helper()
	var f *proof.Fraud
	if !errors.As(err, &f) || f.Kind != kind || f.Exit() != api.ExitIntegrity {
		t.Fatalf("%v (%T), want %s", err, err, kind)
	}
	return f
}

// calls counts releases, listings and reports.
type calls struct{ release, list, complete int }

func (c *calls) Release(context.Context, api.ReleaseRequest) (api.ReleaseResponse, error) {
	c.release++
	return api.ReleaseResponse{}, nil
}

func (c *calls) List(context.Context, api.ListRequest) (api.ListResponse, error) {
	c.list++
	return api.ListResponse{}, nil
}

func (c *calls) Complete(context.Context, api.CompleteRequest) error {
	c.complete++
	return nil
}

// A log that grows is accepted, and the memory follows it.
func TestAGrowingLog(t *testing.T) {
	m, l := newMachine(t), newLog(t, "log").grow(3)
	size := int64(0)
	for _, n := range []int{0, 1, 250, 0, 1000, 13} {
		l.grow(n)
		_, state, err := m.visit(t, l, l.Signer.Key())
		if err != nil || state.Head.Size != int64(len(l.events)) || state.Before.Size != size {
			t.Fatalf("%d events: %+v (%v)", len(l.events), state, err)
		}
		size = state.Head.Size
	}
}

// A log that was rolled back, rewritten or replaced is a finding with a file of both
// notes. The finding remains until the person trusts the server again, even if the
// server shows the true log then. A machine without memory notices nothing: that is
// the control.
func TestALogThatDoesNotContinue(t *testing.T) {
	rewritten := func(l *log) *log { // one event of the past is another one
		f := l.fork()
		for i, e := range l.events {
			if i == 4 {
				e = "nothing happened"
			}
			f.add(e)
		}
		return f
	}
	for name, c := range map[string]struct {
		kind  proof.Kind
		next  func(*log) *log
		blind bool // a machine without memory notices it too
	}{
		"rolled back":            {proof.RolledBack, func(l *log) *log { return l.fork().add(l.events[:9]...) }, false},
		"rolled back to nothing": {proof.RolledBack, func(l *log) *log { return l.fork().add("one") }, false},
		"rewritten":              {proof.Forked, rewritten, false},
		"rewritten and grown":    {proof.Forked, func(l *log) *log { return rewritten(l).grow(100) }, false},
		"same size":              {proof.Forked, func(l *log) *log { f := l.fork(); f.add("x"); return f.grow(len(l.events) - 1) }, false},
		"new key":                {proof.NewKey, func(l *log) *log { return newLog(t, "log").add(l.events...) }, false},
		"other key's note": {proof.NoProof, func(l *log) *log {
			f := l.fork().add(l.events...)
			note, _ := newLog(t, "log").add(l.events...).Latest(t.Context())
			f.note = string(note)
			return f
		}, true},
		"no note": {proof.NoProof, func(l *log) *log { f := l.fork().add(l.events...); f.note = "log\n12\n"; return f }, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, l := newMachine(t), newLog(t, "log").grow(12)
			if _, _, err := m.visit(t, l, l.Signer.Key()); err != nil {
				t.Fatal(err)
			}
			next := c.next(l)
			server := proof.Server(next)
			if strings.HasPrefix(name, "no note") { // Prove refuses it
				server = raw(next.note)
			}
			w, _, err := m.visit(t, server, next.Signer.Key())
			f := isFraud(t, err, c.kind)
			if w.Fraud() == nil {
				t.Error("the process forgets the finding")
			}
			text, rerr := os.ReadFile(f.Path.Raw())
			if old, _ := l.Latest(t.Context()); rerr != nil || !strings.Contains(string(text), string(old)) {
				t.Errorf("the file has not the old note: %s (%v)", text, rerr)
			}
			w, _, err = m.visit(t, l.grow(1), l.Signer.Key())
			isFraud(t, err, c.kind)
			if !w.Due(1000 * time.Hour) {
				t.Error("a finding is not due")
			}
			if kept, err := proof.Forget(m.files, "https://files.example.com"); err != nil || kept == "" {
				t.Errorf("forgetting: %q, %v", kept, err)
			}
			if _, _, err := m.visit(t, l, l.Signer.Key()); err != nil {
				t.Errorf("after the person trusted the server again: %v", err)
			}
			blind := newMachine(t)
			if _, _, err := blind.visit(t, server, next.Signer.Key()); (err != nil) != c.blind {
				t.Errorf("a machine without memory: %v", err)
			}
		})
	}
}

// raw is a server that answers with a text as the checkpoint.
type raw string

func (r raw) Checkpoint(context.Context, api.CheckpointRequest) (api.CheckpointResponse, error) {
	return api.CheckpointResponse{Checkpoint: string(r)}, nil
}

// A restart that the old key signed is accepted, with the number of events that are
// missing. One that another key signed is not.
func TestARestart(t *testing.T) {
	old := newLog(t, "host/audit").grow(1000)
	next := newLog(t, "host/audit/2").grow(3)
	restart := func(signer *checkpoint.Signer, kept int64) []byte {
		note, err := checkpoint.SignRestart(signer, checkpoint.Restart{Head: old.Head(old.Size), Kept: kept, New: next.Signer.Key(),
			Time: time.Date(2026, 11, 28, 11, 0, 0, 0, time.UTC), Reason: "restored from the backup of Friday"})
		if err != nil {
			t.Fatal(err)
		}
		return note
	}
	for _, c := range []struct{ kept, missing int64 }{{1000, 0}, {871, 129}} {
		m := newMachine(t)
		if _, _, err := m.visit(t, old, old.Signer.Key()); err != nil {
			t.Fatal(err)
		}
		m.restarts = [][]byte{restart(old.Signer, c.kept)}
		_, state, err := m.visit(t, next, next.Signer.Key())
		if err != nil || state.Restart == nil || state.Restart.Missing != c.missing {
			t.Fatalf("%d kept: %+v (%v)", c.kept, state.Restart, err)
		}
		if text := state.Restart.String(); !strings.Contains(text, "backup of Friday") || c.missing > 0 && !strings.Contains(text, "129 events") {
			t.Error(text)
		}
		if _, state, err = m.visit(t, next.grow(1), next.Signer.Key()); err != nil || state.Restart != nil {
			t.Errorf("the restart is reported twice: %v (%v)", state.Restart, err)
		}
	}
	m := newMachine(t)
	if _, _, err := m.visit(t, old, old.Signer.Key()); err != nil {
		t.Fatal(err)
	}
	m.restarts = [][]byte{restart(newLog(t, "host/audit").Signer, 1000)}
	_, _, err := m.visit(t, next, next.Signer.Key())
	isFraud(t, err, proof.NewKey)
	trusting := newMachine(t)
	if _, _, err := trusting.visit(t, old, old.Signer.Key()); err != nil {
		t.Fatal(err)
	}
	trusting.trusted = next.Signer.Key()
	if _, _, err := trusting.visit(t, next, next.Signer.Key()); err != nil {
		t.Errorf("a key that the person accepted: %v", err)
	}
}

// A damaged memory is a finding: without it a rollback is unnoticed.
func TestADamagedMemory(t *testing.T) {
	m, l := newMachine(t), newLog(t, "log").grow(5)
	if _, _, err := m.visit(t, l, l.Signer.Key()); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.Glob(os.DirFS(string(m.files)), "checkpoint-*.json")
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	good, _ := m.LoadState(entries[0])
	for _, bad := range [][]byte{nil, []byte("{}"), good[:len(good)/2], []byte(strings.Replace(string(good), `log\n5\n`, `log\n4\n`, 1))} {
		if err := m.SaveState(entries[0], bad); err != nil {
			t.Fatal(err)
		}
		_, _, err := m.visit(t, l, l.Signer.Key())
		var damaged *proof.DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Processes of one machine that see two forks at the same time do not both accept
// theirs.
func TestTwoProcessesAndTwoForks(t *testing.T) {
	for range 20 {
		m, l := newMachine(t), newLog(t, "log").grow(7)
		if _, _, err := m.visit(t, l, l.Signer.Key()); err != nil {
			t.Fatal(err)
		}
		forks := []*log{l.fork().add(l.events...).add("a").grow(3), l.fork().add(l.events...).add("b").grow(5)}
		var wait sync.WaitGroup
		errs := make([]error, len(forks))
		for i, f := range forks {
			wait.Go(func() { _, _, errs[i] = m.visit(t, f, l.Signer.Key()) })
		}
		wait.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both have the same result: %v", errs)
		}
	}
}

// After a finding no new URL and no listing is requested, and ends are reported.
func TestTheGate(t *testing.T) {
	m, l := newMachine(t), newLog(t, "log").grow(5)
	count := &calls{}
	w, _, err := m.visit(t, l, l.Signer.Key())
	if err != nil {
		t.Fatal(err)
	}
	g := w.Gate(count)
	use := func() (errs [3]error) {
		_, errs[0] = g.Release(t.Context(), api.ReleaseRequest{})
		_, errs[1] = g.List(t.Context(), api.ListRequest{})
		errs[2] = g.Complete(t.Context(), api.CompleteRequest{})
		return errs
	}
	if errs := use(); errors.Join(errs[:]...) != nil || *count != (calls{1, 1, 1}) {
		t.Errorf("before a finding: %v, %v", errs, *count)
	}
	l.Log, l.events = l.Fork(), nil
	l.grow(2)
	_, err = w.Check(t.Context())
	isFraud(t, err, proof.RolledBack)
	errs := use()
	isFraud(t, errs[0], proof.RolledBack)
	isFraud(t, errs[1], proof.RolledBack)
	if errs[2] != nil || *count != (calls{1, 1, 2}) {
		t.Errorf("after a finding: %v, %v", errs, *count)
	}
}

// A finding of one command stops the other commands of this machine.
func TestTheGateFollowsOtherCommands(t *testing.T) {
	m, l := newMachine(t), newLog(t, "log").grow(5)
	running, _, err := m.visit(t, l, l.Signer.Key())
	if err != nil {
		t.Fatal(err)
	}
	count := &calls{}
	g := running.Gate(count)
	if _, err := g.Release(t.Context(), api.ReleaseRequest{}); err != nil {
		t.Fatal(err)
	}
	_, _, err = m.visit(t, l.fork().grow(2), l.Signer.Key())
	isFraud(t, err, proof.RolledBack)
	_, err = g.Release(t.Context(), api.ReleaseRequest{})
	isFraud(t, err, proof.RolledBack)
	_, err = g.List(t.Context(), api.ListRequest{})
	isFraud(t, err, proof.RolledBack)
	if err := g.Complete(t.Context(), api.CompleteRequest{}); err != nil || *count != (calls{1, 0, 1}) {
		t.Errorf("%v, %+v", err, *count)
	}
}
