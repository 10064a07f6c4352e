package tuitest

import "strings"

// HostileNames returns a name of each class of terminal attack, and of each class
// that breaks layouts.
func HostileNames() []string {
	names := []string{
		"bell\a", "back\b\bspace", "tab\tname", "line\nfeed", "vertical\vtab", "form\ffeed", "carriage\rreturn", "shift\x0eout", "shift\x0fin", "delete\x7f",
		"move\x1b[2;2Hcursor", "clear\x1b[2J", "clear\x1b[3Jscrollback", "report\x1b[6n", "attributes\x1b[c", "title\x1b[21t", "screen\x1b[?1049h", "keys\x1b[>4;2m", "paste\x1b[200~",
		"c1\x9b2J", "utf8 c1\u009b2J", "osc\x1b]0;title\a", "osc\x1b]2;title\x1b\\", "color\x1b]4;1;?\a", "color\x1b]10;?\a", "dir\x1b]7;file:///\a",
		"link\x1b]8;;http://x\aclick\x1b]8;;\a", "notify\x1b]9;hello\a", "notify\x1b]777;notify;a;b\a", "font\x1b]50;x\a", "clip\x1b]52;c;aGk=\a", "read\x1b]52;c;?\a", "prompt\x1b]133;A\a", "file\x1b]1337;File=:\a",
		"dcs\x1bP$q\"p\x1b\\", "apc\x1b_Gf=100\x1b\\", "pm\x1b^x\x1b\\", "sos\x1bXx\x1b\\", "reset\x1bc", "align\x1b#8", "charset\x1b(0", "open\x1b]0;never ends",
		"rtl\u202egpj.exe", "isolate\u2067x\u2069", "mark\u200f", "arabic mark\u061c", "zero\u200bwidth", "zerowidth", "joiner\u200d", "bom\ufeff", "soft\u00adhyphen", "line\u2028sep", "para\u2029sep",
		"tag\U000e0041", "variation\ufe0f", "filler\u3164", "braille\u2800", "marks" + strings.Repeat("\u0301", 12), "bad\xff\xfe utf8", "nul\x00byte",
		"wide 財務諸表-日本語版-" + strings.Repeat("漢字", 30) + ".pdf", "emoji 👩\u200d👩\u200d👧.png", strings.Repeat("long", 250) + ".txt", "flag 🇫🇷.png", "e\u0301 combined", "../../.ssh/authorized_keys", "..", ".",
	}
	return names
}
