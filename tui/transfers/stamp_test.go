package transfers

import (
	"strings"
	"testing"

	"usher/backend/safetext"
)

// The text comes before the extension. The name stays one plain file name, that a file
// system can have.
func TestStampedName(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf":                      "report (x).pdf",
		"report":                          "report (x)",
		".profile":                        ".profile (x)",
		"a.tar.gz":                        "a.tar (x).gz",
		"a." + strings.Repeat("e", 30):    "a." + strings.Repeat("e", 30) + " (x)",
		strings.Repeat("ä", 110) + ".pdf": strings.Repeat("ä", 110) + " (x).pdf",
	} {
		if got := stamped(name, "(x)"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, hostile := range []string{"..", "a\x00b", "\x1b[2J", strings.Repeat("x", 700), strings.Repeat("ä", 127), ".usher-x"} {
		it := Item{Bucket: safetext.New("bucket"), Key: safetext.New("a/b/" + hostile), Version: "v", Stamp: "(2026-01-02 10.11.12)"}
		r := it.request("/root")
		if len(r.Name) > 255 || strings.ContainsAny(r.Name, "/\\\x00\x1b") || !strings.Contains(r.Name, "2026-01-02 10.11.12") || r.Dir != "/root/bucket/a/b" {
			t.Errorf("%q: %q in %q", hostile, r.Name, r.Dir)
		}
	}
}
