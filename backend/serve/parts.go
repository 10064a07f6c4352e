package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend"
	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/cursor"
	"usher/backend/grant/file"
	"usher/backend/identity"
	"usher/backend/object"
)

// World is what the parts take from outside: time, randomness, a voice.
type World struct {
	Now   func() time.Time
	Rand  io.Reader
	NewID func(time.Time) string // ULIDs, in order within this process
	Log   *slog.Logger
}

// Loopback stands in for AWS on this machine. It is an argument and never a
// setting, so that no file and no environment can make a real server trust a
// pool on loopback.
type Loopback struct {
	Issuer      string // http://127.0.0.1:PORT/POOL
	Cognito     string // endpoint
	S3          string // endpoint, path-style
	Credentials aws.CredentialsProvider
}

// made are the parts of a server that outlive a reload.
type made struct {
	config   backend.Config
	reach    *reach
	vitals   *vitals
	store    *sqlite.Store
	grants   *file.Store
	inForce  func() time.Duration // the age that a live check may have
	world    World
	loop     *Loopback
	listener net.Addr
}

// build makes the parts in the order in which they depend on each other. The
// store is closed when a later part fails.
func build(ctx context.Context, c Config, w World, loop *Loopback, listening net.Addr) (*made, error) {
	store, err := openLog(c)
	if err != nil {
		return nil, err
	}
	m := &made{store: store, world: w, loop: loop, listener: listening}
	if err := m.assemble(ctx, c); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return m, nil
}

func (m *made) assemble(ctx context.Context, c Config) (err error) {
	w := m.world
	if m.reach, err = newReach(ctx, c, w, m.loop); err != nil {
		return err
	}
	keys, err := identity.NewKeySet(m.reach.issuer, &http.Client{}, w.Now)
	if err != nil {
		return err
	}
	verifier, err := identity.NewVerifier(identity.VerifierConfig{
		Issuer: m.reach.issuer, ClientIDs: []string{c.ClientID}, Audience: c.PublicURL, Keys: keys, Now: w.Now,
	})
	if err != nil {
		return err
	}
	directory, reports, err := newDirectory(c, m.reach.pool, w)
	if err != nil {
		return err
	}
	m.inForce = directory.InForce
	log, err := audit.New(audit.Config{Store: m.store, Now: w.Now, NewID: w.NewID})
	if err != nil {
		return err
	}
	if err := recordLoss(ctx, log, m.store.Lost()); err != nil {
		return err
	}
	if m.grants, err = openGrants(ctx, c, w, log); err != nil {
		return err
	}
	objects, err := object.NewStore(object.StoreConfig{Client: m.reach.s3, Log: w.Log, Now: w.Now})
	if err != nil {
		return err
	}
	m.vitals = &vitals{reach: m.reach, audit: log, grants: m.grants, log: w.Log, known: map[string]string{}}
	m.config = backend.Config{
		Verifier: verifier, Directory: directory, Grants: m.grants, Objects: objects, Clock: m.reach.clock, Audit: log,
		Access: reports, Health: m.vitals, FileKeys: c.S3.fileKeys(m.reach.host), Now: w.Now, NewID: w.NewID, Log: w.Log,
	}
	return m.changeable(c)
}

// changeable sets the parts that a reload makes anew.
func (m *made) changeable(c Config) error {
	presigner, err := object.NewPresigner(object.PresignerConfig{
		Region: c.S3.Region, Endpoint: m.reach.endpoint, PathStyle: m.reach.pathStyle, Credentials: m.reach.credentials,
		Life: time.Duration(c.URLSeconds) * time.Second, CheckAge: m.inForce, Now: m.world.Now,
	})
	if err != nil {
		return err
	}
	sealer := m.config.Cursors
	if sealer == nil || len(c.CursorKeys) > 0 {
		if sealer, err = newSealer(c, m.world); err != nil {
			return err
		}
	}
	proxies, err := c.proxies()
	if err != nil {
		return err
	}
	life := time.Duration(c.URLSeconds) * time.Second
	public := api.Config{
		Organisation: c.Organisation, Region: c.Region, UserPoolID: c.UserPoolID, ClientID: c.ClientID,
		Issuer: m.reach.issuer, HostedUI: c.HostedUI, S3Hosts: []string{m.reach.host}, URLSeconds: c.URLSeconds,
		BoundSeconds:  int((m.inForce() + life) / time.Second),
		AuditorsGroup: c.AuditorsGroup, AdminsGroup: c.AdminsGroup, OldestClient: "0.1.0",
	}
	if m.loop != nil {
		public.CognitoEndpoint = m.loop.Cognito
	}
	m.config.Public, m.config.Signer, m.config.Cursors, m.config.URLLife = public, presigner, sealer, life
	m.config.Hosts, m.config.Proxies = c.hosts(m.listener), proxies
	return nil
}

func openGrants(ctx context.Context, c Config, w World, log *audit.Log) (*file.Store, error) {
	changed := &changes{log: log, now: w.Now}
	store, err := file.Open(file.Config{Path: c.Grants, Now: w.Now, Log: w.Log, Changed: changed.record})
	if err != nil {
		return nil, err
	}
	set, err := store.Current(ctx)
	if err != nil {
		return nil, err
	}
	return store, changed.whileOff(ctx, set.Version())
}

// awsConfig follows the SDK's own chain; only the sandbox hands credentials in.
func awsConfig(ctx context.Context, c Config, loop *Loopback) (aws.Config, error) {
	// A plain *http.Client would fail where AWS_CA_BUNDLE is set.
	web := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 128 })
	if loop != nil {
		return aws.Config{Region: c.S3.Region, Credentials: loop.Credentials, HTTPClient: web}, nil
	}
	sdk, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.S3.Region), config.WithHTTPClient(web))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return sdk, nil
}

// newReach makes the clients for all that is outside of this machine.
func newReach(ctx context.Context, c Config, w World, loop *Loopback) (*reach, error) {
	pool := c.pool()
	if loop != nil {
		pool.LoopbackIssuer = loop.Issuer
	}
	issuer, err := pool.Issuer()
	if err != nil {
		return nil, err
	}
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	r := &reach{config: c, issuer: issuer, pool: newPool(c, sdk, loop), credentials: sdk.Credentials, tls: func() TLS { return c.TLS }, now: w.Now}
	return r, r.storage(sdk, loop)
}

// newPool calls the pool at the address that its region implies: an endpoint
// from the environment does not count here.
func newPool(c Config, sdk aws.Config, loop *Loopback) *cognitoidentityprovider.Client {
	endpoint := "https://cognito-idp." + c.Region + ".amazonaws.com"
	if loop != nil {
		endpoint = loop.Cognito
	}
	return cognitoidentityprovider.NewFromConfig(sdk, func(o *cognitoidentityprovider.Options) {
		o.Region, o.BaseEndpoint = c.Region, aws.String(endpoint)
		o.RetryMaxAttempts = 2
	})
}

func newDirectory(c Config, pool identity.PoolAPI, w World) (*identity.Directory, *access.Reporter, error) {
	source, err := identity.NewCognito(pool, c.UserPoolID, c.HostedUI, &http.Client{Timeout: 5 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	reports, err := access.New(source)
	if err != nil {
		return nil, nil, err
	}
	// Half of the pool's quotas, shared by the instances.
	// SPEC: Cognito developer guide, "Quotas in Amazon Cognito": UserRead 120/s, UserResourceRead 50/s.
	directory, err := identity.NewDirectory(identity.DirectoryConfig{
		Source: source, Now: w.Now,
		AliveRate: 60 / float64(c.Instances), GroupsRate: 25 / float64(c.Instances),
	})
	return directory, reports, err
}

// clock is the skew check with the S3 client that it may ask.
type clock struct {
	skew   *object.Skew
	client object.S3
}

func (c clock) Check(ctx context.Context, bucket string) error {
	return c.skew.Check(ctx, c.client, bucket)
}

// storage makes the S3 client, whose answers also tell the storage's time.
func (r *reach) storage(sdk aws.Config, loop *Loopback) error {
	c := r.config
	skew := object.NewSkew(r.now)
	r.pathStyle = c.S3.PathStyle || loop != nil
	client := s3.NewFromConfig(sdk, func(o *s3.Options) {
		if c.S3.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.S3.Endpoint)
		}
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.S3)
		}
		o.UsePathStyle = r.pathStyle
		o.HTTPClient = skew.Watch(o.HTTPClient)
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	r.endpoint = "https://s3." + c.S3.Region + ".amazonaws.com"
	if at := client.Options().BaseEndpoint; at != nil {
		r.endpoint = *at
	}
	u, err := url.Parse(r.endpoint)
	if err != nil || u.Host == "" {
		return errors.New("the S3 endpoint is not an address")
	}
	r.s3, r.clock, r.host = client, clock{skew, client}, u.Host
	return nil
}

// newSealer uses the configured keys, or a random one for a single instance:
// its listings then end with it.
func newSealer(c Config, w World) (*cursor.Sealer, error) {
	keys, err := c.cursorKeys()
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		key := make([]byte, 32)
		if _, err := io.ReadFull(w.Rand, key); err != nil {
			return nil, fmt.Errorf("making a cursor key: %w", err)
		}
		keys = [][]byte{key}
	}
	return cursor.NewSealer(w.Rand, keys...)
}
