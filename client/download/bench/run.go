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

// runMeasured runs a command and writes its cost to the file in its first
// argument: {"seconds","cpu","peak_mib","exit"}. CPU includes the children that
// the command waited for. The peak is that of its largest process. A child's
// peak starts at the memory of its parent, so this process stays small.
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
	result, err := json.Marshal(map[string]float64{
		"seconds": took.Seconds(), "exit": float64(cmd.ProcessState.ExitCode()),
		"cpu":      (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		"peak_mib": float64(used.Maxrss) / 1024,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], result, 0o600)
}
