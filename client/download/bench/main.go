// Command bench is a set of tools for bench.py.
//
//	serve   usher's pool and backend in front of an S3 endpoint
//	put     fill a bucket with reproducible bytes
//	urls    presigned URLs of those objects, one a line
//	check   compare downloaded files with those bytes
//	raw     the upper bound: only ranged GETs and pwrite
//	sdk     the AWS SDK's transfer manager as a command
//	run     run a command; write its time, CPU and memory to a file
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	tools := map[string]func(context.Context, []string) error{
		"serve": serveUsher, "put": putObjects, "urls": printURLs, "check": checkFiles,
		"raw": rawGet, "sdk": sdkGet, "run": runMeasured,
	}
	if len(os.Args) < 2 || tools[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: tool serve|put|urls|check|raw|sdk|run [flags]")
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := tools[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
