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

// startLimit bounds the start and the end of the program.
const startLimit = 30 * time.Second

// Versitygw runs versitygw, an independent S3 server, on an empty directory with
// versioning, and returns its address. The program cannot report a free port
// that it chose. It therefore listens on a socket, and a relay forwards a port
// to that socket.
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
	var output bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program,
		"--port", socket, "--region", sandbox.Region, "--quiet", "--keep-alive", "posix", "--versioning-dir", versions, data)
	cmd.Env = []string{"ROOT_ACCESS_KEY_ID=" + key, "ROOT_SECRET_ACCESS_KEY=" + secret, "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, startLimit
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("versitygw ended: %v\n%s", err, output.String())
		}
	})
	for end := time.Now().Add(startLimit); ; <-time.After(20 * time.Millisecond) {
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

// relay forwards connections from a free loopback port to a socket, and returns
// the address of the port.
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
			go forward(c.(*net.TCPConn), socket)
		}
	}()
	return "http://" + listener.Addr().String()
}

func forward(client *net.TCPConn, socket string) {
	defer func() { _ = client.Close() }()
	c, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	server := c.(*net.UnixConn)
	defer func() { _ = server.Close() }()
	sent := make(chan struct{})
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
		close(sent)
	}()
	_, _ = io.Copy(client, server)
	_ = client.CloseWrite()
	<-sent
}
