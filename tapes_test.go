//go:build !nosandbox

package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The recorded sessions play through: each text that a tape waits for comes after its
// keys. Pauses are for a viewer, so the test skips them.
func TestTapes(t *testing.T) {
	if testing.Short() {
		t.Skip("played without the race detector")
	}
	for _, tape := range []string{"demo.tape", "docs/auditor.tape"} {
		t.Run(tape, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(tape)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := open(t, nil, 116, 33, "demo")
			waits := 0
			_, keys, _ := strings.Cut(string(text), "Wait+Screen") // the shell before it starts the demo
			for line := range strings.Lines("Wait+Screen" + keys) {
				if playLine(t, s, strings.TrimSpace(line)) {
					waits++
				}
			}
			if waits < 8 {
				t.Errorf("%d waits", waits)
			}
			s.ends()
		})
	}
}

// playLine plays one line of a tape, and reports whether it is a wait.
func playLine(t *testing.T, s *terminal, line string) bool {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	name, _, _ = strings.Cut(name, "@")
	switch name {
	case "", "Show", "Sleep", "Screenshot":
	case "Wait+Screen":
		want := regexp.MustCompile(strings.Trim(rest, "/"))
		s.until(rest, want.MatchString)
		return true
	case "Type":
		text, err := strconv.Unquote(rest)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.keys(text)
	case "Enter", "Escape", "Down", "Ctrl+U":
		count := 1
		if rest != "" {
			var err error
			if count, err = strconv.Atoi(rest); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		for range count {
			s.keys(map[string]string{"Enter": "enter", "Escape": "esc", "Down": "down", "Ctrl+U": "\x15"}[name])
		}
	default:
		t.Fatalf("unknown line %q", line)
	}
	return false
}
