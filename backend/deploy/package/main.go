// Command package makes the files of a release from the programs of one commit:
// archives, deb and rpm, an SBOM for each program, and SHA256SUMS.
//
// The same programs, version and date give the same bytes on every machine. The
// command builds no program: make release does, by the recipe of make lambda.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	if err := r.pack(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse returns the release of a command line.
func parse(args []string) (release, error) {
	var r release
	var seconds int64
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	flags.StringVar(&r.Version, "version", "", "the version, such as 1.2.3")
	flags.StringVar(&r.Commit, "commit", "", "the hash of the commit")
	flags.Int64Var(&seconds, "date", 0, "the time of the commit, in seconds since 1970")
	flags.StringVar(&r.Tree, "tree", "", "the root of the source tree")
	flags.StringVar(&r.Programs, "programs", "", "the folder of the programs, as OS_ARCH/usher")
	flags.StringVar(&r.Host, "host", "", "the program that writes manual pages and completions; default: that of this machine")
	flags.StringVar(&r.Out, "out", "", "the new folder of the release")
	if err := flags.Parse(args); err != nil {
		return release{}, err
	}
	r.Functions, r.Date = flags.Args(), time.Unix(seconds, 0).UTC()
	if r.Host == "" {
		r.Host = filepath.Join(r.Programs, runtime.GOOS+"_"+runtime.GOARCH, program(runtime.GOOS))
	}
	return r, r.check()
}
