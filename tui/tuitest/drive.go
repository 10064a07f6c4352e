package tuitest

import (
	"reflect"

	tea "charm.land/bubbletea/v2"
)

// Drive runs a command of a page without a program around it: each message
// goes to handle, and its command runs next, until nothing is left. It returns
// the messages in their order, also those that are meant for the root. Inside
// a synctest.Test a command that waits takes no time.
func Drive(handle func(tea.Msg) tea.Cmd, cmd tea.Cmd) []tea.Msg {
	var all []tea.Msg
	for todo := []tea.Cmd{cmd}; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if next == nil {
			continue
		}
		msg := next()
		if cmds, ok := commands(msg); ok {
			todo = append(cmds, todo...)
			continue
		}
		if msg != nil {
			all = append(all, msg)
			todo = append(todo, handle(msg))
		}
	}
	return all
}

// commands gives the commands of tea.Batch and tea.Sequence; the type of the
// latter has no public name.
func commands(msg tea.Msg) ([]tea.Cmd, bool) {
	v := reflect.ValueOf(msg)
	if !v.IsValid() || !v.CanConvert(reflect.TypeFor[[]tea.Cmd]()) {
		return nil, false
	}
	return v.Convert(reflect.TypeFor[[]tea.Cmd]()).Interface().([]tea.Cmd), true
}
