package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"usher/backend"
	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/cursor"
	"usher/backend/device"
	"usher/backend/dynamo"
	"usher/backend/grant/file"
	"usher/backend/identity"
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

// parts are the parts of a server that are kept during a reload.
type parts struct {
	config   backend.Config
	checker  *checker
	health   *health
	store    logStore
	grants   grantStore
	shared   *shared              // nil: a single machine with files
	broker   *device.Broker       // nil: no sign-in without a browser
	inForce  func() time.Duration // maximum age of a live check
	deps     Deps
	loop     *Loopback
	listener net.Addr
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
	if p.config.Ender, err = identity.NewEnder(p.checker.pool, c.UserPoolID); err != nil {
		return err
	}
	p.inForce = p.config.Directory.InForce
	objects, err := object.NewStore(object.StoreConfig{Client: p.checker.s3, Log: d.Log, Now: d.Now})
	if err != nil {
		return err
	}
	p.health = &health{checker: p.checker, audit: log, grants: p.grants, log: d.Log, known: map[string]string{}}
	if p.shared != nil {
		p.health.state = p.shared.check
	}
	if p.broker, err = newBroker(c, d, log, p.shared); err != nil {
		return err
	}
	if proved, ok := p.store.(proved); ok && proved.Key() != "" {
		p.config.Checkpoints = proved
	}
	o := &p.config
	o.Verifier, o.Grants, o.Objects, o.Clock, o.Audit = verifier, p.grants, objects, p.checker.clock, log
	o.Reader, o.Access, o.Health, o.FileKeys = p.checker.sessions, reports, p.health, c.S3.fileKeys(p.checker.host)
	o.Now, o.NewID, o.Log = d.Now, d.NewID, d.Log
	if p.broker != nil {
		p.config.Devices = p.broker
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
	}
	p.config.Places = p.checker.located
	p.config.Public, p.config.Signer, p.config.Cursors, p.config.URLLife = public, presigner, sealer, life
	p.config.Hosts, p.config.Proxies = c.hosts(p.listener), proxies
	return nil
}

func openGrants(ctx context.Context, c Config, d Deps, log *audit.Log) (grantStore, error) {
	changed := &changes{log: log, now: d.Now}
	store, err := file.Open(file.Config{Path: c.Grants, Now: d.Now, Log: d.Log, Changed: changed.record})
	if err != nil {
		return nil, err
	}
	set, err := store.Current(ctx)
	if err != nil {
		return nil, err
	}
	return store, changed.offline(ctx, set.Version())
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
	if r.config.S3.ReaderRole == "" {
		return nil
	}
	client := sts.NewFromConfig(sdk, func(o *sts.Options) {
		o.RetryMaxAttempts = 2
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.STS)
		}
	})
	r.signing = object.ContextCredentials{}
	r.sessions, err = reader.New(reader.Config{STS: client, Role: r.config.S3.ReaderRole, Now: r.now})
	return err
}

// newPool returns a client for the pool. Its address follows from the region;
// an endpoint in the environment is ignored.
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

// stores opens the log, the grants and the directory: in files and memory, or in
// DynamoDB.
func (p *parts) stores(ctx context.Context, c Config, source identity.Source) (*audit.Log, error) {
	if c.shared() {
		return p.openTables(ctx, c, source)
	}
	store, err := openLog(c, p.deps.Rand)
	if err != nil {
		return nil, err
	}
	p.store = store
	log, err := audit.New(audit.Config{Store: store, Now: p.deps.Now, NewID: p.deps.NewID})
	if err != nil {
		return nil, err
	}
	if lossy, ok := store.(interface{ Lost() error }); ok {
		if err := recordLoss(ctx, log, lossy.Lost()); err != nil {
			return nil, err
		}
	}
	if p.grants, err = openGrants(ctx, c, p.deps, log); err != nil {
		return nil, err
	}
	p.config.Directory, err = identity.NewDirectory(identity.DirectoryConfig{
		Source: source, Now: p.deps.Now, AliveRate: c.aliveRate(), GroupsRate: c.groupsRate(),
	})
	return log, err
}

// openTables opens the stores in DynamoDB. It makes no call.
func (p *parts) openTables(ctx context.Context, c Config, source identity.Source) (*audit.Log, error) {
	s, err := newShared(ctx, c, p.deps, p.loop, source)
	if err != nil {
		return nil, err
	}
	p.shared, p.store, p.grants = s, s.log, s.grants
	p.config.Editor = s.grants
	p.config.Directory, p.config.Sessions, p.config.Cursors, p.config.Scope = s.directory, s.sessions, s.cursors, dynamo.Scope
	p.config.Ahead = s.ahead
	return audit.New(audit.Config{Store: s.log, Now: p.deps.Now, NewID: p.deps.NewID})
}

// clock is the skew check with its S3 client.
type clock struct {
	skew   *object.Skew
	client object.S3
}

func (c clock) Check(ctx context.Context, bucket string) error {
	return c.skew.Check(ctx, c.client, bucket)
}

// storage makes the S3 client. Its responses also carry the storage's time.
func (r *checker) storage(sdk aws.Config, loop *Loopback) (err error) {
	c := r.config
	skew := object.NewSkew(r.now)
	r.pathStyle = c.S3.PathStyle || loop != nil
	connect := func(region string, credentials aws.CredentialsProvider) *s3.Client {
		return s3.NewFromConfig(sdk, func(o *s3.Options) {
			o.Region = region
			if c.S3.Endpoint != "" {
				o.BaseEndpoint = aws.String(c.S3.Endpoint)
			}
			if loop != nil {
				o.BaseEndpoint = aws.String(cmp.Or(loop.Regions[region], loop.S3))
			}
			o.UsePathStyle, o.Credentials = r.pathStyle, credentials
			o.HTTPClient = skew.Watch(o.HTTPClient)
			o.DisableLogOutputChecksumValidationSkipped = true
		})
	}
	// Neither the clock nor the search for a region needs a right in S3: a refusal
	// has a Date and a region too.
	own := connect(c.S3.Region, sdk.Credentials)
	fixed := own.Options().BaseEndpoint != nil && (loop == nil || len(loop.Regions) == 0)
	r.located, err = object.NewBuckets(object.BucketsConfig{
		Home: c.S3.Region, Lookup: own, Fixed: fixed, Now: r.now,
		Connect: func(region string) (object.S3, object.Place, error) {
			client := connect(region, r.signing)
			endpoint, err := storageEndpoint(client.Options())
			if err != nil {
				return nil, object.Place{}, err
			}
			if u, err := url.Parse(endpoint); err != nil || u.Host == "" {
				return nil, object.Place{}, errors.New("the S3 endpoint is not a URL with a host")
			}
			return client, object.Place{Region: region, Endpoint: endpoint, PathStyle: r.pathStyle}, nil
		},
	})
	if err != nil {
		return err
	}
	home := r.located.Home()
	r.endpoint, r.host, r.hosts = home.Endpoint, home.Host(), []string{home.Host()}
	for _, region := range c.S3.Regions {
		place, err := r.located.In(region)
		if err != nil {
			return err
		}
		if !slices.Contains(r.hosts, place.Host()) {
			r.hosts = append(r.hosts, place.Host())
		}
	}
	r.s3, r.clock = r.located, clock{skew, own}
	return nil
}

// storageEndpoint returns the endpoint of a client without a bucket. URLs are
// signed for the host that the client itself uses: with AWS_USE_FIPS_ENDPOINT,
// AWS_USE_DUALSTACK_ENDPOINT or in another partition it is another than
// s3.<region>.amazonaws.com.
func storageEndpoint(o s3.Options) (string, error) {
	if o.BaseEndpoint != nil {
		return *o.BaseEndpoint, nil
	}
	found, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), s3.EndpointParameters{
		Region:       aws.String(o.Region),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return "", fmt.Errorf("resolving the S3 endpoint: %w", err)
	}
	return strings.TrimSuffix(found.URI.String(), "/"), nil
}

// newSealer uses the configured keys. Without keys it uses a random one, so page
// cursors become invalid at a restart.
func newSealer(c Config, d Deps) (*cursor.Sealer, error) {
	keys, err := c.cursorKeys()
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		key := make([]byte, 32)
		if _, err := io.ReadFull(d.Rand, key); err != nil {
			return nil, fmt.Errorf("making a cursor key: %w", err)
		}
		keys = [][]byte{key}
	}
	return cursor.NewSealer(d.Rand, keys...)
}
