package rig

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/safetext/safetexttest"
)

// layout is the size of a terminal.
type layout struct{ columns, rows int }

var layouts = []layout{{80, 24}, {120, 40}, {200, 50}}

// patience is the longest time until a screen is right.
const patience = time.Minute

// errFault is a hostile text that acts, a column out of place, or two names alike.
var errFault = errors.New("a fault")

// cellsOf are the characters of a screen by row and column. The second cell of a wide
// character is "".
type cellsOf [][]string

// watched is the real program in a pty. Its bytes go to x/vt and to xterm.js.
type watched struct {
	t       *testing.T
	size    layout
	pty     *os.File
	home    string
	last    string        // the sink before
	wait    time.Duration // the longest time until a screen is right
	mu      sync.Mutex
	all     []byte // mu
	passed  int    // bytes of all that the emulators have
	vt      *vt.Emulator
	control parser
	xterm   io.Writer
	dumps   *bufio.Reader
}

// newEmulators starts x/vt and xterm.js without a program.
func newEmulators(t *testing.T, size layout) *watched {
	t.Helper()
	w := &watched{t: t, size: size, wait: patience, vt: vt.NewEmulator(size.columns, size.rows)}
	go func() { _, _ = io.Copy(io.Discard, w.vt) }()
	cmd := exec.CommandContext(t.Context(), "node", "xterm.mjs")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	w.xterm, w.dumps = in, bufio.NewReader(out)
	w.send(map[string]any{"size": []int{size.columns, size.rows}})
	return w
}

// watch starts the program with a path in the home of a person.
func watch(p person, size layout, path string) *watched {
	return watchProgram(p, size, tool(p.t, "USHER_RIG_USHER"), path)
}

func watchProgram(p person, size layout, program, path string) *watched {
	w := newEmulators(p.t, size)
	w.home = p.home
	cmd := exec.Command(program, path)
	cmd.Env, cmd.Dir = append(p.env, "TERM=xterm-256color", "SSH_TTY=/dev/pts/0"), p.home
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(size.rows), Cols: uint16(size.columns)})
	if err != nil {
		p.t.Fatal(err)
	}
	w.pty = f
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := f.Read(buf)
			w.mu.Lock()
			w.all = append(w.all, buf[:n]...)
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = f.Close()
		<-done
	})
	return w
}

func (w *watched) send(v any) {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.xterm.Write(append(line, '\n'))
	}
	if err != nil {
		w.t.Fatalf("xterm.js: %v", err)
	}
}

// write gives bytes to the emulators. A byte of no use is an error of the test.
func (w *watched) write(b []byte) error {
	_, _ = w.vt.Write(b)
	w.send(map[string]any{"write": base64.StdEncoding.EncodeToString(b)})
	return w.control.read(b)
}

// screens returns the cells of all emulators.
func (w *watched) screens() map[string]cellsOf {
	w.send(map[string]any{"dump": true})
	line, err := w.dumps.ReadBytes('\n')
	var all map[string]cellsOf
	if err == nil {
		err = json.Unmarshal(line, &all)
	}
	if err != nil {
		w.t.Fatalf("xterm.js: %v", err)
	}
	all["x/vt"] = w.own()
	return all
}

// own returns the cells of x/vt.
func (w *watched) own() cellsOf {
	own := make(cellsOf, w.size.rows)
	for y := range own {
		own[y] = make([]string, w.size.columns)
		for x := range own[y] {
			if c := w.vt.CellAt(x, y); c != nil && c.Width > 0 {
				own[y][x] = c.Content
			}
		}
	}
	return own
}

// until waits until the screens of all emulators pass a check.
func (w *watched) until(what string, check func(cellsOf) error) {
	w.t.Helper()
	if err := w.seen(check); err != nil {
		w.t.Fatalf("%s at %v: %v", what, w.size, err)
	}
}

// seen is until with an error. The screens are read after a pause of the output, and
// x/vt first, because it needs no process.
func (w *watched) seen(check func(cellsOf) error) error {
	err := errors.New("there is no output")
	for end := time.Now().Add(w.wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		fresh := slices.Clone(w.all[w.passed:])
		w.passed = len(w.all)
		w.mu.Unlock()
		if err := w.write(fresh); err != nil {
			return err
		}
		if len(fresh) > 0 {
			continue
		}
		own := w.own()
		if err = check(own); err != nil {
			err = fmt.Errorf("x/vt: %w\n%s", err, own)
			continue
		}
		screens := w.screens()
		for name, screen := range screens {
			if e := check(screen); e != nil {
				err = fmt.Errorf("%s: %w\n%s", name, e, screen)
				break
			}
		}
		if err == nil {
			err = sameLines(screens)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

func (s cellsOf) String() string {
	var b strings.Builder
	for _, row := range s {
		b.WriteString(strings.TrimRight(strings.Join(row, ""), " ") + "\n")
	}
	return b.String()
}

// sameLines compares the lines between panes and around boxes. A row that is wider than
// the screen continues on the next.
func sameLines(all map[string]cellsOf) error {
	for name, screen := range all {
		for y, row := range screen {
			if len(row) != len(all["x/vt"][y]) {
				return fmt.Errorf("%w: %s: row %d is wider than the screen: %s", errFault, name, y-1, strings.Join(screen[y-1], ""))
			}
			for x, c := range row {
				if own := all["x/vt"][y][x]; (c == "│" || own == "│") && c != own {
					return fmt.Errorf("%w: %s: row %d: %q at column %d, not %q\n%s\n%s", errFault, name, y, c, x, own, strings.Join(row, ""), strings.Join(all["x/vt"][y], ""))
				}
			}
		}
	}
	return nil
}

// parser finds the characters of an output that act on a terminal without drawing, and
// those that no reader sees.
type parser struct {
	rest  string // the beginning of a sequence or of a character
	marks int    // combining marks on the last letter
}

var (
	drawing = regexp.MustCompile(`^\x1b(\[[0-9;:<=>? ]*[!$ ]?[mABCDEFGHWdJKLXMPST@hlruqbIpnc]|[M78]|\](2;usher|9;4;|10;|11;|112)[^\x07\x1b]*(\x07|\x1b\\))`)
	partial = regexp.MustCompile(`^\x1b(\[[0-9;:<=>?! $]*|\][^\x07\x1b]{0,1000}\x1b?)?$`)
)

func (p *parser) read(b []byte) error {
	s := p.rest + string(b)
	p.rest = ""
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\x1b':
			if seq := drawing.FindString(s); seq != "" {
				n = len(seq)
			} else if partial.MatchString(s) {
				p.rest = s
				return nil
			} else {
				return fmt.Errorf("%w: a sequence of no use: %.40q", errFault, s)
			}
		case r == utf8.RuneError && n == 1 && !utf8.FullRuneInString(s):
			p.rest = s
			return nil
		case unicode.Is(unicode.M, r):
			if p.marks++; p.marks > 4 || safetexttest.Leaks("a"+s[:n]) != nil {
				return fmt.Errorf("%w: a mark too many: %.40q", errFault, s)
			}
			s = s[n:]
			continue
		case !strings.ContainsRune("\r\n\b\t", r) && safetexttest.Leaks(s[:n]) != nil:
			return fmt.Errorf("%w: a character that acts or is invisible: %.40q", errFault, s)
		}
		p.marks = 0
		s = s[n:]
	}
	return nil
}

// inColumns checks a list of files: sizes and times are below their titles, and no two
// names look the same.
func inColumns(screen cellsOf) error {
	size, modified, head := -1, -1, -1
	for y, row := range screen {
		for x := range row {
			if row[x] == "S" && strings.HasPrefix(strings.Join(row[x:], ""), "Size  Modified") {
				size, modified, head = x, x+6, y
			}
		}
	}
	if head < 0 {
		return fmt.Errorf("there is no list")
	}
	start := 0 // of the names
	for x := range size {
		if screen[head][x] == "│" {
			start = x + 1
		}
	}
	seen := map[string]bool{}
	for _, row := range screen[head+1 : len(screen)-2] {
		text := strings.Join(row, "")
		name := strings.Join(row[start+1:size-5], "") // without the sign of the cursor
		if strings.TrimSpace(name) == "" {
			continue
		}
		if row[size+3] != "B" || !date.MatchString(strings.Join(row[modified:modified+10], "")) {
			return fmt.Errorf("%w: a column is not in its place: %s", errFault, text)
		}
		if seen[name] {
			return fmt.Errorf("%w: two names look the same: %s", errFault, text)
		}
		seen[name] = true
	}
	if len(seen) == 0 {
		return fmt.Errorf("the list is empty")
	}
	return nil
}

var date = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// ada signs in. Her folder has the objects.
func ada(t *testing.T, names []string) person {
	w := demotest.Start(t, demo.Options{})
	for _, name := range names {
		w.Put(t, "company-reports", "annual/names/"+name, strings.Repeat(name+"\n", 3))
	}
	return signedIn(t, w, "ada")
}

// signedIn returns a person with a home directory of its own.
func signedIn(t *testing.T, w *demotest.Demo, name string) person {
	p := newPerson(t, w)
	for _, a := range w.People {
		if a.Username == name {
			p.usher(a.Password+"\n", "login", "--username", name, "--password-stdin")
		}
	}
	return p
}
