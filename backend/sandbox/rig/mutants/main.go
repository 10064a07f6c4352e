// Command mutants switches off named guards, one at a time, and runs the tests
// that should then fail. If none fails, the guard is printed as SURVIVED, and the
// exit code is 1.
//
//	go run ./mutants                     every guard
//	go run ./mutants -n 8 -turn 17       eight of them, the next eight for the next turn
//	go run ./mutants -match fsync        guards whose name matches
//	go run ./mutants -check              only the table: each text is still in the code
//
// The guards are in files named testdata/mutants.txt beside the tests; see parse
// for their format. go test -overlay replaces the code, so the tree does not
// change.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", "../../..", "folder of the module")
	flag.IntVar(&o.few, "n", 0, "how many guards to switch off (0: all)")
	flag.IntVar(&o.turn, "turn", 0, "with -n: which of the groups of n")
	flag.StringVar(&o.match, "match", "", "regular expression over the guards' names")
	flag.IntVar(&o.least, "least", 0, "fail if the table has fewer guards")
	flag.BoolVar(&o.check, "check", false, "check the table and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}
