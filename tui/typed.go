package tui

import (
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"usher/tui/keys"
	"usher/tui/pane"
)

// typed passes keys, pasted texts and mouse events on in their order. A slow connection
// brings several of them at once. The effect of a key may be a message, such as the
// close of a page, which arrives after the key: the input behind this key waits for it.
//
// A terminal or tmux sends esc and a key that is typed soon after it like the key with
// alt, which no binding has: they are two keys.
type typed struct {
	waiting []tea.Msg
	seq     int // number of the last key whose messages are awaited
	pending int // its commands whose messages have not arrived
}

// received is the arrival of the messages of a command of a key.
type received struct{ seq int }

// waitOver is the end of the wait for the messages of a key.
type waitOver struct{ seq int }

// keyWait is the longest wait for the messages of a key, whose command may be a call to
// the server.
const keyWait = 50 * time.Millisecond

// maxWaiting is the number of events that wait. More of them come from a program, and
// are passed on at once.
const maxWaiting = 256

// receiver is a program behind typed.
type receiver interface {
	// input returns the command of a key, a pasted text or a mouse event. changes
	// reports whether its messages may open or close a page or a dialog.
	input(tea.Msg) (cmd tea.Cmd, changes bool)
	// message returns the command of any other message.
	message(tea.Msg) tea.Cmd
}

// update passes a message on: input after the input that waits, except Ctrl-C.
func (t *typed) update(msg tea.Msg, to receiver) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+c" {
			cmd, _ := to.input(msg)
			return cmd
		}
		t.waiting = append(t.waiting, msg)
	case tea.MouseMsg, tea.PasteMsg:
		t.waiting = append(t.waiting, msg)
	case received:
		if msg.seq == t.seq && t.pending > 0 {
			t.pending--
		}
	case waitOver:
		if msg.seq == t.seq {
			t.pending = 0
		}
	default:
		cmd := to.message(msg)
		if t.pending == 0 || cmd == nil {
			return cmd
		}
		return t.await(cmd) // of a message of the key, or beside it
	}
	return t.next(to)
}

// await counts a command of the last key.
func (t *typed) await(cmd tea.Cmd) tea.Cmd {
	t.pending++
	return tea.Sequence(cmd, pane.Send(received{t.seq}))
}

// next passes the waiting events on, up to a key with messages.
func (t *typed) next(to receiver) tea.Cmd {
	var cmds []tea.Cmd
	for len(t.waiting) > 0 && (t.pending == 0 || len(t.waiting) > maxWaiting) {
		msg := t.waiting[0]
		t.waiting = t.waiting[1:]
		if key, ok := msg.(tea.KeyPressMsg); ok {
			if second, both := afterEscape(key); both {
				msg = tea.KeyPressMsg{Code: tea.KeyEscape}
				t.waiting = append([]tea.Msg{second}, t.waiting...)
			}
		}
		cmds = append(cmds, t.pass(msg, to))
	}
	return tea.Batch(cmds...)
}

// pass passes one event on.
func (t *typed) pass(msg tea.Msg, to receiver) tea.Cmd {
	cmd, changes := to.input(msg)
	if cmd == nil || !changes {
		return cmd
	}
	t.seq++
	t.pending = 0
	end := waitOver{t.seq}
	return tea.Batch(t.await(cmd), tea.Tick(keyWait, func(time.Time) tea.Msg { return end }))
}

// afterEscape returns the key of a key press with alt. A control byte of Latin-1 has
// alt and ctrl with a capital letter, and is no key.
func afterEscape(msg tea.KeyPressMsg) (tea.KeyPressMsg, bool) {
	k := tea.Key(msg)
	if k.Mod&tea.ModAlt == 0 || k.Mod&(tea.ModMeta|tea.ModSuper|tea.ModHyper) != 0 {
		return msg, false
	}
	k.Mod &^= tea.ModAlt
	if k.Mod&tea.ModCtrl != 0 {
		return tea.KeyPressMsg(k), !unicode.IsUpper(k.Code)
	}
	if !unicode.IsPrint(k.Code) {
		return tea.KeyPressMsg(k), true
	}
	r := k.Code
	if k.Mod&tea.ModShift != 0 {
		r = unicode.ToUpper(r)
		if k.ShiftedCode != 0 {
			r = k.ShiftedCode
		}
	}
	k.Text = string(r)
	return tea.KeyPressMsg(k), true
}

// input passes an event to its place on the screen.
func (m *Model) input(msg tea.Msg) (cmd tea.Cmd, changes bool) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !m.session.phase.browsing() && m.dialogs.front() == nil { // a step of the sign-in is a call
			return m.press(msg), false
		}
		return pressed(m.env, &m.dialogs, m.front(), msg, m.press)
	case tea.MouseMsg:
		return m.mouse(msg), false
	case tea.PasteMsg:
		return m.paste(msg), false
	}
	return nil, false
}

// input is as that of Model.
func (m *LogFile) input(msg tea.Msg) (cmd tea.Cmd, changes bool) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return pressed(m.env, &m.dialogs, m.page, msg, m.press)
	case tea.MouseMsg:
		return m.mouse(msg), false
	case tea.PasteMsg:
		return tea.Batch(m.page.Handle(msg), m.dialogs.handle(msg)), false
	}
	return nil, false
}

// pressed presses a key on the dialog in front, or else on the page. A dialog that
// closes returns a command for the page or for another dialog.
func pressed(env *pane.Env, d *dialogs, page pane.Pane, key tea.KeyPressMsg, press func(tea.KeyPressMsg) tea.Cmd) (cmd tea.Cmd, changes bool) {
	if over := d.front(); over != nil {
		cmd = press(key)
		return cmd, over != d.front()
	}
	changes = changesFront(env, page, key)
	return press(key), changes
}

// changesFront reports whether the messages of a key of a page may open or close a page
// or a dialog. A text field opens and closes with the key itself.
func changesFront(env *pane.Env, page pane.Pane, key tea.KeyPressMsg) bool {
	c := page.Context()
	a, ok := env.Keys.Find(c, key.String())
	if !ok && env.Keys.Menu(c) { // the key closes the menu, and acts
		return true
	}
	return ok && !page.Typing() && keys.ChangesFront(c, a)
}
