package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/event"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// serveUsher runs the sandbox's user pool and the real backend, with its audit
// log on disk, for an S3 endpoint. When the backend is ready, it prints one JSON
// line with a user's name and password and the key of the S3 server's owner. The
// pool accepts the same key. The file "requests" in its directory holds the number
// of requests so far.
func serveUsher(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	dir := f.String("dir", "", "directory of pool, grants and audit log")
	endpoint := f.String("s3", "", "S3 endpoint")
	bucket := f.String("bucket", "bench", "granted bucket")
	_ = f.Parse(args)

	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	box, err := sandbox.Start(ctx, sandbox.Options{Dir: *dir, Now: time.Now, AccessTokenLife: time.Hour})
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }()
	person := box.People[0]
	grants := fmt.Sprintf("grants:\n  - {group: %s, bucket: %s, prefix: \"\"}\n", person.Groups[0], *bucket)
	if err := os.WriteFile(box.GrantsFile, []byte(grants), 0o600); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	counted, err := newCounter(listener, filepath.Join(*dir, "requests"))
	if err != nil {
		return err
	}
	server, err := serve.NewOn(ctx, serve.Config{
		Listen: listener.Addr().String(), PublicURL: "http://" + listener.Addr().String(),
		Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Grants: box.GrantsFile, Audit: filepath.Join(*dir, "audit.db"),
	}, serve.Deps{
		Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader),
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}, &serve.Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: *endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(box.S3AccessKey, box.S3SecretKey, ""),
	}, counted)
	if err != nil {
		return err
	}
	ready := map[string]string{
		"server": "http://" + listener.Addr().String(), "username": person.Username, "password": person.Password,
		"key": box.S3AccessKey, "secret": box.S3SecretKey,
	}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return server.Run(ctx)
}
