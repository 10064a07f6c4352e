package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/browse"
	"usher/tui/format"
	"usher/tui/pane"
)

// Notice is the signal of the terminal at an arrival in a watched folder, and at the
// end of a long batch of downloads.
type Notice int

// Signals. NoticeOSC9 is that of iTerm2, WezTerm, ghostty and kitty, NoticeOSC777
// that of rxvt-unicode and foot.
const (
	NoticeBell Notice = iota
	NoticeOff
	NoticeOSC9
	NoticeOSC777
)

// ParseNotice returns the signal of a word of the configuration: off, bell, osc, or ""
// for bell. term is the TERM of the environment.
func ParseNotice(word, term string) (Notice, error) {
	switch word {
	case "", "bell":
		return NoticeBell, nil
	case "off":
		return NoticeOff, nil
	case "osc":
		if strings.HasPrefix(term, "rxvt") || strings.HasPrefix(term, "foot") {
			return NoticeOSC777, nil
		}
		return NoticeOSC9, nil
	}
	return NoticeOff, fmt.Errorf("notify is off, bell or osc, not %s", safetext.Line(word))
}

// noticeCells is the largest width of a notification.
const noticeCells = 120

// sequence returns the bytes of a signal. The text begins with a name of its own:
// some terminals read OSC 9 with a number as a command (ConEmu).
func (n Notice) sequence(text safetext.Text) string {
	say := format.End("usher: "+text.String(), noticeCells, "...")
	switch n {
	case NoticeBell:
		return "\a"
	case NoticeOSC9:
		return "\x1b]9;" + say + "\a"
	case NoticeOSC777:
		return "\x1b]777;notify;usher;" + say + "\a"
	}
	return ""
}

// signal sends a signal to the terminal.
func (m *Model) signal(text safetext.Text) tea.Cmd {
	if seq := m.deps.Notice.sequence(text); seq != "" {
		return tea.Raw(seq)
	}
	return nil
}

// arrived shows new rows of the watched folder, and downloads the chosen ones.
func (m *Model) arrived(a browse.Arrived) tea.Cmd {
	say := quantity.Plural(len(a.Names), "new name", "new names") + " in " + a.Folder.Raw() + ": " + a.Names[0].Raw()
	if n := len(a.Names) - 1; n > 0 {
		say += " and " + quantity.Count(n) + " more"
	}
	text := safetext.New(say)
	cmds := []tea.Cmd{pane.Send(pane.Say{Text: text, Tone: pane.Good}), m.signal(text)}
	if len(a.Entries) > 0 {
		cmds = append(cmds, m.transfers.Fetch(items(a.Entries)))
	}
	return tea.Batch(cmds...)
}
