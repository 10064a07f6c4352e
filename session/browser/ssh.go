package browser

import (
	"fmt"
	"strings"
)

// Remote reports whether the terminal is the end of an SSH connection: a browser
// of this machine is then not in front of the person.
func Remote(getenv func(string) string) bool {
	return getenv("SSH_CONNECTION") != "" || getenv("SSH_TTY") != ""
}

// Tunnel returns the command that forwards a port of the person's own computer to
// the same port of this machine. The caller escapes it for the screen.
func Tunnel(getenv func(string) string, port int) string {
	host, sshPort := "THIS-HOST", ""
	// SPEC: ssh(1), SSH_CONNECTION: client address, client port, server address,
	// server port.
	if f := strings.Fields(getenv("SSH_CONNECTION")); len(f) == 4 {
		host = f[2]
		if f[3] != "22" {
			sshPort = " -p " + f[3]
		}
	}
	if user := getenv("USER"); user != "" {
		host = user + "@" + host
	}
	return fmt.Sprintf("ssh -N -L %d:127.0.0.1:%d%s %s", port, port, sshPort, host)
}
