package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/backend/serve"
	"usher/session"
)

// patience is how long a test waits for something that should come soon.
const patience = 30 * time.Second

// startGateway runs versitygw over an empty directory, with versions, and gives
// its address. It can listen on a socket but cannot say which free port it
// took, so it listens on a socket and a plain relay gives it a port.
func startGateway(t testing.TB, who owner) string {
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
	cmd := exec.CommandContext(t.Context(), tool(t, "USHER_RIG_VERSITYGW"),
		"--port", socket, "--region", region, "--quiet", "--keep-alive", "posix", "--versioning-dir", versions, data)
	cmd.Env = []string{"ROOT_ACCESS_KEY_ID=" + who.key, "ROOT_SECRET_ACCESS_KEY=" + who.secret, "HOME=" + dir}
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

// onGateway is a whole usher whose S3 is versitygw: the sandbox's pool and
// people, the real backend, and somebody else's server for the objects.
// urlSeconds is the life of a URL.
func onGateway(t testing.TB, urlSeconds int) *demotest.World {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	facts := box.Facts
	facts.S3AccessKey, facts.S3SecretKey = box.Credentials() // the pool knows these too
	facts.S3Endpoint = startGateway(t, owner{facts.S3AccessKey, facts.S3SecretKey})
	server := startBackend(t, facts, urlSeconds)
	config, err := session.Discover(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("rig", server, config)
	if err != nil {
		t.Fatal(err)
	}
	return &demotest.World{World: &demo.World{Facts: facts, Server: server, Sandbox: box}, Profile: profile}
}

// startBackend runs the real backend on these facts and gives its origin.
func startBackend(t testing.TB, facts sandbox.Facts, urlSeconds int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	server, err := serve.NewOn(t.Context(), serve.Config{
		Organisation: "Rig", Listen: listener.Addr().String(), PublicURL: origin, URLSeconds: urlSeconds,
		Region: facts.Region, UserPoolID: facts.UserPoolID, ClientID: facts.ClientID,
		Grants: facts.GrantsFile, Audit: filepath.Join(t.TempDir(), "audit.db"),
		S3: serve.S3{ExactKeys: new(bool)}, // false: versitygw keeps objects as files
	}, serve.World{
		Now: time.Now, Rand: rand.Reader, NewID: demotest.NewIDs(), Log: slog.New(slog.DiscardHandler),
	}, &serve.Loopback{
		Issuer: facts.Issuer, Cognito: facts.CognitoEndpoint, S3: facts.S3Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(facts.S3AccessKey, facts.S3SecretKey, ""),
	}, listener)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stopping the backend: %v", err)
		}
	})
	return origin
}
