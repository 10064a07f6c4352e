//go:build unix

package browser

import (
	"os/exec"
	"syscall"
)

// detach gives the browser a session of its own, so that Ctrl-C in the terminal
// does not end it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
