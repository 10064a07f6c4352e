package pane

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/client"
)

// Pauses passes the pauses of one call to Update. The client reports each pause
// on the goroutine of the call. Next is a command that returns it as a message.
// A page runs Next again after each message, until the call ends.
type Pauses struct{ waits chan client.Wait }

// NewPauses returns the Pauses of one call.
func NewPauses() Pauses { return Pauses{make(chan client.Wait, 1)} }

// Context returns the context of the call. A pause is dropped while an earlier one
// is still unread: a page shows the latest state, not the number of pauses.
func (p Pauses) Context(ctx context.Context) context.Context {
	return client.WithWait(ctx, func(w client.Wait) {
		select {
		case p.waits <- w:
		default:
		}
	})
}

// Done ends Next after the call.
func (p Pauses) Done() { close(p.waits) }

// Next waits for a pause and returns its message, nil after Done.
func (p Pauses) Next(message func(client.Wait) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		w, ok := <-p.waits
		if !ok {
			return nil
		}
		return message(w)
	}
}

// Pause describes a pause in a few words. It replaces "listing" or "counting".
func Pause(w client.Wait) string {
	if w.Code == api.RateLimited {
		return "the server is busy, waiting"
	}
	return "the server failed, trying again"
}
