package tui

import (
	tea "charm.land/bubbletea/v2"

	"usher/tui/browse"
	"usher/tui/pane"
)

// CompareLog is compareLog.
var CompareLog = compareLog

// Links is links.
var Links = links

// AnsweredRequest reports whether a key that sends a request for access sends another one
// between the response and the end of the dialog.
func AnsweredRequest(env *pane.Env, requests Requests, press tea.KeyPressMsg) bool {
	a := newAccessRequest(env, "", requests, browse.RequestAccess{Path: "builds/"})
	a.Key(press)
	a.Handle(requested{of: a})
	_, cmd := a.Key(press)
	return cmd != nil
}
