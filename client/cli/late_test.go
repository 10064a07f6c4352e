package cli

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writes keeps what each write brought.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got writes
		l := &late{to: &got}
		say := func(s string) { _, _ = l.Write([]byte(s)) }
		say("one\n")
		time.Sleep(lateness / 2)
		say("two\n")
		if len(got) != 0 {
			t.Errorf("%q at once", got)
		}
		time.Sleep(lateness/2 + time.Millisecond)
		synctest.Wait()
		if len(got) != 1 || got[0] != "one\ntwo\n" {
			t.Errorf("%q after a while", got)
		}
		say("three\n")
		l.flush()
		l.flush()
		if len(got) != 2 || got[1] != "three\n" {
			t.Errorf("%q at the end", got)
		}
		say(strings.Repeat("x", lateMost))
		if len(got) != 3 {
			t.Errorf("%d bytes are held", lateMost)
		}
		time.Sleep(time.Second)
		if len(got) != 3 {
			t.Errorf("%d writes", len(got))
		}
	})
}
