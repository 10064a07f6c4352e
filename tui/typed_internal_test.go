package tui

import (
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// keyLog notes the keys that reach it. The messages of each may change the page.
type keyLog struct{ got []string }

func (p *keyLog) input(msg tea.Msg) (tea.Cmd, bool) {
	p.got = append(p.got, msg.(tea.KeyPressMsg).String())
	return func() tea.Msg { return nil }, true
}

func (p *keyLog) message(tea.Msg) tea.Cmd { return nil }

// A key waits for the messages of the key before it, but not for those of an earlier
// one. Ctrl-C does not wait, and of many keys only some do.
func TestKeysWait(t *testing.T) {
	key := func(r rune) tea.KeyPressMsg { return tea.KeyPressMsg{Code: r, Text: string(r)} }
	p, order := &keyLog{}, &typed{}
	want := func(all ...string) {
		t.Helper()
		if !slices.Equal(p.got, all) {
			t.Fatalf("%q, want %q", p.got, all)
		}
	}
	for _, r := range "abcd" {
		order.update(key(r), p)
	}
	want("a")
	order.update(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}, p)
	want("a", "ctrl+c")
	order.update(received{order.seq}, p)
	want("a", "ctrl+c", "b")
	order.update(received{order.seq - 1}, p)
	order.update(waitOver{order.seq - 1}, p)
	want("a", "ctrl+c", "b")
	order.update(waitOver{order.seq}, p)
	want("a", "ctrl+c", "b", "c")
	for range 2 * maxWaiting {
		order.update(key('x'), p)
	}
	if n := len(order.waiting); n != maxWaiting {
		t.Errorf("%d keys wait, want %d", n, maxWaiting)
	}
}
