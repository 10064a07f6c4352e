package object

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

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
	Region      string
	Endpoint    string // without a bucket, such as https://s3.<region>.amazonaws.com, or the address of another S3
	PathStyle   bool   // bucket in the path instead of the host name
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
	c      PresignerConfig
	base   *url.URL
	signer *v4.Signer
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
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Host == "" || (base.Path != "" && base.Path != "/") || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("presigner: the S3 endpoint must be scheme://host[:port]")
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // in S3 the signed path is the sent path, escaped once
		// S3 sends checksums only if x-amz-checksum-mode is a header. The signer
		// would move it into the query.
		o.DisableHeaderHoisting = true
	})
	return &Presigner{c, base, signer}, nil
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
	return p.sign(ctx, r, creds, life, since)
}

func (p *Presigner) sign(ctx context.Context, r audit.Receipt, creds aws.Credentials, life, since time.Duration) (SignedURL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base.String(), nil)
	if err != nil {
		return SignedURL{}, fmt.Errorf("building a URL: %w", err)
	}
	path := "/" + r.Key()
	if p.c.PathStyle {
		path = "/" + r.Bucket() + path
	} else {
		req.URL.Host = r.Bucket() + "." + p.base.Host
		req.Host = req.URL.Host
	}
	req.URL.Path, req.URL.RawPath = path, httpbinding.EscapePath(path, false)
	query := url.Values{
		"X-Amz-Expires": {strconv.FormatInt(int64(life/time.Second), 10)},
		eventParameter:  {r.EventID()},
	}
	if v := r.Version(); v != "" {
		query.Set("versionId", v)
	}
	req.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	headers := map[string]string{}
	if !r.Link() {
		headers["x-amz-checksum-mode"] = "ENABLED"
		if r.ETag() != "" {
			headers["if-match"] = r.ETag()
		}
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	signed, _, err := p.signer.PresignHTTP(ctx, creds, req, "UNSIGNED-PAYLOAD", "s3", p.c.Region, r.CheckedAt().UTC())
	if err != nil {
		return SignedURL{}, fmt.Errorf("signing a URL: %w", err)
	}
	return SignedURL{url: &signed, Life: life - since, Headers: headers}, nil
}
