//go:build race

package tui_test

// slow reports that the race detector is on: counting bytes and timing keys
// learns nothing from it and takes a minute.
const slow = true
