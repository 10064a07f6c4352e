package witness_test

import (
	"crypto"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	_ "modernc.org/sqlite"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/witness"
)

// A witness of another project (litewitness of torchwood) cosigns the checkpoints of
// our log as it grows, and refuses a fork. The test needs litewitness and ssh-agent in
// PATH:
//
//	go install filippo.io/torchwood/cmd/litewitness@v0.9.0
func TestLitewitnessCosignsOurLog(t *testing.T) {
	for _, tool := range []string{"litewitness", "ssh-agent", "ssh-add", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	l := newLog(t, "usher.example.com/audit").grow(300, "event")
	url, key := startLitewitness(t, l)
	policy, err := checkpoint.ParsePolicy(fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", l.Signer.Key(), key, url))
	if err != nil {
		t.Fatal(err)
	}
	submit := func(from *log) (*witness.Submitter, error) {
		s, err := witness.NewSubmitter(witness.SubmitConfig{Source: from, Key: &l.Signer.Verifier, Policy: policy, HTTP: http.DefaultClient, Keeper: keeper{}})
		if err != nil {
			t.Fatal(err)
		}
		return s, s.Submit(t.Context())
	}
	for range 3 {
		s, err := submit(l)
		if err != nil || !policy.Satisfied(s.Cosigned()) {
			t.Fatalf("%d events: %v", l.Size, err)
		}
		l.grow(777, "event")
	}
	if _, err := submit(l.fork().grow(4000, "forged")); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a fork: %v", err)
	}
	if _, err := submit(l.fork().grow(200, "event")); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a rollback: %v", err)
	}
}

// startLitewitness runs a witness that knows a log, and returns its address and key.
func startLitewitness(t *testing.T, l *log) (url, key string) {
	t.Helper()
	dir := t.TempDir()
	socket, secret, database := filepath.Join(dir, "agent"), filepath.Join(dir, "key"), filepath.Join(dir, "witness.db")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	start := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	until := func(ready func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the witness does not start")
			}
		}
	}
	start("ssh-agent", "-D", "-a", socket)
	until(func() bool { _, err := os.Stat(socket); return err == nil })
	run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", secret)
	run("ssh-add", secret)
	fingerprint := strings.Fields(run("ssh-keygen", "-l", "-E", "sha256", "-f", secret+".pub"))[1]

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	start("litewitness", "-db", database, "-name", "lite.example.com", "-key", fingerprint, "-ssh-agent", socket, "-listen", address)
	until(func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	db, err := sql.Open("sqlite", "file:"+database+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	empty := l.Head(0).Root
	for _, q := range []string{
		fmt.Sprintf("INSERT INTO log (origin, tree_size, tree_hash) VALUES ('%s', 0, '%s')", l.Signer.Name(), empty),
		fmt.Sprintf("INSERT INTO key (origin, key) VALUES ('%s', '%s')", l.Signer.Name(), l.Signer.Key()),
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	// The key of the witness, from the public key of SSH: its last 32 bytes.
	raw, err := os.ReadFile(secret + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	wire, err := base64.StdEncoding.DecodeString(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + address, vkey(t, "lite.example.com", wire[len(wire)-32:])
}

// vkey returns the public key of a witness, as torchwood writes it.
func vkey(t *testing.T, name string, public []byte) string {
	t.Helper()
	s, err := torchwood.NewCosignatureSigner(name, publicOnly(public))
	if err != nil {
		t.Fatal(err)
	}
	return s.Verifier().String()
}

// publicOnly is a signer that cannot sign.
type publicOnly ed25519.PublicKey

func (p publicOnly) Public() crypto.PublicKey { return ed25519.PublicKey(p) }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("there is no secret key")
}
