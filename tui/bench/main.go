// Command bench compares the browser with other file managers, in one run: bytes of a
// movement of the cursor, time from a key to its frame, time to the first frame and to
// the first rows, memory.
//
// usher shows a folder of the demo, over SSH (SSH_TTY is set). The others show a local
// folder with the same names. Compare ratios within one run only. A program that is not
// installed is named with the way to install it.
//
//	go run ./tui/bench -usher bin/usher
//	go run ./tui/bench -usher bin/usher -sizes 80x24 -moves 50 -only usher,lf
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The most bytes of a move and the longest times of usher.
var limits = map[string]float64{"80x24": 200, "120x40": 300}

const (
	limitP50   = 3 * time.Millisecond
	limitP99   = 10 * time.Millisecond
	limitFirst = 60 * time.Millisecond
)

func main() {
	program := flag.String("usher", "bin/usher", "the program")
	sizes := flag.String("sizes", "80x24,120x40", "windows")
	moves := flag.Int("moves", 200, "movements of the cursor")
	only := flag.String("only", "", "these programs, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, *program, strings.Split(*sizes, ","), *moves, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, program string, sizes []string, moves int, only string) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench-tui")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	demo, err := startDemo(ctx, program, filepath.Join(work, "usher"))
	if err != nil {
		return fmt.Errorf("starting the demo: %w", err)
	}
	defer demo.stop()
	local := filepath.Join(work, "local")
	first, n, err := demo.copyNames(ctx, local)
	if err != nil {
		return fmt.Errorf("copying the names of %s: %w", folder, err)
	}
	fmt.Printf("%d names, %d moves, SSH_TTY is set\n", n, moves)
	for _, size := range sizes {
		var cols, rows int
		if _, err := fmt.Sscanf(size, "%dx%d", &cols, &rows); err != nil {
			return fmt.Errorf("the size %q: %w", size, err)
		}
		var results []result
		for _, c := range append([]candidate{demo.candidate()}, others(local, cols)...) {
			if only != "" && !slices.Contains(strings.Split(only, ","), c.name) {
				continue
			}
			if _, err := exec.LookPath(c.args[0]); err != nil {
				results = append(results, result{name: c.name, err: errors.New("absent: " + c.install)})
				continue
			}
			c.first, c.home = first, filepath.Join(work, c.name)
			r := measure(ctx, c, cols, rows, moves)
			r.name = c.name
			results = append(results, r)
		}
		table(os.Stdout, size, results)
	}
	return ctx.Err()
}

// others are the programs beside usher, on a local folder. In a narrow window each has
// one pane with sizes and times, as usher has.
func others(dir string, cols int) []candidate {
	lf := []string{"lf"}
	ranger := []string{"ranger"}
	if cols < 110 {
		lf = append(lf, "-command", "set preview false; set ratios 1; set info size:time")
		ranger = append(ranger, "--cmd=set viewmode multipane")
	}
	return []candidate{
		{name: "lf", args: append(lf, dir), key: "j", install: "apt install lf"},
		{name: "nnn", args: []string{"nnn", "-d", dir}, key: "j", install: "apt install nnn"},
		{name: "ranger", args: append(ranger, dir), key: "j", install: "apt install ranger"},
		{name: "mc", args: []string{"mc", "--nosubshell", dir, dir}, key: "\x1bOB", install: "apt install mc"},
	}
}

// table prints the results of a size, and the ratio of usher's bytes to those of each.
func table(w io.Writer, size string, results []result) {
	fmt.Fprintf(w, "\n%s\n%-8s %12s %12s %10s %10s %10s %10s %10s\n", size, "", "bytes/move", "usher's/it", "p50 ms", "p99 ms", "frame ms", "rows ms", "MB")
	var usher *result
	for i, r := range results {
		if r.name == "usher" && r.err == nil {
			usher = &results[i]
		}
	}
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintf(w, "%-8s %s\n", r.name, r.err)
			continue
		}
		ratio := "-"
		if usher != nil && r.bytes > 0 {
			ratio = fmt.Sprintf("%.2f", usher.bytes/r.bytes)
		}
		fmt.Fprintf(w, "%-8s %12.0f %12s %10.1f %10.1f %10.0f %10.0f %10.1f\n", r.name, r.bytes, ratio, ms(r.p50), ms(r.p99), ms(r.frame), ms(r.first), float64(r.memory)/1e6)
	}
	if usher == nil {
		return
	}
	for _, x := range []struct {
		what      string
		got, most float64
	}{
		{"bytes a move", usher.bytes, cmp.Or(limits[size], usher.bytes)}, {"p50, ms", ms(usher.p50), ms(limitP50)},
		{"p99, ms", ms(usher.p99), ms(limitP99)}, {"first frame, ms", ms(usher.frame), ms(limitFirst)}, {"bytes at rest", float64(usher.idle), 0},
	} {
		verdict := "ok"
		if x.got > x.most {
			verdict = "OVER"
		}
		fmt.Fprintf(w, "usher: %-15s %6.1f, at most %6.1f: %s\n", x.what, x.got, x.most, verdict)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
