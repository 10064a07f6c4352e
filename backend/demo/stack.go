package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/api"
	"usher/backend/grant/file"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// Times of a stack on this machine. On AWS both are a minute.
const (
	stackEvery  = 2 * time.Second
	stackSettle = 3 * time.Second
)

// startStack runs usher's functions as a deployed stack does: requests come through
// a gateway, the log's stream and schedules call the others.
func (d *Demo) startStack(ctx context.Context, o Options, listener net.Listener, log *slog.Logger) error {
	box := d.Sandbox
	d.Server = "http://" + listener.Addr().String()
	set, err := file.Read(box.GrantsFile)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	key, secret := box.Credentials()
	exact := true
	config := serve.Config{
		Organisation: "Usher Demo", PublicURL: d.Server, Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Audit: "dynamodb:" + box.LogTable, Grants: "dynamodb:usher-grants", State: "dynamodb:usher-state",
		S3:   serve.S3{Region: box.S3Region, ReaderRole: box.ReaderRole, ExactKeys: &exact},
		Seal: serve.Seal{Bucket: box.SealBucket, KMSKey: box.SealKey, Settle: stackSettle}, HostedUI: box.HostedUI,
		SignIn: serve.SignIn{
			Ways:        []api.Way{api.WayPassword, api.WayCode, api.WaySSO, api.WayDevice},
			SSOClientID: box.SSOClientID, DeviceClient: box.DeviceClientID, CallbackPorts: o.CallbackPorts,
			Providers: []serve.Provider{{Name: box.Provider, Label: "Usher Demo company"}},
		},
		GroupsAttribute: "stamped", FederatedGroups: federatedGroups(), Reviews: reviews(),
	}
	stack, err := serve.Rehearse(ctx, config, set, box.Delivery, serve.Deps{
		Now: o.Now, Rand: rand.Reader, NewID: o.NewID, Log: log,
	}, &serve.Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint, STS: box.STSEndpoint,
		DynamoDB: box.DynamoDBEndpoint, KMS: box.KMSEndpoint, Firehose: box.FirehoseEndpoint,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d.Pin = stack.Pin
	if err := d.writeStackConfig(stack.Config); err != nil {
		return errors.Join(err, listener.Close())
	}
	err = box.Deploy(ctx, sandbox.Functions{
		API: stack.API, Stream: stack.Stream, Seal: stack.Seal, Listener: listener, Every: stackEvery, Now: o.Now,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	warm := time.AfterFunc(warmAfter, func() { _ = box.Warm() }) // a failure occurs again at the sign-in
	d.cleanup = append(d.cleanup, func() error { warm.Stop(); return nil })
	ended := make(chan struct{})
	d.cleanup = append(d.cleanup, func() error { stack.End(); close(ended); return nil })
	d.wait = func() error { <-ended; return nil }
	return nil
}

// writeStackConfig writes the configuration with which usher audit verify reads the
// log of the stack. The addresses and keys are those of the environment that
// StackEnvironment returns.
func (d *Demo) writeStackConfig(c serve.Config) error {
	d.StackConfig = filepath.Join(d.Sandbox.Dir, "stack.yaml")
	lines := []string{
		"# For usher audit verify --config, with the environment that usher demo prints.",
		"listen: 127.0.0.1:1", "public_url: " + c.PublicURL, "region: " + c.Region, "user_pool_id: " + c.UserPoolID, "client_id: " + c.ClientID,
		"audit: " + c.Audit, "grants: " + c.Grants, "state: " + c.State,
		"s3: {path_style: true}", fmt.Sprintf("seal: {bucket: %s, kms_key: %q, public_key: %q}", c.Seal.Bucket, c.Seal.KMSKey, c.Seal.PublicKey), "",
	}
	if err := os.WriteFile(d.StackConfig, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of the stack: %w", err)
	}
	return nil
}

// StackEnvironment returns the variables with which AWS tools and usher itself reach
// the services of the stack, or nil without one.
func (d *Demo) StackEnvironment() []string {
	if d.StackConfig == "" {
		return nil
	}
	return []string{
		"AWS_ACCESS_KEY_ID=" + d.S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + d.S3SecretKey, "AWS_REGION=" + d.Region,
		"AWS_ENDPOINT_URL_DYNAMODB=" + d.DynamoDBEndpoint, "AWS_ENDPOINT_URL_S3=" + d.S3Endpoint,
	}
}
