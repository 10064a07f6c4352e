// Command results runs go test -json, stores its events in a file, and prints the lines
// of go test without -json: one for each package, and the output of failed tests.
//
// Usage: go run ./.ci/results FILE go test -json …
//
// The exit code is that of the command. A later command reads figures in the file, so
// the tests that print them run once.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: results FILE go test -json …")
		os.Exit(64)
	}
	err := run(os.Args[1], os.Args[2:], os.Stdout)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode())
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

// run stores the events of a command in a file, and prints its results.
func run(file string, command []string, out io.Writer) error {
	events, err := os.Create(file)
	if err != nil {
		return err
	}
	defer events.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	reading := show(io.TeeReader(stdout, events), out)
	_, _ = io.Copy(io.Discard, stdout) // the command ends also after an error
	return errors.Join(cmd.Wait(), reading, events.Close())
}

// event is one line of go test -json.
type event struct{ Action, Package, Test, Output string }

// show prints the results in a stream of events.
func show(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	held := map[string][]string{} // the output of a package's tests
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(out, line)
			} else {
				e.show(held, out)
			}
		}
		if err == io.EOF {
			for name, output := range held { // a package without an end
				fmt.Fprintf(out, "output of %s:\n%s", name, strings.Join(output, ""))
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// show prints an event, or holds it until its package has ended.
func (e event) show(held map[string][]string, out io.Writer) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(out, e.Output)
	case e.Action == "output" && e.Test == "" && result(e.Output):
		fmt.Fprint(out, e.Output)
	case e.Action == "output" && !noise(e.Output):
		held[e.Package] = append(held[e.Package], e.Output)
	case e.Action == "fail" && e.Test == "":
		fmt.Fprintf(out, "output of %s:\n%s", e.Package, strings.Join(held[e.Package], ""))
		delete(held, e.Package)
	case (e.Action == "pass" || e.Action == "skip") && e.Test == "":
		delete(held, e.Package)
	}
}

// result reports whether a line is the result of a package.
func result(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t")
}

// noise reports whether a line is one that go test without -v does not print.
func noise(line string) bool {
	for _, mark := range []string{"=== RUN ", "=== PAUSE", "=== CONT", "=== NAME", "--- PASS", "--- SKIP", "PASS\n"} {
		if strings.HasPrefix(strings.TrimLeft(line, " "), mark) {
			return true
		}
	}
	return false
}
