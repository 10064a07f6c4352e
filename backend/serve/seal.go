package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit/checkpoint"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
	"usher/backend/dynamo"
	ourkms "usher/backend/kms"
	"usher/backend/safetext"
	"usher/backend/vault"
)

// Seal has the storage and the key of a log in DynamoDB that is sealed. A log in a
// file seals itself.
type Seal struct {
	Bucket    string `yaml:"bucket"`     // in the region of s3; with Object Lock
	Prefix    string `yaml:"prefix"`     // of all names; ends with a slash
	KMSKey    string `yaml:"kms_key"`    // of ECC_NIST_EDWARDS25519; empty: the file audit_key
	PublicKey string `yaml:"public_key"` // NAME+HASH+KEY; empty: that of the signer

	// Settle is the age from which events are sealed, for a rehearsal. 0: a minute.
	Settle time.Duration `yaml:"-"`
}

// check refuses wrong values.
func (s Seal) check(c Config) error {
	if s == (Seal{}) {
		return nil
	}
	switch {
	case !c.shared():
		return errors.New("seal is for a log in DynamoDB; a log in a file seals itself")
	case s.Bucket == "":
		return errors.New("seal: bucket is missing")
	case s.Prefix != "" && (!strings.HasSuffix(s.Prefix, "/") || strings.HasPrefix(s.Prefix, "/")):
		return errors.New("seal: prefix must end with a slash, and begin without one")
	}
	if s.PublicKey != "" {
		if _, err := checkpoint.NewVerifier(s.PublicKey); err != nil {
			return fmt.Errorf("seal: public_key: %w", err)
		}
	}
	return nil
}

// keyed reports whether the configuration needs the file with the key of the log.
func (c Config) keyed() bool {
	return !c.Unattended && (!c.shared() || c.Seal.Bucket != "" && c.Seal.KMSKey == "")
}

// origin returns the name of the log in its checkpoints.
func (c Config) origin() (string, error) {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" {
		return "", errors.New("the name of the audit log needs public_url")
	}
	return u.Host + "/audit", nil
}

// openVault returns the storage of a sealed log. It makes no call.
func openVault(ctx context.Context, c Config, loop *Loopback) (*vault.Vault, error) {
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(sdk, func(o *s3.Options) {
		o.UsePathStyle = c.S3.PathStyle || loop != nil || strings.Contains(c.Seal.Bucket, ".")
		if c.S3.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.S3.Endpoint)
		}
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.S3)
		}
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return vault.New(vault.Config{S3: client, Bucket: c.Seal.Bucket, Prefix: c.Seal.Prefix})
}

// localSigner signs with the key in a file.
type localSigner struct{ *checkpoint.Signer }

func (l localSigner) Sign(_ context.Context, head tree.Head) ([]byte, error) {
	return l.Signer.Sign(head)
}

// openSealKey returns the signer of a sealed log. A key in KMS needs a call.
func openSealKey(ctx context.Context, c Config, d Deps, loop *Loopback) (sealer.Signer, error) {
	signer, err := sealKey(ctx, c, d, loop)
	if err == nil && c.Seal.PublicKey != "" && signer.Key() != strings.TrimSpace(c.Seal.PublicKey) {
		return nil, fmt.Errorf("the key of the audit log is %s, and public_key is another one", signer.Key())
	}
	return signer, err
}

func sealKey(ctx context.Context, c Config, d Deps, loop *Loopback) (sealer.Signer, error) {
	if c.Seal.KMSKey == "" {
		signer, err := auditSigner(c, d.Rand)
		return localSigner{signer}, err
	}
	name, err := c.origin()
	if err != nil {
		return nil, err
	}
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	sdk.Region = c.Region
	client := kms.NewFromConfig(sdk, func(o *kms.Options) {
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.KMS)
		}
	})
	signer, err := ourkms.Open(ctx, client, c.Seal.KMSKey, name)
	if err != nil {
		return nil, err // a nil pointer in an interface is not nil
	}
	return signer, nil
}

// sealing seals a log in DynamoDB.
type sealing struct {
	c     Config
	d     Deps
	log   *auditdynamo.Store
	vault *vault.Vault
	state *auditdynamo.States
	open  func(ctx context.Context) (sealer.Signer, error)

	mu     sync.Mutex
	sealer *sealer.Sealer // nil before the first success of open
	heldAt time.Time      // last look for held events
}

// newSealing returns the sealing of a log. It makes no call.
func newSealing(ctx context.Context, c Config, d Deps, loop *Loopback, client *dynamo.Client, log *auditdynamo.Store) (*sealing, error) {
	v, err := openVault(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	state, err := auditdynamo.NewStates(client, table(c.State))
	if err != nil {
		return nil, err
	}
	return &sealing{c: c, d: d, log: log, vault: v, state: state, open: func(ctx context.Context) (sealer.Signer, error) {
		return openSealKey(ctx, c, d, loop)
	}}, nil
}

// step returns the step of the sealer. The first call reads the public key.
func (s *sealing) step(ctx context.Context) (sealer.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealer == nil {
		signer, err := s.open(ctx)
		if err != nil {
			return sealer.Result{}, err
		}
		s.sealer, err = sealer.New(sealer.Config{Log: s.log.Sealing(), Objects: s.vault, States: s.state, Signer: signer, Now: s.d.Now, Settle: s.c.Seal.Settle})
		if err != nil {
			return sealer.Result{}, err
		}
	}
	return s.sealer.Step(ctx)
}

// Values of the attribute alarm in the server's log, for alarms of its metrics.
const (
	alarmAttribute = "alarm"
	alarmTampering = "tampering"
	alarmSeal      = "seal"
	alarmArchive   = "archive"
)

// maxLost bounds the repetitions beside another sealer.
const maxLost = 3

// run seals until nothing is left or the time is over, and logs the result.
func (s *sealing) run(ctx context.Context) error {
	var sealed, strays int64
	reported := map[string]bool{}
	for lost := 0; ; {
		if late(ctx) {
			break
		}
		r, err := s.step(ctx)
		for _, b := range r.Damaged {
			if !reported[b.ID] {
				reported[b.ID] = true
				s.d.Log.Error("an item of the audit log is not usher's and is not sealed", "item", safetext.New(b.ID), "error", safetext.New(b.Damage.Error()), alarmAttribute, alarmTampering)
			}
		}
		if errors.Is(err, sealer.ErrLost) && lost < maxLost {
			lost++
			continue
		}
		if err != nil && !errors.Is(err, sealer.ErrLost) {
			kind := alarmSeal
			if errors.Is(err, sealer.ErrTampered) {
				kind = alarmTampering
			}
			s.d.Log.Error("sealing the audit log", "error", safetext.New(err.Error()), alarmAttribute, kind)
			return fmt.Errorf("sealing the audit log: %w", err)
		}
		sealed, strays = sealed+r.Sealed, strays+r.Strays
		if !r.More || err != nil {
			break
		}
	}
	if sealed > 0 {
		s.d.Log.Info("sealed", "events", sealed, "late", strays)
	}
	return s.holdLogged(ctx)
}

// sealedLog is a log in DynamoDB that proves its content.
type sealedLog struct {
	*auditdynamo.Store
	*tiles.Reader
	verifier *checkpoint.Verifier
	vault    *vault.Vault
}

// Key returns the public key of the checkpoints.
func (l sealedLog) Key() string { return l.verifier.Key() }

// cosignatures returns the storage of cosignatures that satisfy a policy.
func (l sealedLog) cosignatures(policy *checkpoint.Policy) (keptCosigned, error) {
	return sealer.NewCosigned(sealer.CosignedConfig{Objects: l.vault, Key: l.verifier, Satisfied: policy.Satisfied})
}

// sealed returns the log with its proofs. With a listener the key can come from the
// signer; a function needs it in its configuration, because it makes no call at
// its start. Without the key the log has no proofs.
func (s *sealing) sealed(ctx context.Context) (logStore, error) {
	key := s.c.Seal.PublicKey
	if key == "" && s.c.Unattended {
		return s.log, nil
	}
	if key == "" {
		signer, err := s.open(ctx)
		if err != nil {
			return nil, err
		}
		key = signer.Key()
	}
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	reader, err := tiles.NewReader(tiles.ReaderConfig{Objects: s.vault, Key: v})
	if err != nil {
		return nil, err
	}
	return sealedLog{s.log, reader, v, s.vault}, nil
}

// Times of the sealing beside requests.
const (
	sealEvery = 10 * time.Second
	sealLease = 2 * time.Minute
)

// seal seals the log, on the instance with the lease.
func (s *shared) seal(ctx context.Context, problem func(error)) {
	lease, err := dynamo.NewLease(dynamo.LeaseConfig{Client: s.client, Table: table(s.c.State), Name: "seal", Owner: s.id, Life: cmp.Or(s.c.Pace.Lease, sealLease)})
	if err != nil {
		problem(err)
		return
	}
	tick := time.NewTicker(cmp.Or(s.c.Pace.Seal, sealEvery))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = lease.Release(context.WithoutCancel(ctx))
			return
		}
		held, err := lease.Hold(ctx)
		if held {
			err = s.sealing.run(ctx)
		}
		if ctx.Err() == nil {
			problem(err)
		}
	}
}
