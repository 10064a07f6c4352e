package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A trigger in the file of a running server is found within an hour, also without an
// event.
func TestATriggerIsFoundWithinAnHour(t *testing.T) {
	path, signer := filepath.Join(t.TempDir(), "audit.db"), newSigner(t)
	for _, kind := range []string{"trigger", "control"} {
		synctest.Test(t, func(t *testing.T) {
			s, err := Open(Config{Path: path, Signer: signer})
			if err != nil {
				t.Fatal(err)
			}
			if kind == "trigger" {
				write(t, path, `CREATE TRIGGER quiet AFTER INSERT ON records BEGIN DELETE FROM records WHERE seq = new.seq; END`)
			}
			time.Sleep(time.Hour + time.Second)
			synctest.Wait()
			_ = s.Close() // the writer has ended
			if errors.Is(s.writer.broken, ErrTampered) != (kind == "trigger") {
				t.Errorf("%s: %v", kind, s.writer.broken)
			}
		})
		write(t, path, `DROP TRIGGER IF EXISTS quiet`)
	}
}
