//go:build unix

package download

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// signalFaults are fault 20: Ctrl-C, SIGTERM, Ctrl-Z and a closed terminal.
func signalFaults() []fault {
	return []fault{
		endedBySignal("20 SIGINT", syscall.SIGINT, stoppedBySignal),
		endedBySignal("20 SIGTERM", syscall.SIGTERM, stoppedBySignal),
		{
			name:     "20 terminal hangup",
			atOffset: true,
			slow:     true,
			min:      8<<20 - 1,
			setup: func(tr *trial) {
				tr.script(tr.hold(tr.offset), noFault)
				cmd := tr.child(tr.path, tr.dir)
				terminal, err := pty.Start(cmd)
				must(tr.t, err)
				tr.endChild(cmd, func(*exec.Cmd) error { return terminal.Close() }, stoppedBySignal)
			},
			want:  Done,
			check: resumed,
		},
		{
			name:     "20 SIGTSTP and SIGCONT",
			atOffset: true,
			slow:     true,
			min:      8<<20 - 1,
			setup: func(tr *trial) {
				tr.script(tr.hold(tr.offset), noFault)
				cmd := tr.child(tr.path, tr.dir)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // SIGTSTP does not stop an orphaned process group
				tr.endChild(cmd, func(c *exec.Cmd) error {
					if err := c.Process.Signal(syscall.SIGTSTP); err != nil {
						return err
					}
					eventually(tr.t, "the stop", func() bool { return stopped(tr.t, c.Process.Pid) })
					close(tr.resume)
					return c.Process.Signal(syscall.SIGCONT)
				}, 0)
			},
			want:   Skipped,
			orWant: Done,
		},
	}
}

// stopped reports whether SIGTSTP stopped a child.
func stopped(t testing.TB, pid int) bool {
	var how syscall.WaitStatus
	got, err := syscall.Wait4(pid, &how, syscall.WUNTRACED|syscall.WNOHANG, nil)
	if err != nil || got == pid && !how.Stopped() {
		t.Errorf("the child did not stop: %v, %v", how, err)
		return true
	}
	return got == pid
}
