package demotest

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"usher/backend/sandbox"
)

// patience is how long a test waits for something that should come soon.
const patience = 30 * time.Second

// Versitygw runs that program, an S3 server that others wrote, over an empty
// directory, with versions, and gives its address. It can listen on a socket
// but cannot say which free port it took, so it listens on a socket and a plain
// relay gives it a port.
func Versitygw(t testing.TB, program, key, secret string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rig") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, data, versions := filepath.Join(dir, "socket"), filepath.Join(dir, "data"), filepath.Join(dir, "versions")
	for _, d := range []string{data, versions} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program,
		"--port", socket, "--region", sandbox.Region, "--quiet", "--keep-alive", "posix", "--versioning-dir", versions, data)
	cmd.Env = []string{"ROOT_ACCESS_KEY_ID=" + key, "ROOT_SECRET_ACCESS_KEY=" + secret, "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("versitygw ended: %v\n%s", err, said.String())
		}
	})
	for end := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("versitygw does not listen: %v", err)
		}
	}
	return relay(t, socket)
}

// relay passes bytes between a free port of this machine and a socket.
func relay(t testing.TB, socket string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(c.(*net.TCPConn), socket)
		}
	}()
	return "http://" + listener.Addr().String()
}

func pass(near *net.TCPConn, socket string) {
	defer func() { _ = near.Close() }()
	c, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	far := c.(*net.UnixConn)
	defer func() { _ = far.Close() }()
	there := make(chan struct{})
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.CloseWrite()
		close(there)
	}()
	_, _ = io.Copy(near, far)
	_ = near.CloseWrite()
	<-there
}
