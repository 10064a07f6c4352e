package browse

import (
	"cmp"
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/pane"
)

// RequestAccess is a message to the root that opens the dialog of a request for access.
type RequestAccess struct {
	Path string // raw; "" if there is none to begin with
	Open bool   // the person sees files or folders below Path
}

// Format keeps untrusted text out of all output.
func (RequestAccess) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "request access") }

// requestAccess requests access to a typed path. Without one, the path is the open folder
// if it is empty, because its page names the key; else the missed path; else the open
// folder.
func (p *Pane) requestAccess(typed string) tea.Cmd {
	here, l := p.Target().Path(), p.now()
	r := RequestAccess{Path: typed}
	switch empty := p.here.location.bucket != "" && p.here.location.query == "" && l.complete() && l.n == 0; {
	case typed != "":
	case p.missed != "" && !empty:
		r.Path = p.missed
	default:
		r.Path = here
	}
	r.Open = r.Path == here && p.sees(p.here.location)
	return pane.Send(r)
}

// miss keeps the path that was not found: the typed one, if a path was typed. The next
// folder or file that the person opens ends it.
func (p *Pane) miss(at location) { p.missed = cmp.Or(p.wanted, at.path()) }

// sees reports whether there is a row in a folder, or in the result of a search below it.
func (p *Pane) sees(at location) bool {
	for _, s := range []location{at, at.base()} {
		if l, ok := p.store[s]; ok && l.n > 0 && at.bucket != "" {
			return true
		}
	}
	return false
}

// correct opens the field with a typed path again, of which there is nothing. It leaves a
// field alone in which the person types already.
func (p *Pane) correct() tea.Cmd {
	typed := p.wanted
	p.wanted = ""
	if typed == "" || p.typing != notTyping {
		return nil
	}
	p.typeInto(going, typed)
	return nil
}

// offer is a sentence with the key of a request for access, "" where none is possible
// or the field is open, which has a key of its own.
func (p *Pane) offer() string {
	if !p.Requests || p.wanted != "" || p.typing != notTyping {
		return ""
	}
	return " " + p.Env.Keys.Shown(keys.Browser, keys.Request) + " requests access."
}

// absent returns the sentence of a folder that is not found. The offer comes before the
// request ID, which a narrow window leaves out.
func (p *Pane) absent(err error) safetext.Text {
	var refused *api.Error
	offer := p.offer()
	if offer == "" || !errors.As(err, &refused) || refused.Code != api.NotFound {
		return pane.Sentence(err, p.Server)
	}
	say := api.Lookup(api.NotFound).Sentence + offer
	if refused.RequestID != "" {
		say += " (request " + refused.RequestID + ")"
	}
	return safetext.New(say)
}
