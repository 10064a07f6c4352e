package tui_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/client/link"
	"usher/client/proof"
	"usher/session"
	"usher/tui"
	"usher/tui/tuitest"
)

// provingLog is a log whose server proves its checkpoints.
type provingLog struct{ *checkpointtest.Log }

func (l *provingLog) Checkpoint(ctx context.Context, in api.CheckpointRequest) (api.CheckpointResponse, error) {
	p, err := checkpoint.Prove(ctx, l, in.From)
	out := api.CheckpointResponse{Checkpoint: string(p.Note), From: p.From}
	for _, h := range p.Hashes {
		out.Proof = append(out.Proof, h[:])
	}
	return out, err
}

// proofFiles are the files of a watch.
type proofFiles string

func (f proofFiles) StateFile(name string) string { return filepath.Join(string(f), name) }
func (f proofFiles) LoadState(name string) ([]byte, error) {
	return os.ReadFile(f.StateFile(name))
}
func (f proofFiles) SaveState(name string, data []byte) error {
	return os.WriteFile(f.StateFile(name), data, 0o600)
}

// After a finding in the server's log the copy menu requests no link.
func TestNoLinkAfterAFinding(t *testing.T) {
	l := &provingLog{checkpointtest.New(t, "log")}
	for _, text := range []string{"one", "two", "three"} {
		l.Add([]byte(text))
	}
	watch, err := proof.New(proof.Config{Server: l, Files: proofFiles(t.TempDir()), Place: "https://files.example.com", Host: "files.example.com",
		Log: api.AuditLog{Key: l.Signer.Key()}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := tuitest.Reports(tuitest.NewServer("ada"))
	profile := session.Profile{Server: "https://files.example.com", Config: api.Config{S3Hosts: []string{tuitest.StorageHost}}}
	links := tui.Links(server, tui.Environment{Profile: profile, Now: time.Now, Watch: watch})
	path := api.Path{Bucket: "company-reports", Key: "annual/audited/2025-annual-report.pdf"}
	if made, err := links(t.Context(), link.Object{Path: path}); err != nil || len(made) != 1 || made[0].URL() == "" {
		t.Fatalf("before the finding: %v, %v", made, err)
	}
	l.Log = l.Fork()
	l.Add([]byte("other"))
	_, _ = watch.Check(t.Context())
	if watch.Fraud() == nil {
		t.Fatal("the fork is no finding, so this test proves nothing")
	}
	_, err = links(t.Context(), link.Object{Path: path})
	var found *proof.Fraud
	if !errors.As(err, &found) || len(server.Released()) != 1 {
		t.Errorf("after the finding: %v, releases %q", err, server.Released())
	}
	// A URL of another host is not copied.
	profile.Config.S3Hosts = []string{"s3.eu-west-1.amazonaws.com"}
	made, err := tui.Links(server, tui.Environment{Profile: profile, Now: time.Now})(t.Context(), link.Object{Path: path})
	if err != nil || made[0].Err == nil || made[0].URL() != "" {
		t.Errorf("a URL of another host: %v, %v", made, err)
	}
}
