//go:build !nosandbox

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"usher/backend/sandbox/firehose"
	"usher/backend/sandbox/gateway"
	"usher/backend/sandbox/iam"
	"usher/backend/sandbox/kms"
	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/tables"
)

// Names of the stack's resources.
const (
	logTable   = "usher-log"
	sealBucket = "usher-checkpoints"
	sealDays   = 365
	sealKey    = "arn:aws:kms:" + Region + ":111122223333:key/5ea1ed00-0000-4000-8000-000000000001"
	delivery   = "usher-archive"
	// functionPolicy is the right of the functions in S3. They read no other bucket.
	functionPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::` + sealBucket + `/*"},` +
		`{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::` + sealBucket + `"}]}`
)

// stack are the services of a stack beside pool and storage.
type stack struct {
	tables *tables.Server

	mu      sync.Mutex
	waiting []tables.Record // of the stream, not delivered yet
	wake    chan struct{}
}

// startStack starts the services of a stack: tables with a stream, a signing key,
// an archive and the bucket of the sealed log.
func (s *Sandbox) startStack(ctx context.Context, o Options, saved secrets, keys *s3.Keyring) error {
	secret := func(id string) (string, bool) {
		switch id {
		case saved.OwnerKey:
			return saved.OwnerSecret, true
		case saved.BackendKey:
			return saved.BackendSecret, true
		}
		return "", false
	}
	s.stack = &stack{wake: make(chan struct{}, 1)}
	var err error
	s.stack.tables, err = tables.New(tables.Config{
		Now: o.Now, Region: s.Region, Secret: secret, Streams: []string{logTable}, Streamed: s.stack.streamed,
	})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	signer, err := kms.New(kms.Config{Region: s.Region, Now: o.Now, Secret: secret, KeyARN: sealKey, Rand: rand.Reader})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.ArchiveDir = filepath.Join(s.Dir, "archive")
	archive, err := firehose.New(firehose.Config{Region: s.Region, Now: o.Now, Secret: secret, Name: delivery, Dir: s.ArchiveDir})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	for _, service := range []struct {
		name     string
		handler  http.Handler
		endpoint *string
	}{{"the tables", s.stack.tables, &s.DynamoDBEndpoint}, {"the signing key", signer, &s.KMSEndpoint}, {"the archive", archive, &s.FirehoseEndpoint}} {
		if *service.endpoint, err = s.listen(ctx, service.name, service.handler, 0); err != nil {
			return err
		}
	}
	s.LogTable, s.SealBucket, s.SealKey, s.Delivery = logTable, sealBucket, sealKey, delivery
	if err := s.Objects.CreateBucket(sealBucket, o.Now()); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := s.Objects.LockBucket(sealBucket, "COMPLIANCE", sealDays); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	policy, err := iam.Parse(functionPolicy)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	keys.Put(saved.BackendKey, s3.Credential{Secret: saved.BackendSecret, Policies: []*iam.Policy{policy}})
	return nil
}

// streamed takes records of the stream.
func (s *stack) streamed(records []tables.Record) {
	s.mu.Lock()
	s.waiting = append(s.waiting, records...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// maxDelivery is the number of records of one delivery, as in the template.
const maxDelivery = 500

// deliver calls the function with the waiting records. Those from the first failed
// one on are delivered again.
func (s *stack) deliver(ctx context.Context, invoke Function) error {
	s.mu.Lock()
	records := s.waiting[:min(len(s.waiting), maxDelivery)]
	s.mu.Unlock()
	payload, err := tables.Event(records)
	if err != nil {
		return err
	}
	raw, err := invoke(ctx, payload)
	if err != nil {
		return err
	}
	done, err := tables.Confirmed(records, raw)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = s.waiting[done:]
	if done == 0 && len(records) > 0 {
		return errors.New("the function took no record")
	}
	return nil
}

// Deploy serves the functions: a gateway on a listener, the stream of the log, and
// schedules. Close ends them.
func (s *Sandbox) Deploy(ctx context.Context, f Functions) error {
	if s.stack == nil || f.API == nil || f.Stream == nil || f.Seal == nil || f.Listener == nil || f.Every <= 0 {
		return errors.New("sandbox: a stack needs its three functions, a listener and an interval")
	}
	g, err := gateway.New(gateway.Config{Invoke: f.API, Now: f.Now})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	web := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, web)
	go func() { _ = web.Serve(f.Listener) }()
	ctx, s.stopFunctions = context.WithCancel(context.WithoutCancel(ctx))
	s.functions.Go(func() { s.stack.follow(ctx, f) })
	s.functions.Go(func() { schedule(ctx, f.Every, f.Seal) })
	return nil
}

// follow delivers the stream, and calls its function by a schedule too.
func (s *stack) follow(ctx context.Context, f Functions) {
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
			if _, err := s.tables.Expire(logTable); err != nil {
				continue
			}
			_, _ = f.Stream(ctx, []byte(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`))
		}
		for {
			s.mu.Lock()
			n := len(s.waiting)
			s.mu.Unlock()
			if n == 0 || s.deliver(ctx, f.Stream) != nil { // tried again at the next tick
				break
			}
		}
	}
}

func schedule(ctx context.Context, every time.Duration, invoke Function) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = invoke(ctx, []byte(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`)) // the function logs its errors
		}
	}
}

// endStack ends the calls of functions.
func (s *Sandbox) endStack() {
	if s.stopFunctions != nil {
		s.stopFunctions()
		s.functions.Wait()
	}
}
