package tuitest

import (
	"reflect"

	tea "charm.land/bubbletea/v2"
)

// Drive runs a command of a page without the root. It passes each message to handle
// and runs the returned command, until no command is left. It returns all messages
// in order, including those for the root. Use it in a synctest.Test, where timers
// take no time.
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

// commands returns the commands of a tea.Batch or tea.Sequence. The type of the
// latter is not exported.
func commands(msg tea.Msg) ([]tea.Cmd, bool) {
	v := reflect.ValueOf(msg)
	if !v.IsValid() || !v.CanConvert(reflect.TypeFor[[]tea.Cmd]()) {
		return nil, false
	}
	return v.Convert(reflect.TypeFor[[]tea.Cmd]()).Interface().([]tea.Cmd), true
}
