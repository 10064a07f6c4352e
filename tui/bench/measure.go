package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// candidate is a program that shows the folder.
type candidate struct {
	name, install string
	args          []string
	key           string   // moves the cursor down
	env           []string // beside that of all
	first         string   // the start of a name on the first screen
	home          string
}

// result is the measurement of one program.
type result struct {
	name     string
	err      error
	bytes    float64 // of a move, the mean
	p50, p99 time.Duration
	frame    time.Duration // from the start to the first text
	first    time.Duration // from the start to the first rows
	memory   int64         // resident, bytes; 0: unknown
	idle     int           // bytes of a time at rest
}

// Times of a measurement.
const (
	limit   = 20 * time.Second       // for the first rows
	still   = 300 * time.Millisecond // without output: a screen is complete
	between = 40 * time.Millisecond  // without output before a key
	answer  = 2 * time.Second        // longest time of a frame
	rest    = time.Second
)

// measure plays the moves in a new process.
func measure(ctx context.Context, c candidate, cols, rows, moves int) (r result) {
	if r.err = os.MkdirAll(c.home, 0o700); r.err != nil {
		return r
	}
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.home
	cmd.Env = append([]string{
		"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "COLORTERM=truecolor", "LANG=C.UTF-8", "TZ=UTC", "SSH_TTY=/dev/pts/0",
	}, c.env...)
	began := time.Now()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)})
	if err != nil {
		r.err = fmt.Errorf("starting %s: %w", c.name, err)
		return r
	}
	s := watch(f, cols, rows)
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = f.Close()
	}()
	at, ok := s.shows(c.first, limit)
	if !ok {
		r.err = errors.New("no rows: " + strings.Join(strings.Fields(s.text()), " "))
		return r
	}
	r.first, r.frame = at.Sub(began), s.drawn().Sub(began)
	s.quiet(still)
	before, _ := s.state()
	var times []time.Duration
	for range moves {
		s.quiet(between)
		n, _ := s.state()
		pressed := time.Now()
		if _, r.err = f.WriteString(c.key); r.err != nil {
			return r
		}
		took := s.more(n, pressed)
		if took >= answer {
			r.err = errors.New("no frame after a key")
			return r
		}
		times = append(times, took)
	}
	s.quiet(still)
	after, _ := s.state()
	r.bytes = float64(after-before) / float64(moves)
	slices.Sort(times)
	r.p50, r.p99 = times[len(times)/2], times[len(times)*99/100]
	r.memory = resident(cmd.Process.Pid)
	time.Sleep(rest)
	end, _ := s.state()
	r.idle = end - after
	return r
}

// terminal is the emulated terminal of a program.
type terminal struct {
	mu    sync.Mutex
	cond  *sync.Cond
	em    *vt.SafeEmulator
	frame sync.Mutex // of the text of em, which its own lock does not cover
	total int
	last  time.Time
	begun time.Time // of the first text
	ended bool
}

func watch(f *os.File, cols, rows int) *terminal {
	s := &terminal{em: vt.NewSafeEmulator(cols, rows), last: time.Now()}
	s.cond = sync.NewCond(&s.mu)
	go func() { // the responses of the terminal
		b := make([]byte, 4096)
		for {
			n, err := s.em.Read(b)
			if err != nil {
				return
			}
			_, _ = f.Write(b[:n])
		}
	}()
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := f.Read(b)
			now := time.Now()
			s.mu.Lock()
			s.total += n
			s.last = now
			s.ended = err != nil
			s.cond.Broadcast()
			s.mu.Unlock()
			if err != nil {
				return
			}
			s.frame.Lock()
			_, _ = s.em.Write(b[:n])
			if s.begun.IsZero() && strings.TrimSpace(s.em.String()) != "" {
				s.begun = now
			}
			s.frame.Unlock()
		}
	}()
	return s
}

func (s *terminal) state() (total int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.last
}

func (s *terminal) text() string {
	s.frame.Lock()
	defer s.frame.Unlock()
	return s.em.String()
}

// drawn returns the time of the first text.
func (s *terminal) drawn() time.Time {
	s.frame.Lock()
	defer s.frame.Unlock()
	return s.begun
}

// shows waits for a text and returns the time of the output that has it.
func (s *terminal) shows(text string, limit time.Duration) (time.Time, bool) {
	for began := time.Now(); time.Since(began) < limit; time.Sleep(2 * time.Millisecond) {
		if strings.Contains(s.text(), text) {
			_, last := s.state()
			return last, true
		}
	}
	return time.Time{}, false
}

// quiet waits until there was no output for a time.
func (s *terminal) quiet(d time.Duration) {
	for began := time.Now(); time.Since(began) < limit; time.Sleep(2 * time.Millisecond) {
		if _, last := s.state(); time.Since(last) >= d {
			return
		}
	}
}

// more waits for output after n bytes, and returns its time since the press of a key.
func (s *terminal) more(n int, pressed time.Time) time.Duration {
	expired := time.AfterFunc(answer, s.cond.Broadcast)
	defer expired.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.total == n && !s.ended && time.Since(pressed) < answer {
		s.cond.Wait()
	}
	if s.total == n {
		return answer
	}
	return s.last.Sub(pressed)
}
