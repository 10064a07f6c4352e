// Package nametest holds hostile object keys for tests of local names.
package nametest

import "strings"

// Hostile returns keys that an attacker with upload rights could choose, to write
// outside the destination, over another file, or to a terminal.
func Hostile() []string {
	names := []string{
		// Paths out of the destination.
		"..", ".", "../x", "../../x", "a/../../x", "a/..", "a/.", "./x", "a/./b", "a/../b", "/etc/passwd", "//x", "///",
		"/", "a//b", "a/", "../../.ssh/authorized_keys", "..\\x", "..\\..\\x", "\\x", "\\\\server\\share\\x", "C:x", "C:\\x", "c:/x",
		"a:b", "x::$DATA", "%2e%2e/x", "%2e%2e%2fx", "..%2fx", "%c0%ae%c0%ae/x", "．．/x", "..／x", "∕x", "~", "~root", "~/x", "~root/x",
		".../x", "....//x", "a/b/../../../../x", ".. /x", ". ./x", "..\x00/x", "x\x00y", "trap/x", "trap/../x", "trap", "filetrap",
		// Reserved names.
		"CON", "con", "Con.txt", "PRN", "AUX.c", "NUL", "nul.tar.gz", "COM1", "com9.log", "LPT1", "lpt¹", "COM²", "CONIN$", "conout$.x",
		"CLOCK$", "aux /x", "con/x/nul", "x.", "x..", "x ", "x .", " x", "dir./x", "dir /x", ".", "x?", "x*", "x|y", "x<y", "x>y", "x\"y", "COM0",
		// usher's own part files and escapes.
		".usher-0123456789abcdef", ".usher-0123456789abcdef.json", ".USHER-0123456789abcdef", "%41", "A%", "%", "%%", "%-", "%+", "%~",
		"x%~", "x%+", "%+x", "%25", "%2541", "x%4", "%zz", "%4\x01",
		// One name on a system that ignores case or Unicode form.
		"readme", "README", "Readme", "ReadMe", "é", "e\u0301", "É", "straße", "STRASSE", "ſ", "K", "K", "dir/x", "DIR/x", "Dir/y",
		// A file and a folder.
		"both", "both/in", "both/in/deep", "both%~", "x/",
		// Names that mislead a terminal or a reader.
		"\x1b[2Jx", "\x1b]52;c;AAAA\x07", "\u009b31mx", "a\rb", "a\nb", "a\tb", "\u202egpj.exe", "a\u200bb", "a\u200db", "\ufeffx", "\u2028x",
		"x\u00a0y", "ᅠ", "\u3164", "\xff\xfe", "\xc3", "a\xc3\x28", "\u00ad", "\U000e0041", "👩\u200d🚀", "❤\ufe0f",
		// Long names.
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
