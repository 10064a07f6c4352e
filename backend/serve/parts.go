package serve

import (
	"context"
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

// build makes the parts in the order in which they depend on each other. What
// must be closed again is returned even when a later part fails.
func build(ctx context.Context, c Config, w World, loop *Loopback, listening net.Addr) (*backend.Backend, io.Closer, error) {
	store, err := openLog(c)
	if err != nil {
		return nil, nil, err
	}
	b, err := assemble(ctx, c, w, loop, listening, store)
	return b, store, err
}

func assemble(ctx context.Context, c Config, w World, loop *Loopback, listening net.Addr, store *sqlite.Store) (*backend.Backend, error) {
	pool := c.pool()
	if loop != nil {
		pool.LoopbackIssuer = loop.Issuer
	}
	issuer, err := pool.Issuer()
	if err != nil {
		return nil, err
	}
	keys, err := identity.NewKeySet(issuer, &http.Client{}, w.Now)
	if err != nil {
		return nil, err
	}
	verifier, err := identity.NewVerifier(identity.VerifierConfig{
		Issuer: issuer, ClientIDs: []string{c.ClientID}, Audience: c.PublicURL, Keys: keys, Now: w.Now,
	})
	if err != nil {
		return nil, err
	}
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	directory, questions, err := newDirectory(c, sdk, loop, w)
	if err != nil {
		return nil, err
	}
	log, err := audit.New(audit.Config{Store: store, Now: w.Now, NewID: w.NewID})
	if err != nil {
		return nil, err
	}
	if err := recordLoss(ctx, log, store.Lost()); err != nil {
		return nil, err
	}
	grants, err := openGrants(ctx, c, w, log)
	if err != nil {
		return nil, err
	}
	objects, err := newStorage(c, sdk, loop, w, directory.InForce)
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(c, w)
	if err != nil {
		return nil, err
	}
	proxies, err := c.proxies()
	if err != nil {
		return nil, err
	}
	life := time.Duration(c.URLSeconds) * time.Second
	public := api.Config{
		Organisation: c.Organisation, Region: c.Region, UserPoolID: c.UserPoolID, ClientID: c.ClientID,
		Issuer: issuer, HostedUI: c.HostedUI, S3Hosts: []string{objects.host}, URLSeconds: c.URLSeconds,
		BoundSeconds:  int((directory.InForce() + life) / time.Second),
		AuditorsGroup: c.AuditorsGroup, AdminsGroup: c.AdminsGroup, OldestClient: "0.1.0",
	}
	if loop != nil {
		public.CognitoEndpoint = loop.Cognito
	}
	return backend.New(backend.Config{
		Public: public, Verifier: verifier, Directory: directory, Grants: grants,
		Objects: objects.store, Signer: objects.presigner, Clock: objects.clock, Audit: log, Access: questions, Cursors: sealer,
		URLLife: life, FileKeys: c.S3.fileKeys(objects.host), Hosts: c.hosts(listening), Proxies: proxies, Now: w.Now, NewID: w.NewID, Log: w.Log,
	})
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

// newDirectory asks the pool at the address that its region implies: an
// endpoint from the environment does not count here.
func newDirectory(c Config, sdk aws.Config, loop *Loopback, w World) (*identity.Directory, *access.Questions, error) {
	endpoint := "https://cognito-idp." + c.Region + ".amazonaws.com"
	if loop != nil {
		endpoint = loop.Cognito
	}
	pool := cognitoidentityprovider.NewFromConfig(sdk, func(o *cognitoidentityprovider.Options) {
		o.Region, o.BaseEndpoint = c.Region, aws.String(endpoint)
		o.RetryMaxAttempts = 2
	})
	source, err := identity.NewCognito(pool, c.UserPoolID, c.HostedUI, &http.Client{Timeout: 5 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	questions, err := access.New(source)
	if err != nil {
		return nil, nil, err
	}
	// Half of the pool's quotas, shared by the instances.
	// SPEC: Cognito developer guide, "Quotas in Amazon Cognito": UserRead 120/s, UserResourceRead 50/s.
	directory, err := identity.NewDirectory(identity.DirectoryConfig{
		Source: source, Now: w.Now,
		AliveRate: 60 / float64(c.Instances), GroupsRate: 25 / float64(c.Instances),
	})
	return directory, questions, err
}

type storage struct {
	store     *object.Store
	presigner *object.Presigner
	clock     clock
	host      string
}

// clock is the skew check with the S3 client that it may ask.
type clock struct {
	skew   *object.Skew
	client object.S3
}

func (c clock) Check(ctx context.Context, bucket string) error {
	return c.skew.Check(ctx, c.client, bucket)
}

func newStorage(c Config, sdk aws.Config, loop *Loopback, w World, checkAge func() time.Duration) (storage, error) {
	skew := object.NewSkew(w.Now)
	style := c.S3.PathStyle
	client := s3.NewFromConfig(sdk, func(o *s3.Options) {
		if c.S3.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.S3.Endpoint)
		}
		if loop != nil {
			o.BaseEndpoint, style = aws.String(loop.S3), true
		}
		o.UsePathStyle = style
		o.HTTPClient = skew.Watch(o.HTTPClient)
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	endpoint := "https://s3." + c.S3.Region + ".amazonaws.com"
	if at := client.Options().BaseEndpoint; at != nil {
		endpoint = *at
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return storage{}, fmt.Errorf("the S3 endpoint is not an address")
	}
	store, err := object.NewStore(object.StoreConfig{Client: client, Log: w.Log, Now: w.Now})
	if err != nil {
		return storage{}, err
	}
	presigner, err := object.NewPresigner(object.PresignerConfig{
		Region: c.S3.Region, Endpoint: endpoint, PathStyle: style, Credentials: sdk.Credentials,
		Life: time.Duration(c.URLSeconds) * time.Second, CheckAge: checkAge, Now: w.Now,
	})
	if err != nil {
		return storage{}, err
	}
	return storage{store, presigner, clock{skew, client}, u.Host}, nil
}

// newSealer uses the configured keys, or a random one for a single instance:
// its listings then end with it.
func newSealer(c Config, w World) (*backend.Sealer, error) {
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
	return backend.NewSealer(w.Rand, keys...)
}
