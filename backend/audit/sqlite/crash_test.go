package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// crashEnv names a log. If it is set, the test binary is a server that appends
// to this log until it is killed.
const crashEnv = "USHER_AUDIT_CRASH_LOG"

// crashKey names a file with the keys of the log. If it is set, the server also
// shows checkpoints.
const crashKey = "USHER_AUDIT_CRASH_KEY"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := appendUntilKilled(path, os.Stdout); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendUntilKilled appends batches of different sizes from several goroutines.
// It prints each batch after its acknowledgment.
func appendUntilKilled(path string, out io.Writer) error {
	var signer *checkpoint.Signer
	if file := os.Getenv(crashKey); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		secret, public, _ := strings.Cut(string(raw), "\n")
		if signer, err = checkpoint.NewSigner(secret, public); err != nil {
			return err
		}
	}
	s, err := Open(Config{Path: path, Signer: signer})
	if err != nil {
		return err
	}
	start, err := s.Count(context.Background())
	if err != nil {
		return err
	}
	errs := make(chan error)
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				n := 1 + (i+g)%9
				batch := recent(1_000_000*int(start+1)+100_000*g+10*i, n)
				if err := s.Append(context.Background(), batch); err != nil {
					errs <- err
					return
				}
				// One write for each line, so no line is printed in part.
				fmt.Fprintf(out, "ack %s %d\n", batch[0].ID, n)
				if g > 0 || signer == nil {
					continue
				}
				note, err := s.Checkpoint(context.Background())
				if err != nil {
					errs <- err
					return
				}
				fmt.Fprintf(out, "note %q\n", note)
			}
		}()
	}
	return <-errs
}

func TestEveryAcknowledgedEventSurvivesKill9(t *testing.T) {
	const rounds = 12
	path := filepath.Join(t.TempDir(), "audit.db")
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	var acknowledged []string
	var kept []tree.Head
	for round := range rounds {
		acknowledged = append(acknowledged, killAfter(t, path, 1+r.IntN(60))...)
		s, err := Open(Config{Path: path})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		found, err := s.Get(t.Context(), acknowledged)
		if err != nil || len(found) != len(acknowledged) {
			t.Errorf("round %d: %d events were acknowledged, %d were found (%v)", round, len(acknowledged), len(found), err)
		}
		head := whole(t, s)
		for _, old := range kept {
			if at, err := proofs(t.Context(), s.on(s.db)).At(old.Size); err != nil || at != old {
				t.Errorf("round %d: the first %d records changed (%v)", round, old.Size, err)
			}
		}
		kept = append(kept, head)
		if n, err := s.Count(t.Context()); err != nil || n != head.Size {
			t.Errorf("round %d: %d counted, %d in the log (%v)", round, n, head.Size, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, %d events acknowledged", rounds, len(acknowledged))
}

// killAfter runs the server, kills it after a number of acknowledgments, and
// returns the ids of all acknowledged events.
func killAfter(t *testing.T, path string, acks int) []string {
	t.Helper()
	ids, _ := killShowing(t, path, acks)
	return ids
}

// killShowing is killAfter. It also returns the checkpoints that the server
// showed.
func killShowing(t *testing.T, path string, acks int) (ids, notes []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if quoted, ok := strings.CutPrefix(lines.Text(), "note "); ok {
			note, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatal(err)
			}
			notes = append(notes, note)
			continue
		}
		word := strings.Fields(lines.Text())
		if word[0] != "ack" || len(word) != 3 {
			t.Fatalf("unexpected output %q", lines.Text())
		}
		first, err1 := strconv.Atoi(word[1])
		n, err2 := strconv.Atoi(word[2])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			ids = append(ids, sample(first+i).ID)
		}
		if acks--; acks <= 0 && !killed {
			killed = true
			if _, err := Open(Config{Path: path}); !errors.Is(err, ErrLocked) { // one writer only
				t.Errorf("opened beside another process: %v", err)
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || !killed {
		t.Fatalf("the server ended by itself: %v", err)
	}
	return ids, notes
}

// A kill does not test the sync of commits, because the kernel keeps the pages.
// This test checks SQLite's settings instead.
func TestCommitsAreSynced(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "audit.db"))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} { // 2 is FULL
		var got string
		if err := s.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v)", pragma, got, err)
		}
	}
}
