package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// runMeasured runs a command and writes to its first argument what it took:
// {"seconds","cpu","peak_mib","exit"}. CPU covers the children that the
// command waited for; the peak is that of its largest process. A child's peak
// begins at that of the process which started it, so this one stays small.
func runMeasured(_ context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: run FILE COMMAND...")
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if cmd.ProcessState == nil {
		return err
	}
	used, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	said, err := json.Marshal(map[string]float64{
		"seconds": took.Seconds(), "exit": float64(cmd.ProcessState.ExitCode()),
		"cpu":      (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		"peak_mib": float64(used.Maxrss) / 1024,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], said, 0o600)
}
