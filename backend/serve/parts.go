package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"usher/backend"
	"usher/backend/access"
	"usher/backend/alert"
	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/audit"
	"usher/backend/grant/file"
	"usher/backend/identity"
	"usher/backend/lookahead"
	"usher/backend/object"
	"usher/backend/reader"
)

// Deps are the dependencies that tests replace: time, randomness, ids and the
// server's log.
type Deps struct {
	Now   func() time.Time
	Rand  io.Reader
	NewID func(time.Time) string // ULIDs, in order within this process
	Log   *slog.Logger
	// Version of the program, in the event of a deployed version. It may be empty.
	Version string
	Commit  string // of the program; it may be empty
}

// Loopback has the addresses of a local replacement for AWS. It is an argument
// and not a setting, so no file and no environment variable can make a real
// server trust a local pool.
type Loopback struct {
	Issuer      string            // http://127.0.0.1:PORT/POOL
	Cognito     string            // endpoint
	S3          string            // endpoint, path-style
	STS         string            // endpoint; "" without a reader role
	DynamoDB    string            // endpoint; "" without tables
	KMS         string            // endpoint; "" without a key in KMS
	Firehose    string            // endpoint; "" without an archive
	Signer      string            // ARN of the principal of Credentials, which STS would return; it may be ""
	Regions     map[string]string // S3 endpoints by region; nil: S3 alone
	Credentials aws.CredentialsProvider
	// Wire wraps the connections for the calls of the server. nil: no wrapper.
	Wire func(http.RoundTripper) http.RoundTripper
}

func (l *Loopback) wire() http.RoundTripper {
	if l == nil || l.Wire == nil {
		return nil // of http.Client: its default
	}
	return l.Wire(http.DefaultTransport)
}

// pageKeep is the greatest age of a page of S3 that was requested ahead. It is that of
// a live check for a release.
const pageKeep = 5 * time.Second

// parts are the parts of a server that are kept during a reload.
type parts struct {
	config    backend.Config
	checker   *checker
	health    *health
	store     logStore
	log       *audit.Log
	grants    grantStore
	shared    *shared              // nil: a single machine with files
	devices   *deviceFlow          // nil: no sign-in without a browser
	witnesses *witnesses           // nil: none
	sinks     *sinks               // nil: none
	alerts    *alert.Watch         // nil: none
	inForce   func() time.Duration // maximum age of a live check
	deps      Deps
	loop      *Loopback
	listener  net.Addr
}

// build makes the parts in the order of their dependencies. It closes the store
// if a later part fails.
func build(ctx context.Context, c Config, d Deps, loop *Loopback, listening net.Addr) (*parts, error) {
	p := &parts{deps: d, loop: loop, listener: listening}
	if err := p.assemble(ctx, c); err != nil {
		if p.store != nil {
			err = errors.Join(err, p.store.Close())
		}
		return nil, err
	}
	return p, nil
}

func (p *parts) assemble(ctx context.Context, c Config) (err error) {
	d := p.deps
	if p.checker, err = newChecker(ctx, c, d, p.loop); err != nil {
		return err
	}
	keys, err := identity.NewKeySet(p.checker.issuer, &http.Client{Transport: p.loop.wire()}, d.Now)
	if err != nil {
		return err
	}
	verifier, err := identity.NewVerifier(identity.VerifierConfig{
		Issuer: p.checker.issuer, ClientIDs: c.clients(api.WayPassword, api.WayCode), BrowserClients: c.clients(api.WaySSO, api.WayDevice),
		Audience: browserOrigin(c.PublicURL), Keys: keys, Now: d.Now,
	})
	if err != nil {
		return err
	}
	source, err := identity.NewCognito(p.checker.pool, c.UserPoolID, c.HostedUI, &http.Client{Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	people, err := c.people(source, d.Now)
	if err != nil {
		return err
	}
	reports, err := access.New(people)
	if err != nil {
		return err
	}
	log, err := p.stores(ctx, c, people)
	if err != nil {
		return err
	}
	p.log = log
	if p.config.Ender, err = identity.NewEnder(p.checker.pool, c.UserPoolID); err != nil {
		return err
	}
	p.inForce = p.config.Directory.InForce
	objects, err := object.NewStore(object.StoreConfig{Client: p.checker.s3, Log: d.Log, Now: d.Now})
	if err != nil {
		return err
	}
	if p.shared == nil { // the next page comes to this instance
		if p.config.Pages, err = lookahead.New(lookahead.Config{Source: objects, Keep: pageKeep, Now: d.Now}); err != nil {
			return err
		}
	}
	p.health = &health{checker: p.checker, audit: log, grants: p.grants, log: d.Log, known: map[string]string{}}
	if p.shared != nil {
		p.health.state = p.shared.check
	}
	if p.devices, err = newDeviceFlow(c, d, log, p.shared); err != nil {
		return err
	}
	if proved, ok := p.store.(proved); ok && proved.Key() != "" {
		p.config.Checkpoints = proved
		if p.witnesses, err = newWitnesses(ctx, c, proved, d.Log); err != nil {
			return err
		}
		if p.witnesses != nil {
			p.config.Witnesses = p.witnesses
		}
	}
	if all, ok := recordsOf(p.store); ok {
		p.config.Records = all
	}
	required, err := newReviews(c, log, d.Now)
	if err != nil {
		return err
	}
	if required != nil {
		p.config.Reviews = required
	}
	if p.alerts, err = p.newAlerts(c, log); err != nil {
		return err
	}
	if p.sinks, err = p.newSinks(c, log); err != nil {
		return err
	}
	if p.sinks != nil {
		p.config.Sinks = p.sinks
	}
	o := &p.config
	o.Verifier, o.Grants, o.Objects, o.Clock, o.Audit = verifier, p.grants, objects, p.checker.clock, log
	o.Reader, o.Access, o.Health, o.FileKeys = p.checker.sessions, reports, p.health, c.S3.fileKeys(p.checker.host)
	o.Now, o.NewID, o.Log = d.Now, d.NewID, d.Log
	if p.devices != nil {
		p.config.Devices = p.devices
	}
	return p.setReloadable(c)
}

// setReloadable sets the parts that a reload replaces.
func (p *parts) setReloadable(c Config) error {
	presigner, err := object.NewPresigner(object.PresignerConfig{
		Region: c.S3.Region, Endpoint: p.checker.endpoint, PathStyle: p.checker.pathStyle, Place: p.checker.located.Place, Credentials: p.checker.signing,
		Life: time.Duration(c.URLSeconds) * time.Second, CheckAge: p.inForce, Now: p.deps.Now,
	})
	if err != nil {
		return err
	}
	sealer := p.config.Cursors
	if sealer == nil || len(c.CursorKeys) > 0 {
		if sealer, err = newSealer(c, p.deps); err != nil {
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
		Issuer: p.checker.issuer, HostedUI: c.HostedUI, S3Hosts: p.checker.hosts, URLSeconds: c.URLSeconds,
		BoundSeconds:  int((p.inForce() + life) / time.Second),
		AuditorsGroup: c.AuditorsGroup, AdminsGroup: c.AdminsGroup, OldestClient: "0.1.0",
		IdleMinutes: c.IdleMinutes, SignIn: c.offer(),
	}
	if p.loop != nil {
		public.CognitoEndpoint = p.loop.Cognito
	}
	if proved, ok := p.store.(proved); ok {
		public.AuditLog.Key = proved.Key()
		if public.AuditLog.Restarts, err = restarts(c.AuditKey); err != nil {
			return fmt.Errorf("reading the restarts of the audit log: %w", err)
		}
	}
	p.config.Places, p.config.Principal = p.checker.located, p.checker.principal
	p.config.Public, p.config.Signer, p.config.Cursors, p.config.URLLife = public, presigner, sealer, life
	p.config.Hosts, p.config.Proxies = c.hosts(p.listener), proxies
	return nil
}

func openGrants(ctx context.Context, c Config, d Deps, log *audit.Log, kept audit.Policies) (grantStore, error) {
	changed := &changes{log: log, kept: kept, now: d.Now}
	store, err := file.Open(file.Config{Path: c.Grants, Now: d.Now, Log: d.Log, Changed: changed.record})
	if err != nil {
		return nil, err
	}
	set, err := store.Current(ctx)
	if err != nil {
		return nil, err
	}
	return store, changed.offline(ctx, set)
}

// awsConfig uses the SDK's own chain. Only the sandbox passes credentials.
func awsConfig(ctx context.Context, c Config, loop *Loopback) (aws.Config, error) {
	// The SDK refuses a plain *http.Client if AWS_CA_BUNDLE is set.
	web := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 128 })
	if loop != nil {
		own := aws.Config{Region: c.S3.Region, Credentials: loop.Credentials, HTTPClient: web}
		if wired := loop.wire(); wired != nil {
			own.HTTPClient = &http.Client{Transport: wired}
		}
		return own, nil
	}
	sdk, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.S3.Region), config.WithHTTPClient(web))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return sdk, nil
}

// newChecker makes the clients of pool and storage, and the checks that use them.
func newChecker(ctx context.Context, c Config, d Deps, loop *Loopback) (*checker, error) {
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
	r := &checker{config: c, issuer: issuer, pool: newPool(c, sdk, loop), credentials: sdk.Credentials, tls: func() TLS { return c.TLS }, now: d.Now}
	if err := r.assumeReader(sdk, loop); err != nil {
		return nil, err
	}
	return r, r.storage(sdk, loop)
}

// assumeReader makes the sessions of the reader role. With it, calls of S3 and
// signatures use a person's session and never the server's own credentials.
func (r *checker) assumeReader(sdk aws.Config, loop *Loopback) (err error) {
	r.signing = sdk.Credentials
	client := sts.NewFromConfig(sdk, func(o *sts.Options) {
		o.RetryMaxAttempts = 2
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.STS)
		}
	})
	r.principal = &principal{role: r.config.S3.ReaderRole, sts: client, loop: loop, now: r.now}
	if r.config.S3.ReaderRole == "" {
		return nil
	}
	r.signing = object.ContextCredentials{}
	r.sessions, err = reader.New(reader.Config{STS: client, Role: r.config.S3.ReaderRole, Now: r.now})
	return err
}

// newPool returns a client for the pool. Its address follows from the region;
// an endpoint in the environment is ignored.
func newPool(c Config, sdk aws.Config, loop *Loopback) *cognitoidentityprovider.Client {
	endpoint := "https://" + shape.PoolHost(c.Region)
	if loop != nil {
		endpoint = loop.Cognito
	}
	return cognitoidentityprovider.NewFromConfig(sdk, func(o *cognitoidentityprovider.Options) {
		o.Region, o.BaseEndpoint = c.Region, aws.String(endpoint)
		o.RetryMaxAttempts = 2
	})
}

// The default rates are half of the pool's quotas.
// SPEC: Cognito developer guide, "Quotas in Amazon Cognito": UserRead 120/s, UserResourceRead 50/s.
const (
	aliveRate  = 60
	groupsRate = 25
)

func (c Config) aliveRate() float64 {
	if c.Questions > 0 {
		return float64(c.Questions)
	}
	return aliveRate
}

func (c Config) groupsRate() float64 {
	if c.Questions > 0 {
		return float64(c.Questions)
	}
	return groupsRate
}
