package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/safetext/safetexttest"
)

// paste is replaced by a bracketed paste of the hostile text, count by the number of
// downloads.
const (
	paste = "PASTE"
	count = "COUNT"
)

// step is a number of keys, and the text that only the next screen has. The key edit
// changes the local files.
type step struct{ keys, want string }

const edit = "EDIT"

// sink is a place of the screen for a hostile text. The last step shows it; back contains
// the keys to the list. A named sink shows the first characters of the name of the row,
// and a sink with columns has sizes and times.
type sink struct {
	name           string
	steps          []step
	back           string
	named, columns bool
}

// sinks are played from the list, with the cursor on the row of the text.
var sinks = []sink{
	{"the list", []step{{"", "enter open"}}, "", true, true},
	{"the details", []step{{"\t", "h back to the list"}}, "h", true, false},
	{"the filter", []step{{"/" + paste, "esc clear it"}}, "\x1b", false, false},
	{"a place to go to", []step{{"\a" + paste, "tab complete"}}, "\x1b", false, false},
	{"the palette", []step{{":" + paste, "esc close"}}, "\x1b", false, false},
	{"the reader", []step{{"v", "1 range"}}, "\x1b", true, false},
	{"the transfers", []step{{"d", "verified."}, {"t", "Transfers"}}, "c\x1b", true, false},
	{"a question", []step{{edit, "enter open"}, {"d", "r replace"}}, "\x1b", false, false},
	{"the history", []step{{"t", "Transfers"}, {"H", " " + count + " file"}}, "\x1b\x1b", false, false},
	{"the marks", []step{{" ", "1 marked"}, {"M", "remove the mark"}}, "u\x1b", false, true},
}

// hostile returns the classes of hostile text of this run: every sixth, with
// USHER_SOAK=1 all.
func hostile() []string {
	var texts []string
	for i, p := range safetexttest.Payloads() {
		if i%6 == 0 || os.Getenv("USHER_SOAK") != "" {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

// tag begins the name with a text. No other part of a screen contains it.
func tag(i int) string { return fmt.Sprintf("x%02dx", i) }

// named returns the name of an object with a hostile text. A key has no NUL, and it is
// UTF-8.
func named(i int, text string) string {
	return tag(i) + strings.NewReplacer("\x00", "", "/", "").Replace(strings.ToValidUTF8(text, "?"))
}

// TestXtermSinks shows each class of hostile text in twelve places of the real
// program, at three sizes.
func TestXtermSinks(t *testing.T) {
	t.Parallel()
	texts := hostile()
	world := demotest.Start(t, demo.Options{})
	for i, text := range texts {
		world.Put(t, "company-reports", "annual/names/"+named(i, text), named(i, text)+"\n"+text+"\n")
		world.Put(t, "company-reports", "annual/below/"+named(i, text)+"/inside", text)
	}
	var renders atomic.Int64
	each := func(name string, play func(*testing.T, layout) int) {
		t.Run(name, func(t *testing.T) {
			for _, size := range layouts {
				t.Run(fmt.Sprintf("%dx%d", size.columns, size.rows), func(t *testing.T) {
					t.Parallel()
					renders.Add(int64(play(t, size)))
				})
			}
		})
	}
	each("files", func(t *testing.T, size layout) int {
		return inList(watch(signedIn(t, world, "ada"), size, "company-reports/annual/names/"), texts)
	})
	each("folders", func(t *testing.T, size layout) int {
		return inPath(watch(signedIn(t, world, "ada"), size, "company-reports/annual/below/"), texts)
	})
	each("log", func(t *testing.T, size layout) int {
		return inAudit(watch(signedIn(t, world, "grace"), size, "company-reports/"), texts)
	})
	if want := 12 * len(texts) * len(layouts); int(renders.Load()) != want {
		t.Errorf("%d renders, want %d", renders.Load(), want)
	}
	t.Logf("TERMINAL world=pty payloads=%d sinks=12 layouts=%d renders=%d emulators=4 control_bytes=0 rows_too_wide=0 columns_out_of_place=0", len(texts), len(layouts), renders.Load())
}

// inList plays the sinks of a list.
func inList(w *watched, texts []string) (renders int) {
	for i, text := range texts {
		w.list(i, len(texts))
		for _, s := range sinks {
			for k, step := range s.steps {
				// The end of a paste within a paste would be the end of this one.
				typed := "\x1b[200~" + tag(i) + strings.ReplaceAll(text, "\x1b[201~", "") + "\x1b[201~"
				if step.keys == edit {
					w.edit()
				} else {
					w.press(strings.ReplaceAll(step.keys, paste, typed))
				}
				want, last := []string{strings.ReplaceAll(step.want, count, strconv.Itoa(i+1))}, k == len(s.steps)-1
				if last && s.named {
					want = append(want, tag(i))
				}
				w.calm(s.name, last && s.columns, want...)
			}
			renders++
			w.last = s.name
			w.press(s.back)
			w.list(i, len(texts))
		}
	}
	return renders
}

// inPath opens folders with hostile names.
func inPath(w *watched, texts []string) (renders int) {
	for i := range texts {
		w.list(i, len(texts))
		w.press("l")
		w.calm("a folder", true, "inside")
		renders++
		w.press("h")
	}
	return renders
}

// inAudit shows the events of the downloads, in the table and alone. It returns the
// number of different names.
func inAudit(w *watched, texts []string) (renders int) {
	w.calm("the list", false, "enter open", "grace") // with the groups
	w.press("A")
	w.calm("the log", false, "newest first", "/ filter")
	w.press("/action:completed\r")
	w.until("the downloads", func(screen cellsOf) error {
		if !ofFilter.MatchString(screen.String()) {
			return errors.New("the events of the filter are not there")
		}
		return nil
	})
	seen := map[string]bool{}
	for range len(texts) * len(layouts) {
		w.press("\r")
		w.until("an event", func(screen cellsOf) error {
			at := anyTag.FindString(screen.String())
			if at == "" || !strings.Contains(screen.String(), "n next") {
				return errors.New("there is no event of a hostile name")
			}
			seen[at] = true
			return nil
		})
		if len(seen) == len(texts) {
			break
		}
		w.press("\x1b")
		w.calm("the log", false, "newest first")
		w.press("j")
	}
	return len(seen)
}

var (
	anyTag = regexp.MustCompile(`x\d\dx`)
	// ofFilter matches the line of a filter whose events were read.
	ofFilter = regexp.MustCompile(`(?m)^ / action:completed .* events *$`)
)

// edit changes the local files, so that a further download has a question.
func (w *watched) edit() {
	err := filepath.WalkDir(filepath.Join(w.home, "usher"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.WriteFile(path, []byte("edited"), 0o600)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) press(keys string) { _, _ = io.WriteString(w.pty, keys) }

// list waits for the list without a dialog or a field, and moves to a row of it.
func (w *watched) list(i, count int) {
	w.t.Helper()
	at := func(row string) func(cellsOf) error {
		return func(screen cellsOf) error {
			now := screen.String()
			if !strings.Contains(now, "enter open") || !strings.Contains(now, row) || strings.Contains(now, " esc ") {
				return fmt.Errorf("this is not the list with %q", row)
			}
			return nil
		}
	}
	row, there := at(fmt.Sprintf("row %d of %d, ", i+1, count)), false
	w.until("the list", func(screen cellsOf) error {
		there = row(screen) == nil
		return at(fmt.Sprintf(" of %d, ", count))(screen)
	})
	if there {
		return
	}
	keys, pressed := "g"+strings.Repeat("j", i), time.Now()
	w.press(keys)
	w.until("a row", func(screen cellsOf) error {
		err := row(screen)
		if err != nil && time.Since(pressed) > 3*time.Second {
			w.t.Logf("%v after %s: the keys to row %d are pressed again", w.size, w.last, i+1)
			w.press(keys)
			pressed = time.Now()
		}
		return err
	})
}

// calm waits for a screen with the texts that does not change.
func (w *watched) calm(what string, columns bool, texts ...string) {
	w.t.Helper()
	w.until(what, func(screen cellsOf) error {
		now := screen.String()
		for _, text := range texts {
			if !strings.Contains(now, text) {
				return fmt.Errorf("there is no %q", text)
			}
		}
		if columns {
			return inColumns(screen)
		}
		return nil
	})
}

// TestXtermUnescaped: the checks find the hostile texts if the program does not
// escape. With USHER_SOAK=1 alone, because it builds the program.
func TestXtermUnescaped(t *testing.T) {
	t.Parallel()
	if os.Getenv("USHER_SOAK") == "" {
		t.Skip("USHER_SOAK is not set")
	}
	program := unescaped(t)
	world := demotest.Start(t, demo.Options{})
	found := 0
	for i, text := range hostile() {
		name := named(i, text)
		if safetexttest.Leaks(name) == nil {
			continue // the class needs a NUL, or bytes that are not UTF-8
		}
		folder := fmt.Sprintf("annual/%s/", tag(i))
		for _, name := range []string{name, plain(name)} {
			world.Put(t, "company-reports", folder+name, "content")
		}
		w := watchProgram(signedIn(t, world, "ada"), layouts[0], program, "company-reports/"+folder)
		w.wait = 10 * time.Second
		if err := w.seen(inColumns); !errors.Is(err, errFault) {
			t.Errorf("%q: %v", name, err)
			continue
		}
		found++
	}
	t.Logf("TERMINAL world=pty escapes=off payloads=%d faults=%d", len(hostile()), found)
}

// plain returns the visible characters of a name.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if safetexttest.Leaks(string(r)) != nil {
			return -1
		}
		return r
	}, ansi.Strip(name))
}

// unescaped builds the program without the escapes of safetext.
func unescaped(t *testing.T) string {
	t.Helper()
	guard := regexp.MustCompile(`esc := (bad \|\| .*)`)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, source := t.TempDir(), filepath.Join(root, "backend/safetext/escape.go")
	code, err := os.ReadFile(source)
	if err != nil || len(guard.FindAll(code, -1)) != 1 {
		t.Fatalf("escape.go has no %v: %v", guard, err)
	}
	changed, overlay := filepath.Join(dir, "escape.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{changed: guard.ReplaceAll(code, []byte("esc := i < 0 && ($1)")), overlay: replace} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "usher")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}
