package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// whole returns a run in which every line has every figure.
func whole() string {
	var b strings.Builder
	say := func(text string) {
		fmt.Fprintf(&b, "{\"Action\":\"output\",\"Test\":\"TestX\",\"Output\":%q}\n", "    x_test.go:1: "+text+"\n")
	}
	for _, l := range lines() {
		text := l.word
		for _, figure := range strings.Fields(l.figures) {
			value := "7"
			switch {
			case strings.Contains(" "+zero+" ", " "+figure+" "):
				value = "0"
			case figure == "chain":
				value = "ok"
			case figure == "distinguishable":
				value = "no"
			}
			text += " " + figure + "=" + value
		}
		say(text)
	}
	say("controls killed 5/5")
	return b.String()
}

func faults(run string) []string {
	p := &page{}
	p.read(strings.NewReader(run))
	p.check()
	return p.faults
}

func TestWholePage(t *testing.T) {
	if f := faults(whole()); f != nil {
		t.Error(f)
	}
}

// The faults name each wrong or missing figure.
func TestFaultsNameTheFigure(t *testing.T) {
	for name, c := range map[string]struct{ old, with, want string }{
		"a leak":              {"control_bytes_leaked=0", "control_bytes_leaked=1", "TERMINAL: control_bytes_leaked is 1"},
		"a figure is missing": {" rss_max_MiB=7", "", "LOAD: rss_max_MiB is missing"},
		"a line is missing":   {"SECRETS ", "SECRET ", "SECRETS: sinks is missing"},
		"nothing was tried":   {"mutations=7", "mutations=0", "TOKEN: mutations is 0"},
		"an early URL":        {"durable_before_release=7", "durable_before_release=6", "AUDIT: a URL was released before"},
		"a broken chain":      {"chain=ok", "chain=broken", "AUDIT: a URL was released before"},
		"a survived control":  {"killed 5/5", "killed 4/5", "controls killed 4/5"},
		"no control":          {"killed 5/5", "killed none", "controls killed 0/0"},
		"a test failed":       {`{"Action":"output"`, `{"Action":"fail","Test":"TestY"}` + "\n" + `{"Action":"output"`, "TestY failed"},
	} {
		run := whole()
		if !strings.Contains(run, c.old) {
			t.Fatalf("%s: %q was not found to replace", name, c.old)
		}
		if got := strings.Join(faults(strings.Replace(run, c.old, c.with, 1)), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// An earlier run of all tests is read as its suites alone: each of their tests must have
// passed, and the figures of other tests do not count.
func TestAnEarlierRun(t *testing.T) {
	of := []suite{{"./backend", "TestX"}}
	event := func(action, pkg, test, output string) string {
		raw, err := json.Marshal(testEvent{action, pkg, test, output})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw) + "\n"
	}
	good := strings.ReplaceAll(whole(), `"Test":"TestX"`, `"Package":"usher/backend","Test":"TestX/world"`)
	passed := event("pass", "usher/backend", "TestX", "")
	for name, c := range map[string]struct{ run, want string }{
		"whole":            {good + passed, ""},
		"another test":     {good + passed + event("output", "usher/backend", "TestOther", "    x_test.go:1: SECRETS tokens_found=1\n"), ""},
		"another package":  {good + passed + event("fail", "usher/client", "TestX", ""), ""},
		"a leak":           {good + passed + event("output", "usher/backend", "TestX", "    x_test.go:1: SECRETS tokens_found=1\n"), "tokens_found is 1"},
		"a test failed":    {good + event("fail", "usher/backend", "TestX", ""), "TestX failed"},
		"a test is absent": {good, "TestX did not pass"},
		"a part passed":    {good + event("pass", "usher/backend", "TestX/world", ""), "TestX did not pass"},
		"nothing":          {"", "TestX did not pass"},
	} {
		p := &page{}
		if err := p.readOf(strings.NewReader(c.run), of); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.check()
		got := strings.Join(p.faults, "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
