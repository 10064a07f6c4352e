package download

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile are keys that somebody who may upload could choose, to write
// outside the destination, over another file, or into a terminal.
func hostile() []string {
	names := []string{
		// Ways out.
		"..", ".", "../x", "../../x", "a/../../x", "a/..", "a/.", "./x", "a/./b", "a/../b", "/etc/passwd", "//x", "///",
		"/", "a//b", "a/", "../../.ssh/authorized_keys", "..\\x", "..\\..\\x", "\\x", "\\\\server\\share\\x", "C:x", "C:\\x", "c:/x",
		"a:b", "x::$DATA", "%2e%2e/x", "%2e%2e%2fx", "..%2fx", "%c0%ae%c0%ae/x", "．．/x", "..／x", "∕x", "~", "~root", "~/x", "~root/x",
		".../x", "....//x", "a/b/../../../../x", ".. /x", ". ./x", "..\x00/x", "x\x00y", "trap/x", "trap/../x", "trap", "filetrap",
		// Names that systems keep for themselves.
		"CON", "con", "Con.txt", "PRN", "AUX.c", "NUL", "nul.tar.gz", "COM1", "com9.log", "LPT1", "lpt¹", "COM²", "CONIN$", "conout$.x",
		"CLOCK$", "aux /x", "con/x/nul", "x.", "x..", "x ", "x .", " x", "dir./x", "dir /x", ".", "x?", "x*", "x|y", "x<y", "x>y", "x\"y", "COM0",
		// Our own part files and marks.
		".usher-0123456789abcdef", ".usher-0123456789abcdef.json", ".USHER-0123456789abcdef", "%41", "A%", "%", "%%", "%-", "%+", "%~",
		"x%~", "x%+", "%+x", "%25", "%2541", "x%4", "%zz", "%4\x01",
		// One name on a system that does not tell case or form apart.
		"readme", "README", "Readme", "ReadMe", "é", "e\u0301", "É", "straße", "STRASSE", "ſ", "K", "K", "dir/x", "DIR/x", "Dir/y",
		// A file and a folder.
		"both", "both/in", "both/in/deep", "both%~", "x/",
		// What a terminal or a reader would take for something else.
		"\x1b[2Jx", "\x1b]52;c;AAAA\x07", "\u009b31mx", "a\rb", "a\nb", "a\tb", "\u202egpj.exe", "a\u200bb", "a\u200db", "\ufeffx", "\u2028x",
		"x\u00a0y", "ᅠ", "\u3164", "\xff\xfe", "\xc3", "a\xc3\x28", "\u00ad", "\U000e0041", "👩\u200d🚀", "❤\ufe0f",
		// Long ones.
		strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("é", 300), strings.Repeat("\x01", 500), strings.Repeat("%41", 300),
		strings.Repeat("d/", 400) + "x", strings.Repeat("/", 500), strings.Repeat("L", 1000) + "/f",
		".bashrc", ".git/hooks/post-checkout", "desktop.ini", "-rf", "--help", "$(id)", "`id`", "x;rm -rf y", "x'y",
	}
	seen := map[string]bool{}
	out := names[:0]
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// windowsTakes tells whether Windows would store a component under this very name.
func windowsTakes(name string) error {
	switch {
	case name == "", name == ".", name == "..":
		return errors.New("it is no name")
	case strings.ContainsAny(name, `\/:*?"<>|`), !utf8.ValidString(name):
		return errors.New("it holds a forbidden character")
	case strings.HasSuffix(name, "."), strings.HasSuffix(name, " "):
		return errors.New("Windows drops its end")
	case len(name) > 255:
		return errors.New("it is too long")
	}
	for _, r := range name {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return errors.New("it holds a control character")
		}
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	for _, d := range strings.Fields("CON PRN AUX NUL CONIN$ CONOUT$ COM0 COM1 COM2 COM9 COM¹ COM² COM³ LPT0 LPT1 LPT¹") {
		if strings.TrimRight(base, " ") == d {
			return errors.New("it is a device")
		}
	}
	return nil
}

func TestLocalNames(t *testing.T) {
	names := hostile()
	if len(names) < 120 {
		t.Fatalf("%d names", len(names))
	}
	plain, folded := map[string]string{}, map[string]string{}
	for _, key := range names {
		for _, form := range []nameForm{portableForm, strictForm} {
			local, strict := localName(key, form), form == strictForm
			for _, part := range strings.Split(local, "/") {
				if err := windowsTakes(part); err != nil {
					t.Errorf("%q becomes %q: %v", key, local, err)
				}
			}
			if !filepath.IsLocal(local) {
				t.Errorf("%q becomes %q, which leads out", key, local)
			}
			if back, err := KeyOf(local); err != nil || back != key {
				t.Errorf("%q becomes %q and comes back as %q, %v", key, local, back, err)
			}
			seen, as := plain, local
			if strict {
				seen, as = folded, strings.ToLower(strings.ToUpper(local))
			}
			if other, ok := seen[as]; ok {
				t.Errorf("%q and %q are both %q", key, other, local)
			}
			seen[as] = key
		}
	}
	for _, key := range []string{"report.pdf", "a/b c/日本語.txt", "50% off.txt", "x (1).tar.gz", ".hidden", "Ünïcödé.md", "a+b=c,d;e@f.csv"} {
		if LocalName(key) != key {
			t.Errorf("%q need not become %q", key, LocalName(key))
		}
	}
}

func FuzzLocalName(f *testing.F) {
	for _, n := range hostile() {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if len(key) > 1024 {
			return
		}
		for _, form := range []nameForm{localForm, portableForm, strictForm} {
			local := localName(key, form)
			if back, err := KeyOf(local); err != nil || back != key {
				t.Fatalf("%q → %q → %q, %v", key, local, back, err)
			}
			for _, part := range strings.Split(local, "/") {
				if err := windowsTakes(part); err != nil && form != localForm {
					t.Fatalf("%q → %q: %v", key, local, err)
				}
			}
		}
	})
}

// TestLocalForm: on a file system that takes any name, only what harms a
// terminal or a reader is escaped, and names still read back and stay below.
func TestLocalForm(t *testing.T) {
	seen := map[string]string{}
	for _, key := range hostile() {
		local := localName(key, localForm)
		if back, err := KeyOf(local); err != nil || back != key {
			t.Errorf("%q becomes %q and comes back as %q, %v", key, local, back, err)
		}
		for _, part := range strings.Split(local, "/") {
			if part == "" || part == "." || part == ".." || len(part) > 255 || !utf8.ValidString(part) || hasFoldPrefix(part, partMark) ||
				strings.ContainsFunc(part, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("%q becomes %q", key, local)
			}
		}
		if other, ok := seen[local]; ok {
			t.Errorf("%q and %q are both %q", key, other, local)
		}
		seen[local] = key
	}
	for key, want := range map[string]string{
		"10:00.log": "10:00.log", "Screenshot 2026-11-28 at 9.41\u202fAM.png": "", "what?.txt": "", "a*b|c<d>e\"f": "", `a\b`: "", "ends.": "", "ends ": "",
		"~notes": "", "CON": "", "nul.txt": "", "x\u00a0y": "", "x\u3000y": "",
		"a\u034fb": "a%CD%8Fb", "a\u17b4b": "a%E1%9E%B4b", "a\u200bb": "a%E2%80%8Bb", "a\u2028b": "a%E2%80%A8b", "\u202egpj.exe": "%E2%80%AEgpj.exe",
		"a\x1bb": "a%1Bb", "..": "%2E%2E", "50%": "", "%41": "%2541",
	} {
		if want == "" {
			want = key
		}
		if got := localName(key, localForm); got != want {
			t.Errorf("%q becomes %q, want %q", key, got, want)
		}
	}
}

// TestNamesOfTheDestination: the form follows the file system and the request.
func TestNamesOfTheDestination(t *testing.T) {
	for _, row := range []struct {
		windows bool
		names   Names
		want    string
	}{{false, LocalNames, "10:00.log"}, {false, PortableNames, "10%3A00.log"}, {true, LocalNames, "10%3A00.log"}} {
		if runtime.GOOS == "windows" {
			row.want = "10%3A00.log"
		}
		w := newWorld(t)
		w.put("b/f/10:00.log", []byte("x"), "CRC64NVME")
		e, dir := w.engine(func(c *Config) { c.hooks.windowsNames = func(string) bool { return row.windows } }), scratch(t)
		e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir, Names: row.names})
		wait(t, e)
		if _, err := os.Stat(filepath.Join(dir, "f", row.want)); err != nil {
			t.Errorf("%+v: %v%s", row, err, failures(e))
		}
	}
}
