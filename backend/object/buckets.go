package object

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/singleflight"

	"usher/backend/api/shape"
	"usher/backend/elapsed"
)

// Place is the location of a bucket.
type Place struct {
	Region    string
	Endpoint  string // without a bucket, such as https://s3.<region>.amazonaws.com
	PathStyle bool
}

// BucketsConfig holds the parts of Buckets. Fixed may be false; all others are
// required.
type BucketsConfig struct {
	Home string // region of the first attempt
	// Connect returns a client for a region, and the region's place. The client
	// makes the calls for people.
	Connect func(region string) (S3, Place, error)
	// Lookup finds the region of a bucket with HeadBucket. It needs no right in
	// S3: a refusal names the region too.
	Lookup S3
	Fixed  bool // one endpoint for all buckets, as of another S3 storage
	Now    func() time.Time
}

// Buckets is an S3 client for buckets in any region. It finds the region of each
// bucket once and keeps it until S3 names another. Safe for concurrent use.
type Buckets struct {
	c       BucketsConfig
	lookups singleflight.Group

	mu      sync.Mutex
	regions map[string]string // by bucket
	unknown map[string]time.Time
	clients map[string]client // by region
}

type client struct {
	S3
	place Place
}

const (
	unknownFor = time.Minute // time until the region of a bucket is looked up again after a failure
	maxKnown   = 10_000      // buckets
	lookups    = 16          // concurrent lookups of Hosts
)

// NewBuckets returns Buckets. It refuses a missing part, and connects to the home
// region.
func NewBuckets(c BucketsConfig) (*Buckets, error) {
	if c.Home == "" || c.Connect == nil || c.Lookup == nil || c.Now == nil {
		return nil, errors.New("buckets: a region, a connection, a lookup and a clock are needed")
	}
	b := &Buckets{c: c, regions: map[string]string{}, unknown: map[string]time.Time{}, clients: map[string]client{}}
	_, err := b.client(c.Home)
	return b, err
}

// client returns the client of a region.
func (b *Buckets) client(region string) (client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.clients[region]; ok {
		return c, nil
	}
	s, place, err := b.c.Connect(region)
	if err != nil {
		return client{}, fmt.Errorf("connecting to S3 in %s: %w", region, err)
	}
	c := client{s, place}
	b.clients[region] = c
	return c, nil
}

// Home returns the place of the home region.
func (b *Buckets) Home() Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clients[b.c.Home].place
}

// In returns the place of a region.
func (b *Buckets) In(region string) (Place, error) {
	c, err := b.client(region)
	return c.place, err
}

// Place returns the place of a bucket. Without a response of S3 it is that of the
// home region.
func (b *Buckets) Place(ctx context.Context, bucket string) (Place, error) {
	c, err := b.client(b.region(ctx, bucket))
	return c.place, err
}

// region returns the region of a bucket.
func (b *Buckets) region(ctx context.Context, bucket string) string {
	if b.c.Fixed {
		return b.c.Home
	}
	now := b.c.Now()
	b.mu.Lock()
	region, at := b.regions[bucket], b.unknown[bucket]
	b.mu.Unlock()
	if region != "" {
		return region
	}
	if since := elapsed.Since(now, at); since >= 0 && since < unknownFor {
		return b.c.Home
	}
	// Requests of one bucket share a lookup, which continues when one of them is
	// canceled.
	background := context.WithoutCancel(ctx)
	flight := b.lookups.DoChan(bucket, func() (any, error) { return b.lookup(background, bucket), nil })
	found := ""
	select {
	case r := <-flight:
		found, _ = r.Val.(string)
	case <-ctx.Done():
		return b.c.Home
	}
	if !shape.Region(found) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.unknown) >= maxKnown {
			clear(b.unknown)
		}
		b.unknown[bucket] = now
		return b.c.Home
	}
	b.learn(bucket, found)
	return found
}

// lookupTime bounds one lookup, retries included.
const lookupTime = 10 * time.Second

// lookup returns the region of a bucket by a call of S3, or a text that is none.
func (b *Buckets) lookup(ctx context.Context, bucket string) string {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	out, err := b.c.Lookup.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket)})
	if err != nil {
		return regionOf(err)
	}
	return aws.ToString(out.BucketRegion)
}

func (b *Buckets) learn(bucket, region string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.regions) >= maxKnown {
		clear(b.regions)
	}
	b.regions[bucket] = region
}

// regionOf returns the region in the header of an error response, or "".
// SPEC: S3 API reference, HeadBucket, x-amz-bucket-region.
func regionOf(err error) string {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil {
		return ""
	}
	return response.Response.Header.Get("X-Amz-Bucket-Region")
}

// Hosts returns the hosts of the places of buckets, sorted, that of the home region
// included. Clients download from no other host.
func (b *Buckets) Hosts(ctx context.Context, buckets []string) ([]string, error) {
	regions := make([]string, len(buckets), len(buckets)+1)
	var work sync.WaitGroup
	semaphore := make(chan struct{}, lookups)
	for i, bucket := range buckets {
		work.Go(func() {
			semaphore <- struct{}{}
			defer func() { <-semaphore }()
			regions[i] = b.region(ctx, bucket)
		})
	}
	work.Wait()
	regions = append(regions, b.c.Home)
	slices.Sort(regions)
	var hosts []string
	for _, region := range slices.Compact(regions) {
		c, err := b.client(region)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, c.place.Host())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// in calls f with the client of a bucket, and again if S3 names another region.
func in[T any](ctx context.Context, b *Buckets, bucket *string, f func(S3) (T, error)) (T, error) {
	name := aws.ToString(bucket)
	region := b.region(ctx, name)
	for again := true; ; again = false {
		c, err := b.client(region)
		if err != nil {
			var none T
			return none, err
		}
		out, err := f(c)
		other := regionOf(err)
		if !again || b.c.Fixed || other == region || !shape.Region(other) || !misplaced(err) {
			return out, err
		}
		b.learn(name, other)
		region = other
	}
}

// misplaced reports whether S3 refused a call because of the region.
func misplaced(err error) bool {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) {
		return false
	}
	status := response.HTTPStatusCode()
	return status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect || status == http.StatusBadRequest
}

// ListObjectsV2 implements S3.
func (b *Buckets) ListObjectsV2(ctx context.Context, i *s3.ListObjectsV2Input, o ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return in(ctx, b, i.Bucket, func(c S3) (*s3.ListObjectsV2Output, error) { return c.ListObjectsV2(ctx, i, o...) })
}

// ListObjectVersions implements S3.
func (b *Buckets) ListObjectVersions(ctx context.Context, i *s3.ListObjectVersionsInput, o ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	return in(ctx, b, i.Bucket, func(c S3) (*s3.ListObjectVersionsOutput, error) { return c.ListObjectVersions(ctx, i, o...) })
}

// HeadObject implements S3.
func (b *Buckets) HeadObject(ctx context.Context, i *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	return in(ctx, b, i.Bucket, func(c S3) (*s3.HeadObjectOutput, error) { return c.HeadObject(ctx, i, o...) })
}

// GetObject implements S3.
func (b *Buckets) GetObject(ctx context.Context, i *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return in(ctx, b, i.Bucket, func(c S3) (*s3.GetObjectOutput, error) { return c.GetObject(ctx, i, o...) })
}

// HeadBucket implements S3.
func (b *Buckets) HeadBucket(ctx context.Context, i *s3.HeadBucketInput, o ...func(*s3.Options)) (*s3.HeadBucketOutput, error) {
	return in(ctx, b, i.Bucket, func(c S3) (*s3.HeadBucketOutput, error) { return c.HeadBucket(ctx, i, o...) })
}
