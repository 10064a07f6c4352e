package tuitest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"usher/tui/linear"
	"usher/tui/tuitest"
)

// page counts its keys. It breaks at a key.
type page struct {
	keys   int
	help   bool
	broken func(*page) string // the content, if it is not ""
}

func (p *page) Init() tea.Cmd { return nil }

func (p *page) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if k, ok := msg.(tea.KeyPressMsg); ok && p.frozen() == "" {
		p.keys++
		p.help = k.String() == "?"
	}
	return p, nil
}

func (p *page) frozen() string {
	if p.broken == nil {
		return ""
	}
	return p.broken(p)
}

func (p *page) View() tea.View {
	if s := p.frozen(); s != "" {
		return tea.NewView(s)
	}
	return tea.NewView(fmt.Sprintf("page %t", p.help))
}

func (p *page) Scene() linear.Scene {
	return linear.Scene{Page: "page", Dialog: p.help, Words: linear.Words{Title: "Page"}}
}

// recorder is a testing.TB that keeps the first failure.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(form string, args ...any) {
	r.failure = fmt.Sprintf(form, args...)
	panic(r)
}

// A storm finds a frozen screen, a wide line and a panic.
func TestStormFindsFaults(t *testing.T) {
	after := func(n int, content string) func(*page) string {
		return func(p *page) string {
			if p.keys < n {
				return ""
			}
			if content == "panic" {
				panic("broken")
			}
			return content
		}
	}
	for _, c := range []struct {
		name, want string
		broken     func(*page) string
	}{
		{"whole", "", nil},
		{"frozen", "the screen is frozen", after(100, "still")},
		{"wide", "cells in a window of", after(20, strings.Repeat("x", 500))},
		{"panic", "broken", after(50, "panic")},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{TB: t}
				func() {
					defer func() {
						if e := recover(); e != nil && e != any(r) {
							r.failure = fmt.Sprint(e)
						}
					}()
					front := func(s linear.Scene) bool { return s.Page == "page" }
					(&tuitest.Storm{New: func() linear.Program { return &page{broken: c.broken} }, At: front, Back: func(s linear.Scene) bool { return !s.Dialog }}).Run(r, 1, 1000)
				}()
				if (r.failure == "") != (c.want == "") || !strings.Contains(r.failure, c.want) {
					t.Errorf("the storm found %q, not %q", r.failure, c.want)
				}
			})
		})
	}
}
