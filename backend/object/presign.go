package object

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"usher/backend/audit"
	"usher/backend/elapsed"
)

// Bounds of a presigned URL's life.
const (
	DefaultLife = 60 * time.Second
	MinLife     = 15 * time.Second
	MaxLife     = 15 * time.Minute
	credMargin  = 30 * time.Second // least time between the end of a URL and that of its credential
	minLeft     = 5 * time.Second  // least remaining life of a URL
)

// Errors of Sign.
var (
	ErrNoReceipt   = errors.New("there is no audit receipt for this URL")
	ErrStale       = errors.New("the live check is too old to sign")
	ErrCredentials = errors.New("the signing credential is not usable")
)

// SignedURL is a presigned GET of one object. The URL is a secret until it
// expires, so it is behind a pointer: fmt does not follow pointers inside structs.
type SignedURL struct {
	url     *string
	Life    time.Duration     // from now
	Headers map[string]string // the client must send them unchanged
}

// Reveal returns the URL. Its only use is the response to the person of the
// release.
func (u SignedURL) Reveal() string {
	if u.url == nil {
		return ""
	}
	return *u.url
}

// PresignerConfig holds the address of the storage and the parts of a Presigner.
type PresignerConfig struct {
	Region    string
	Endpoint  string // without a bucket, such as https://s3.<region>.amazonaws.com, or the address of another S3
	PathStyle bool   // bucket in the path instead of the host name
	// Place returns the place of a bucket. Nil: all buckets are in the place of the
	// three fields above.
	Place       func(ctx context.Context, bucket string) (Place, error)
	Credentials aws.CredentialsProvider
	Life        time.Duration // MinLife..MaxLife; 0 means DefaultLife
	// CheckAge returns the greatest age of a live check at the signing. It is the
	// directory's current age for releases.
	CheckAge func() time.Duration
	Now      func() time.Time
}

// eventParameter is the query parameter with the id of the audit event. S3 ignores
// parameters that begin with x-, and writes them to its access log.
// SPEC: S3 user guide, "Amazon S3 server access log format", custom information.
const eventParameter = "x-usher-event"

// Presigner signs URLs. Sign needs an audit receipt: the type system rules out a
// URL without a durable record.
type Presigner struct {
	c PresignerConfig

	mu      sync.Mutex
	signers map[Place]*queryV4
}

// NewPresigner returns a Presigner. It refuses a missing part and a life out of
// bounds.
func NewPresigner(c PresignerConfig) (*Presigner, error) {
	if c.Region == "" || c.Credentials == nil || c.Now == nil || c.CheckAge == nil {
		return nil, fmt.Errorf("presigner: region, credentials, check age and clock are needed")
	}
	if c.Life == 0 {
		c.Life = DefaultLife
	}
	if c.Life < MinLife || c.Life > MaxLife {
		return nil, fmt.Errorf("presigner: a URL's life must be %v to %v", MinLife, MaxLife)
	}
	home := Place{c.Region, c.Endpoint, c.PathStyle}
	if c.Place == nil {
		c.Place = func(context.Context, string) (Place, error) { return home, nil }
	}
	signer, err := home.signer()
	return &Presigner{c: c, signers: map[Place]*queryV4{home: signer}}, err
}

// signer returns the signer of a place.
func (p Place) signer() (*queryV4, error) {
	base, err := url.Parse(p.Endpoint)
	if err != nil || base.Host == "" || (base.Path != "" && base.Path != "/") || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("presigner: the S3 endpoint must be scheme://host[:port]")
	}
	return &queryV4{region: p.Region, base: base, pathStyle: p.PathStyle}, nil
}

// Host returns the host of the place's URLs, without a bucket.
func (p Place) Host() string {
	base, err := url.Parse(p.Endpoint)
	if err != nil {
		return ""
	}
	return base.Host
}

// signer returns the signer of a bucket.
func (p *Presigner) signer(ctx context.Context, bucket string) (*queryV4, error) {
	place, err := p.c.Place(ctx, bucket)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.signers[place]; s != nil {
		return s, nil
	}
	s, err := place.signer()
	if err == nil {
		p.signers[place] = s
	}
	return s, err
}

// Sign presigns the object of a receipt. X-Amz-Date is the start of the live
// check, so the life of the URL counts from the check, not from the signing.
func (p *Presigner) Sign(ctx context.Context, r audit.Receipt) (SignedURL, error) {
	if !r.Valid() {
		return SignedURL{}, ErrNoReceipt
	}
	now := p.c.Now()
	since := elapsed.Since(now, r.CheckedAt())
	if since > p.c.CheckAge() || since < -time.Second {
		return SignedURL{}, ErrStale
	}
	creds, err := p.c.Credentials.Retrieve(ctx)
	if err != nil {
		return SignedURL{}, fmt.Errorf("fetching the signing credential: %w", ErrCredentials)
	}
	life := p.c.Life
	switch {
	case creds.CanExpire:
		// A URL expires with its credential.
		life = min(life, creds.Expires.Sub(r.CheckedAt())-credMargin)
	case creds.SessionToken != "":
		return SignedURL{}, fmt.Errorf("a session token without a known end: %w", ErrCredentials)
	}
	life = life.Truncate(time.Second)
	if life-since < minLeft {
		return SignedURL{}, fmt.Errorf("the credential ends too soon: %w", ErrCredentials)
	}
	signer, err := p.signer(ctx, r.Bucket())
	if err != nil {
		return SignedURL{}, fmt.Errorf("finding the bucket: %w", err)
	}
	return signer.url(r, creds, life, since), nil
}

// url returns the URL of a receipt.
func (q *queryV4) url(r audit.Receipt, creds aws.Credentials, life, since time.Duration) SignedURL {
	g := get{bucket: r.Bucket(), key: r.Key(), version: r.Version(), event: r.EventID()}
	headers := map[string]string{}
	if !r.Link() {
		if r.ETag() != "" {
			g.headers = append(g.headers, [2]string{"if-match", r.ETag()})
		}
		g.headers = append(g.headers, [2]string{"x-amz-checksum-mode", "ENABLED"}) // S3 sends checksums only for this header
	}
	for _, h := range g.headers {
		headers[h[0]] = h[1]
	}
	signed := q.sign(creds, r.CheckedAt(), life, g)
	return SignedURL{url: &signed, Life: life - since, Headers: headers}
}
