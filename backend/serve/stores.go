package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	requestfile "usher/backend/accessrequest/file"
	"usher/backend/audit"
	"usher/backend/cursor"
	"usher/backend/dynamo"
	"usher/backend/identity"
	"usher/backend/object"
)

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
	if err := recordLoss(ctx, log, store.Lost()); err != nil {
		return nil, err
	}
	if err := recordRestart(ctx, c, store, log); err != nil {
		return nil, err
	}
	if err := recordUncleanStop(ctx, log); err != nil {
		return nil, err
	}
	if p.grants, err = openGrants(ctx, c, p.deps, log, store); err != nil {
		return nil, err
	}
	p.config.Policies = keptIn{store}
	if p.config.Requests, err = requestfile.New(c.Audit+".requests", p.deps.Now); err != nil {
		return nil, err
	}
	p.config.Directory, err = identity.NewDirectory(identity.DirectoryConfig{
		Source: source, Now: p.deps.Now, AliveRate: c.aliveRate(), GroupsRate: c.groupsRate(),
	})
	return log, err
}

// openTables opens the stores in DynamoDB. It makes no call, except for the key of
// a sealed log in KMS.
func (p *parts) openTables(ctx context.Context, c Config, source identity.Source) (*audit.Log, error) {
	s, err := newShared(ctx, c, p.deps, p.loop, source)
	if err != nil {
		return nil, err
	}
	p.shared, p.store, p.grants = s, s.log, s.grants
	if s.sealing != nil {
		if p.store, err = s.sealing.sealed(ctx); err != nil {
			return nil, err
		}
	}
	p.config.Editor, p.config.Policies = s.grants, s.grants
	p.config.Directory, p.config.Sessions, p.config.Cursors, p.config.Scope = s.directory, s.sessions, s.cursors, dynamo.Scope
	p.config.Ahead, p.config.Held, p.config.Requests = s.ahead, s.denials, s.requests
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

func (c clock) Difference() (time.Duration, bool) { return c.skew.Difference() }

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
