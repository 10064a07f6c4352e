package access

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Do runs an action of the page's context.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	v := p.top()
	switch a {
	case keys.Back, keys.Quit:
		return p.leave()
	case keys.Filter:
		p.edit()
		return nil
	case keys.Grants:
		return p.ask(p.view(grants, pane.Target{}, safetext.Text{}))
	case keys.OpenRequests:
		return p.ask(p.view(requests, pane.Target{}, safetext.Text{}))
	}
	if v == nil {
		return nil
	}
	switch a {
	case keys.Enter:
		return p.enter(v)
	case keys.Parent:
		return p.leave()
	case keys.CanSee:
		return p.ask(p.view(can, pane.Target{}, v.about()))
	case keys.Reload:
		v.retried = false
		return p.ask(v)
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: v.copied()})
	case keys.Approve, keys.Decline:
		return pane.Send(dialog.Show{Dialog: newReply(p, v.current().request, a == keys.Approve)})
	}
	if v.list != nil {
		v.list.Move(a)
		if v.list.Cursor() == len(v.lines)-1 {
			return p.askMore(v)
		}
		return nil
	}
	pane.Scroll(&v.port, a)
	return nil
}

// Click implements pane.Clicks for a list.
func (p *Pane) Click(x, y int) (tea.Cmd, bool) {
	v := p.top()
	if v == nil || v.list == nil || len(v.lines) == 0 || p.w >= besideFrom && x >= p.w*11/20 {
		return nil, false
	}
	again, _ := v.list.Click(y - 2) // below head and names of columns
	return nil, again
}

// enter opens the row under the cursor: the explanation of a person's access to a
// file (a query), the grants of a group or person for a folder or a request (already
// loaded), or the readers of a path (a query).
func (p *Pane) enter(v *view) tea.Cmd {
	l := v.current()
	switch {
	case l.request != nil:
	case v.kind != who:
		return p.ask(p.view(who, l.grant.at, safetext.Text{}))
	case l.person != nil && !v.folder():
		return p.ask(p.view(why, v.at, l.person.name))
	}
	p.stop()
	to := p.view(reach, v.at, safetext.Text{})
	to.of, to.ans = l, v.ans
	p.push(to)
	return nil
}

// copied returns the text for y: a path, or the log's form of the grant under the
// cursor.
func (v *view) copied() safetext.Text {
	l := v.current()
	switch {
	case l.request != nil:
		return l.request.at.Text()
	case v.kind == who && l.grant != nil:
		return l.grant.text
	case v.list != nil && l.grant != nil:
		return l.grant.at.Text()
	case v.kind == can:
		return v.user
	}
	return v.at.Text()
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Pane) Why(a keys.Action) safetext.Text { return safetext.New(p.whyNot(a)) }

// whyNot is that reason, raw; "" without one.
func (p *Pane) whyNot(a keys.Action) string {
	v := p.top()
	if v == nil {
		return ""
	}
	l := v.current()
	switch a {
	case keys.Enter:
		switch {
		case l == (line{}):
			return "There is nothing here to open."
		case v.kind == reach && l.request != nil:
			return "The request is shown in full."
		}
	case keys.CanSee:
		switch {
		case v.kind == can:
			return "This is what " + v.user.Raw() + " can see."
		case v.about().IsZero():
			return "What can they see: move to a person."
		}
	case keys.Grants:
		switch {
		case !p.Env.Me.In(p.Group):
			return "The list of all grants needs group " + p.Group.Raw() + "."
		case v.kind == grants:
			return "All grants are shown."
		}
	case keys.OpenRequests:
		switch {
		case !p.Env.Me.In(p.Group):
			return "The open requests need group " + p.Group.Raw() + "."
		case v.kind == requests:
			return "The open requests are shown."
		}
	case keys.Approve, keys.Decline:
		if l.request == nil {
			return "There is no request here."
		}
	case keys.Reload:
		if v.kind == reach {
			return "Refresh: press " + p.Env.Keys.Shown(keys.Access, keys.Back) + ", then refresh the list."
		}
	case keys.CopyPath:
		if v.copied().IsZero() {
			return "There is no path here."
		}
	}
	return ""
}

// leave cancels a pending query, else closes a view, else closes the page.
func (p *Pane) leave() tea.Cmd {
	top := p.top()
	waits := p.asked != nil && p.asked.view != top
	p.stop()
	if waits {
		return nil
	}
	if p.top() == top {
		p.pop()
	}
	if p.top() == nil {
		return pane.Send(pane.Close{})
	}
	return nil
}

// edit opens the text field.
func (p *Pane) edit() {
	p.typing, p.wrong = true, ""
	p.field.Open("")
	p.dirty()
}

// Typing is true while a person or a path is typed.
func (p *Pane) Typing() bool { return p.typing }

// Key handles a key press in the text field.
func (p *Pane) Key(msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		p.typing = false
		p.dirty()
		return nil
	case "enter":
		return p.submit()
	case "up", "down":
		p.field.Recall(msg.String() == "up")
	default:
		p.field.Take(msg)
	}
	p.wrong = ""
	return nil
}

// submit sends the typed query, or shows the mistake in it.
func (p *Pane) submit() tea.Cmd {
	text := p.field.Value()
	if strings.TrimSpace(text) == "" {
		p.typing = false
		p.dirty()
		return nil
	}
	k, at, user, wrong := parse(text)
	if p.wrong = wrong; wrong != "" {
		return nil
	}
	p.typing = false
	p.field.Keep()
	return p.ask(p.view(k, at, user))
}

// parse parses the typed text: a person, a path (bucket/key, unchanged, with spaces
// at its end), or a person and a path. Neither a bucket nor a user name contains a
// space (Amazon S3, "Bucket naming rules"; Cognito, Username: no pattern class for
// separators), so the three forms are unambiguous.
func parse(text string) (k kind, at pane.Target, user safetext.Text, wrong string) {
	text = strings.TrimLeft(text, " ")
	head, _, path := strings.Cut(text, "/")
	if !path {
		name := strings.TrimSpace(text)
		if strings.Contains(name, " ") {
			return 0, at, user, "A path has a slash: bucket/key. A user name has no space."
		}
		return can, at, safetext.New(name), ""
	}
	if i := strings.LastIndexByte(head, ' '); i >= 0 {
		user, text = safetext.New(strings.TrimSpace(head[:i])), text[i+1:]
	}
	if strings.Contains(user.Raw(), " ") {
		return 0, at, user, "Type one person and one path, with a space between them."
	}
	where, err := api.ParsePath(text)
	switch {
	case err != nil:
		return 0, at, user, pane.Sentence(err, "").String()
	case where.IsRoot():
		return 0, at, user, "A path begins with its bucket: bucket/key."
	}
	at = pane.At(where)
	if !user.IsZero() && !where.IsFolder() {
		return why, at, user, ""
	}
	return who, at, user, ""
}

// Hints returns the keys for the key line, most useful first.
func (p *Pane) Hints() []keys.Action {
	if p.typing {
		return nil
	}
	all := []keys.Action{keys.Enter, keys.CanSee, keys.Filter, keys.Back, keys.Grants, keys.OpenRequests, keys.CopyPath, keys.Help}
	switch p.Context() {
	case keys.Places:
		all = []keys.Action{keys.Enter, keys.Filter, keys.CopyPath, keys.Back, keys.Grants, keys.OpenRequests, keys.Help}
	case keys.Because:
		all = []keys.Action{keys.CanSee, keys.Filter, keys.CopyPath, keys.Back, keys.Grants, keys.OpenRequests, keys.Help}
	case keys.Requests:
		all = []keys.Action{keys.Enter, keys.Approve, keys.Decline, keys.Back, keys.CanSee, keys.CopyPath, keys.Filter, keys.Help}
	}
	if p.Env.Me.OpenRequests > 0 { // it is the reason to come here
		all = append([]keys.Action{keys.OpenRequests}, slices.DeleteFunc(all, func(a keys.Action) bool { return a == keys.OpenRequests })...)
	}
	return slices.DeleteFunc(all, func(a keys.Action) bool { return !p.Why(a).IsZero() })
}

// Label returns the number of open requests for their key.
func (p *Pane) Label(a keys.Action) string {
	if n := p.Env.Me.OpenRequests; a == keys.OpenRequests && n > 0 {
		return quantity.Plural(n, "request", "requests")
	}
	return ""
}
