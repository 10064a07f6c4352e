//go:build !race

package tui_test

const slow = false
