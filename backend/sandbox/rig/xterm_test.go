package rig

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
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

// cellsOf are the characters of a screen by row and column. The second cell of a wide
// character is "".
type cellsOf [][]string

// watched is the real program in a pty. Its bytes go to x/vt and to xterm.js.
type watched struct {
	t       *testing.T
	size    layout
	pty     *os.File
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
	w := &watched{t: t, size: size, vt: vt.NewEmulator(size.columns, size.rows)}
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
	w := newEmulators(p.t, size)
	cmd := exec.Command(tool(p.t, "USHER_RIG_USHER"), path)
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
	own := make(cellsOf, w.size.rows)
	for y := range own {
		own[y] = make([]string, w.size.columns)
		for x := range own[y] {
			if c := w.vt.CellAt(x, y); c != nil && c.Width > 0 {
				own[y][x] = c.Content
			}
		}
	}
	all["x/vt"] = own
	return all
}

// until waits until the screens of all emulators pass a check.
func (w *watched) until(what string, check func(cellsOf) error) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		fresh := slices.Clone(w.all[w.passed:])
		w.passed = len(w.all)
		w.mu.Unlock()
		if err := w.write(fresh); err != nil {
			w.t.Fatalf("%s at %v: %v", what, w.size, err)
		}
		err = nil
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
			return
		}
	}
	w.t.Fatalf("%s at %v: %v", what, w.size, err)
}

func (s cellsOf) String() string {
	var b strings.Builder
	for _, row := range s {
		b.WriteString(strings.TrimRight(strings.Join(row, ""), " ") + "\n")
	}
	return b.String()
}

// sameLines compares the lines between panes and around boxes.
func sameLines(all map[string]cellsOf) error {
	for name, screen := range all {
		for y, row := range screen {
			for x, c := range row {
				if own := all["x/vt"][y][x]; (c == "│" || own == "│") && c != own {
					return fmt.Errorf("%s: row %d: %q at column %d, not %q\n%s\n%s", name, y, c, x, own, strings.Join(row, ""), strings.Join(all["x/vt"][y], ""))
				}
			}
		}
	}
	return nil
}

// parser finds control characters that do not draw, whatever the parts of the output.
type parser struct{ rest string }

var (
	drawing = regexp.MustCompile(`^\x1b(\[[0-9;:<=>? ]*[!$ ]?[mABCDEFGHWdJKLXMPST@hlruqbIpnc]|[M78]|\](2;usher|9;4;|10;|11;|112)[^\x07\x1b]*(\x07|\x1b\\))`)
	partial = regexp.MustCompile(`^\x1b(\[[0-9;:<=>?! $]*|\][^\x07]{0,1000})?$`)
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
				return fmt.Errorf("a sequence of no use: %.40q", s)
			}
		case r == utf8.RuneError && n == 1 && !utf8.FullRuneInString(s):
			p.rest = s
			return nil
		case r == utf8.RuneError && n == 1 || r == '\x7f' || r >= 0x80 && r < 0xa0 || r < ' ' && !strings.ContainsRune("\r\n\b\t", r) || unicode.Is(unicode.Bidi_Control, r):
			return fmt.Errorf("a character that acts: %.40q", s)
		}
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
			if strings.HasPrefix(strings.Join(row[x:], ""), "Size  Modified") {
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
			return fmt.Errorf("a column is not in its place: %s", text)
		}
		if seen[name] {
			return fmt.Errorf("two names look the same: %s", text)
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
	p := newPerson(t, w)
	for _, a := range w.People {
		if a.Username == "ada" {
			p.usher(a.Password+"\n", "login", "--username", "ada", "--password-stdin")
		}
	}
	return p
}

// TestXtermNames shows random names in the real program, a page at a time: 400 of
// them, with USHER_SOAK=1 100,000.
func TestXtermNames(t *testing.T) {
	t.Parallel()
	count := 400
	if os.Getenv("USHER_SOAK") != "" {
		count = 100_000
	}
	random := rand.New(rand.NewPCG(19, 6))
	names := map[string]bool{}
	for len(names) < count {
		names[fmt.Sprintf("%s%d", randomName(random), len(names))] = true
	}
	var all []string
	for name := range names {
		all = append(all, name)
	}
	p := ada(t, all)
	pages := 0
	for i, size := range layouts {
		if i > 0 && count > 1000 {
			break
		}
		w := watch(p, size, "company-reports/annual/names/")
		w.until("the first page", inColumns)
		for last := ""; ; {
			at := ""
			w.until("a page", func(s cellsOf) error {
				m := position.FindStringSubmatch(s.String())
				if m == nil || m[1] == last && m[2] != "100" {
					return fmt.Errorf("no further page than %s", last)
				}
				at = m[1]
				if m[2] == "100" {
					at = "end"
				}
				return inColumns(s)
			})
			pages++
			if at == "end" {
				break
			}
			last = at
			_, _ = io.WriteString(w.pty, "\x1b[6~")
		}
	}
	t.Logf("TERMINAL world=pty names=%d pages=%d emulators=4 control_bytes=0 columns_out_of_place=0 alike=0", count, pages)
}

var position = regexp.MustCompile(`row ([\d,]+) of [\d,]+(?: and more)?, (\d+)%`)

// randomName returns a name that a bucket takes: any text but NUL and "/".
func randomName(random *rand.Rand) string {
	scripts := []*unicode.RangeTable{unicode.Devanagari, unicode.Bengali, unicode.Tamil, unicode.Thai, unicode.Khmer, unicode.Tibetan, unicode.Myanmar, unicode.Arabic, unicode.Hangul, unicode.Han, unicode.Mn, unicode.Mc, unicode.So, unicode.L, unicode.Cf}
	payloads := safetexttest.Payloads()
	var b strings.Builder
	for range 1 + random.IntN(8) {
		switch random.IntN(5) {
		case 0:
			b.WriteString(payloads[random.IntN(len(payloads))].Text)
		case 1:
			b.WriteRune(rune(random.IntN(0x2fff)))
		case 2:
			b.WriteString("file-")
		default:
			table := scripts[random.IntN(len(scripts))]
			for range 1 + random.IntN(5) {
				b.WriteRune(in(table, random))
			}
		}
	}
	name := strings.ToValidUTF8(b.String(), "?")
	return strings.NewReplacer("\x00", "", "/", "").Replace(name)
}

// in returns a character of a table.
func in(table *unicode.RangeTable, random *rand.Rand) rune {
	n := random.IntN(len(table.R16) + len(table.R32))
	if n < len(table.R16) {
		r := table.R16[n]
		return rune(r.Lo) + rune(random.IntN(int(r.Hi-r.Lo)/int(r.Stride)+1))*rune(r.Stride)
	}
	r := table.R32[n-len(table.R16)]
	return rune(r.Lo) + rune(random.IntN(int(r.Hi-r.Lo)/int(r.Stride)+1))*rune(r.Stride)
}

// TestXtermControls: the checks find unescaped texts, and names that only have the
// cells of one measure.
func TestXtermControls(t *testing.T) {
	t.Parallel()
	for _, p := range safetexttest.Payloads() {
		var control parser
		if err := control.read([]byte("\x1b[1;1H" + p.Text + "\x1b[m ")); err == nil && safetexttest.Leaks(p.Text) != nil && strings.ContainsFunc(p.Text, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\r\n\b\t\x1b", r) }) {
			t.Errorf("%s is not found", p.Name)
		}
	}
	// As many spaces as the name has cells in x/vt, which measures characters.
	w := newEmulators(t, layout{80, 6})
	head := "   Name" + strings.Repeat(" ", 25) + "Size  Modified\r\n"
	row := "   मौसम-रिपोर्ट.csv" + strings.Repeat(" ", 18) + "12 B  2026-07-10\r\n\r\n"
	if err := w.write([]byte(head + row)); err != nil {
		t.Fatal(err)
	}
	for name, screen := range w.screens() {
		err := inColumns(screen)
		if name == "x/vt" && err != nil || (name == "6" || name == "11") && err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
