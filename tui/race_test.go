//go:build race

package tui_test

// slow reports that the race detector is on. Tests that count bytes or time keys
// take a minute with it and find nothing more.
const slow = true
