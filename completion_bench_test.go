package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// BenchmarkCompletion runs the program as a shell does for one press of Tab: with the
// folder in the cache, and with one listing. The bound is 150 ms.
func BenchmarkCompletion(b *testing.B) {
	w := demotest.Start(b, demo.Options{})
	program, err := exec.LookPath("usher")
	if err != nil {
		b.Fatal(err)
	}
	home := b.TempDir()
	env := append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_STATE_HOME="+home+"/.local/state", "XDG_CACHE_HOME="+home+"/.cache", "USHER_SERVER="+w.Server)
	run := func(b *testing.B, stdin string, args ...string) {
		b.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	for _, p := range w.People {
		if p.Username == "ada" {
			run(b, p.Password+"\n", "login", "--username", "ada", "--password-stdin")
		}
	}
	line := []string{"__line", "bash", "usher ls company-reports/annual/aud", " \t\n"}
	for name, before := range map[string]func(){"cached": func() {}, "one listing": func() { _ = os.RemoveAll(home + "/.cache") }} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before()
				run(b, "", line...)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/press")
		})
	}
}
