// Command proofs reads a run of the rig's tests (go test -json) and holds the
// table in the rig's README against it: each claim must be proved by a test of
// a judge that others wrote, and the test must have run and passed.
//
//	go test -json . | go run ./proofs README.md
//
// It prints how the tests ended and, last, one line of counts. The exit code is
// 1 if a test failed, if nothing ran, or if a claim is without its proof.
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

// judge says everything that is wrong, and the counts whatever is wrong. A test
// that was skipped stands for a difference that is known and written down.
func judge(readme string, run io.Reader, out io.Writer) error {
	r, err := read(run, out)
	t := parse(readme)
	if unproved := t.check(r); unproved != nil {
		err = errors.Join(err, fmt.Errorf("the table in README.md does not hold:\n%w", unproved))
	}
	if r.count(passed) == 0 {
		err = errors.Join(err, errors.New("nothing ran"))
	}
	fmt.Fprintf(out, "%d claims, %d judges, %d known differences\n%d passed, %d failed\n",
		len(t.claims), len(t.judges), r.count(skipped), r.count(passed), r.count(failed))
	return err
}
