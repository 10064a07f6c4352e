// Command adversary runs the tests that attack usher and prints their figures on
// one page: the number of attempts and of successes. It exits with 1 if a figure
// that must be 0 is not 0, if a line or a figure is missing, or if a test failed.
//
//	go run ./adversary           the page
//	go run ./adversary -short    fewer cases, for each change
//	go run ./adversary -soak     all cases, for a nightly run
//	go run ./adversary -json     the page as JSON
//	go run ./adversary -from F   the page of an earlier run of go test -json ./..., whose events are in the file F
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"slices"
	"strings"
)

type options struct {
	root        string
	short, soak bool
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", "../../..", "folder of the module")
	flag.BoolVar(&o.short, "short", false, "fewer cases")
	flag.BoolVar(&o.soak, "soak", false, "all cases")
	from := flag.String("from", "", "file with the events of go test -json ./...; no test runs")
	asJSON := flag.Bool("json", false, "print the page as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := &page{}
	if *from != "" {
		if err := reread(*from, p); err != nil {
			p.faults = append(p.faults, err.Error())
		}
	} else {
		for _, s := range suites() {
			if err := play(ctx, o, s, p); err != nil {
				p.faults = append(p.faults, fmt.Sprintf("%s: %v", s.pkg, err))
			}
		}
	}
	p.check()
	if *asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	} else {
		p.print(os.Stdout)
	}
	if len(p.faults) > 0 {
		stop()
		os.Exit(1)
	}
}

// suite is the tests of one package that print figures.
type suite struct {
	pkg   string
	names string
}

func suites() []suite {
	return []suite{
		{"./backend/grant", "TestDecideAgainstReference TestDecideControls TestVisibleAgainstReference TestVisibleControls"},
		{"./backend/grant/granttest", "TestControls"},
		{"./backend/identity", "TestMutatedTokens"},
		{"./backend", "TestGrantsOverTheWire TestHostileTokensOnEveryVerb TestRefusalsDoNotReachStorage TestEveryURLIsOnRecord TestNoSecretIsWritten TestControls"},
		{"./backend", "TestRevocationBound"},
		{"./backend", "TestManyConnections"},
		{"./client/download", "TestFaults TestControls TestHostileFolder"},
		{"./tui", "TestTerminal TestTerminalCheckSeesEachText"},
		{".", "TestCommandsEscapeTheirOutput"},
	}
}

func (s suite) tests() []string { return strings.Fields(s.names) }

// path is the import path of the package.
func (s suite) path() string { return path.Join("usher", s.pkg) }

// has reports whether a test is one of the suite.
func (s suite) has(pkg, test string) bool {
	return pkg == s.path() && slices.Contains(s.tests(), test)
}

// run is the pattern of the tests for go test.
func (s suite) run() string { return "^(" + strings.Join(s.tests(), "|") + ")$" }

// reread adds the figures of an earlier run to the page: those of the tests of the
// suites.
func reread(file string, p *page) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.readOf(f, suites())
}

// play runs one suite and adds its figures to the page.
func play(ctx context.Context, o options, s suite, p *page) error {
	args := []string{"test", "-json", "-count=1", "-timeout=60m", "-run", s.run()}
	if o.short {
		args = append(args, "-short")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.pkg)...)
	cmd.Dir, cmd.Stderr = o.root, os.Stderr
	if o.soak {
		cmd.Env = append(os.Environ(), "USHER_SOAK=1")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.read(out)
	_, _ = io.Copy(io.Discard, out)
	return cmd.Wait()
}
