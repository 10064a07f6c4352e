// Command proofs compares a run of the rig's tests (go test -json) with the table
// in the rig's README. A claim is proved by a test of its judge that ran and
// passed.
//
//	go test -json . | go run ./proofs README.md
//
// It prints the result of each test and, at the end, the counts. The exit code is
// 1 if a test failed, if no test ran, or if a claim has no proof.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json . | proofs README.md")
		os.Exit(64)
	}
	readme, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = judge(string(readme), os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// judge returns all faults of the table and the run, and always prints the counts.
// A skipped test is a known difference.
func judge(readme string, run io.Reader, out io.Writer) error {
	r, err := read(run, out)
	t := parse(readme)
	if unproved := t.check(r); unproved != nil {
		err = errors.Join(err, fmt.Errorf("the table in README.md is not proved:\n%w", unproved))
	}
	if r.count(passed) == 0 {
		err = errors.Join(err, errors.New("no test ran"))
	}
	fmt.Fprintf(out, "%d claims, %d judges, %d known differences\n%d passed, %d failed\n",
		len(t.claims), len(t.judges), r.count(skipped), r.count(passed), r.count(failed))
	return err
}
