package copymenu

import (
	"strings"

	"usher/backend/safetext"
	"usher/client/quantity"
	"usher/tui/pane"
)

// Refusal is a refusal of the server, with its path if the page knows it.
type Refusal struct {
	Path     string // "" if it is not known
	Sentence string // with the request ID
}

// Admin is the content of the text for an administrator.
type Admin struct {
	Me       *pane.Me
	Server   string
	Files    []File
	Listed   string    // request ID of the open listing
	Refusals []Refusal // the last ones, newest first
}

// Text returns the result. It has no secret: a request ID is a place in the log.
func (a Admin) Text() Result {
	const most = 20 // paths
	var out []string
	add := func(label, value string) {
		if value != "" {
			out = append(out, label+": "+safetext.Line(value))
		}
	}
	person := a.Me.Name.Raw()
	if mail := a.Me.Email.Raw(); mail != "" && mail != person {
		person += " (" + mail + ")"
	}
	add("Person", person)
	groups := make([]string, len(a.Me.Groups))
	for i, g := range a.Me.Groups {
		groups[i] = g.Raw()
	}
	add("Groups", strings.Join(groups, ", "))
	add("Server", a.Server)
	for i, f := range a.Files {
		if i == most {
			add("Path", "and "+quantity.Plural(len(a.Files)-i, "more", "more"))
			break
		}
		add("Path", f.label())
	}
	for _, r := range a.Refusals {
		text := r.Sentence
		if r.Path != "" {
			text = safetext.Line(r.Path) + ": " + text
		}
		out = append(out, "Refused: "+text)
	}
	add("Listing", request(a.Listed))
	return Result{Title: "text for your administrator", text: strings.Join(out, "\n")}
}

func request(id string) string {
	if id == "" {
		return ""
	}
	return "request " + id
}
