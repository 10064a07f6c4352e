package seed

import (
	"strings"

	"usher/backend/sandbox/s3"
)

// HostilePrefix is the folder of hostile names in Datasets.
const HostilePrefix = "public/hostile/"

// hostileNames returns names that a partner with upload rights may choose. Each is
// a valid S3 key of at most 1,024 bytes with the prefix.
func hostileNames() []string {
	return []string{
		// For the terminal.
		"\x1b[2J\x1b[31mred.txt",                     // CSI: clear the screen, color
		"\x1b]52;c;cm0gLXJmIH4K\x07clip.txt",         // OSC 52: write the clipboard
		"\x1b]0;root@prod\x07title.txt",              // OSC 0: window title
		"\x1b]8;;http://evil.example/\x1b\\link.txt", // OSC 8: hyperlink
		"\x1bPq#0;2;0;0;0#0~~@@\x1b\\sixel.txt",      // DCS
		"\x1bc-reset.txt",                            // RIS
		"\u009b2Jc1.txt",                             // C1 CSI in UTF-8
		"\x1b[6nreport.txt",                          // DSR: the terminal replies on stdin
		"carriage\rreturn.txt", "line\nfeed.txt", "two\r\nlines.txt", "tab\there.txt", "bell\x07.txt",
		"back\b\b\b\bspace.txt", "delete\x7f.txt", "line\u2028separator.txt", "nul\x00byte.txt",
		// For the eye.
		"invoice\u202efdp.exe",                 // right-to-left override: looks like exe.pdf
		"\u2066isolate\u2069-report.txt",       // bidi isolates
		"quarterly.csv", "quarter\u200bly.csv", // differ in a zero-width space
		"p\u0430yroll.csv", "payroll.csv", // Cyrillic а and Latin a
		"tags-\U000e0041\U000e0042.txt",                // invisible tag characters
		"blank-\u3164.txt",                             // Hangul filler
		"deep" + strings.Repeat("\u0301", 60) + ".txt", // sixty combining marks
		// For the file system.
		"../../.ssh/authorized_keys", "..", ".", "./hidden.txt", "a/../b.txt", "/etc/passwd", "//server/share.txt",
		"empty//segment.txt", "C:\\Windows\\win.ini", "..\\..\\boot.ini", "%2e%2e%2fencoded.txt",
		"CON", "aux.txt", "NUL.tar.gz", "COM1.log", "trailing-dot.", "trailing-space ", " leading-space.txt",
		"README.txt", "readme.TXT", // one file on a case-insensitive file system
		"a", "a/b", // a file and a folder of one name
		"marker/", "marker/inside.txt", // a folder marker, and
		"heavy/",         // not a marker: it has bytes
		"stream.txt:ads", // alternate data stream
		"~", "$HOME", "*?<>|\".txt",
		// For the shell and the spreadsheet.
		"-rf", "--output=owned.txt", "$(touch owned).txt", "`id`.txt", "; rm -rf ~.txt",
		"=cmd|' /C calc'!A0.csv", "+1+1.csv", "@SUM(A1).csv",
		// For limits.
		strings.Repeat("x", 255) + ".txt", // a byte too many for most file systems
		strings.Repeat("d/", 60) + "deep.txt",
	}
}

func (l *loader) hostile() {
	l.bucket = Datasets
	when := day(2026, 11, 18)
	for _, name := range hostileNames() {
		key := HostilePrefix + name
		switch {
		case name == "marker/":
			l.folder(key, when)
		default:
			l.put(key, when, s3.Object{Content: text("This file is harmless; its name is the test.\n"), ContentType: "text/plain"})
		}
	}
	l.put(longestKey(), when, s3.Object{Content: text("This name is 1,024 bytes long.\n"), ContentType: "text/plain"})
	// 2 TiB without storage. A checksum is omitted: it would take minutes.
	l.put(HostilePrefix+"2-tib.bin", when, s3.Object{Content: noise(2, 2<<40), NoChecksum: true, PartSize: 1 << 30})
}

// longestKey returns a key of exactly 1,024 bytes, with characters of three bytes
// and segments that are valid file names.
func longestKey() string {
	key := HostilePrefix
	for i := 0; len(key) < 1024-3; i++ {
		if i%80 == 79 {
			key += "/"
		} else {
			key += "長"
		}
	}
	return key + strings.Repeat("x", 1024-len(key))
}
