package pane

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/client"
)

// Pauses brings the pauses of one call to Update. The client reports each
// pause on the goroutine of the call; Next is a command that returns it as a
// message. A page sends Next again after each message, until the call is over.
type Pauses struct{ waits chan client.Wait }

// NewPauses is for one call.
func NewPauses() Pauses { return Pauses{make(chan client.Wait, 1)} }

// Context is for the call. While an earlier pause is not fetched, a further
// one is dropped: the page shows that there are pauses, not how many.
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

// Next waits for a pause and makes a message of it; nil after Done.
func (p Pauses) Next(message func(client.Wait) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		w, ok := <-p.waits
		if !ok {
			return nil
		}
		return message(w)
	}
}

// Pause is a pause in a few words, for a place where "listing" or "counting"
// is shown otherwise.
func Pause(w client.Wait) string {
	if w.Code == api.RateLimited {
		return "the server is busy, waiting"
	}
	return "the server failed, trying again"
}
