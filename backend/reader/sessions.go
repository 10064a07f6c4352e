package reader

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/singleflight"

	"usher/backend/api/shape"
	"usher/backend/elapsed"
	"usher/backend/object"
)

const (
	sessionLife = 15 * time.Minute // the shortest that STS offers
	keptFor     = 10 * time.Minute // a session in the cache, and a refused policy
	maxKept     = 5000             // sessions in the cache
	callLimit   = 5 * time.Second  // one AssumeRole, retries included
)

// STS is the call that gets a session.
type STS interface {
	AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, opts ...func(*sts.Options)) (*sts.AssumeRoleOutput, error)
}

// Config holds the parts of Sessions. All are required.
type Config struct {
	STS  STS
	Role string // ARN of the reader role
	Now  func() time.Time
}

// Sessions gets sessions of the reader role and keeps them for ten minutes. Safe
// for concurrent use.
type Sessions struct {
	c         Config
	partition string
	calls     singleflight.Group

	mu     sync.Mutex
	kept   map[string]session // by person and policy
	people map[string]known   // by person
}

// session is the result of one AssumeRole.
type session struct {
	at       time.Time // start of the call
	creds    *aws.Credentials
	tooLarge bool // STS cannot pack the policy
}

var roleShape = shape.NewForm(`^arn:(aws[a-z-]*):iam::[0-9]{12}:role/[!-~]{1,512}$`)

// ValidRole reports whether a text has the form of a role's ARN.
func ValidRole(arn string) bool { return roleShape.Matches(arn) }

// New returns Sessions. It refuses a missing part.
func New(c Config) (*Sessions, error) {
	if c.STS == nil || c.Now == nil {
		return nil, errors.New("reader: an STS client and a clock are needed")
	}
	found := roleShape.Parts(c.Role)
	if found == nil {
		return nil, errors.New("reader: the reader role is not the ARN of a role, like arn:aws:iam::111122223333:role/usher-reader")
	}
	return &Sessions{c: c, partition: found[1], kept: map[string]session{}, people: map[string]known{}}, nil
}

// errTooLarge reports a policy that STS cannot pack.
var errTooLarge = errors.New("the session policy is too large")

// assume returns credentials of a person under a policy, from the cache or from
// STS. remote is called before a call of STS, which its error prevents.
func (s *Sessions) assume(ctx context.Context, sub string, p Policy, remote func() error) (*aws.Credentials, error) {
	if !p.Fits() {
		return nil, errTooLarge
	}
	key := keyOf(sub, p)
	if found, ok := s.cached(key); ok {
		return found.result()
	}
	if err := remote(); err != nil {
		return nil, err
	}
	// Other requests wait for the same session: the call continues when the request
	// that started it is canceled.
	background := context.WithoutCancel(ctx)
	flight := s.calls.DoChan(key, func() (any, error) {
		if found, ok := s.cached(key); ok {
			return found, nil
		}
		return s.call(background, key, sub, p)
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(session).result()
	case <-ctx.Done():
		return nil, fmt.Errorf("assuming the reader role: %w: %w", object.ErrUnavailable, ctx.Err())
	}
}

func (s session) result() (*aws.Credentials, error) {
	if s.tooLarge {
		return nil, errTooLarge
	}
	return s.creds, nil
}

func keyOf(sub string, p Policy) string {
	sum := sha256.Sum256([]byte(p.Text))
	return sub + "\x00" + string(sum[:])
}

func (s *Sessions) cached(key string) (session, bool) {
	now := s.c.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.kept[key]
	since := elapsed.Since(now, found.at)
	return found, ok && since >= 0 && since < keptFor
}

// call makes one AssumeRole.
func (s *Sessions) call(ctx context.Context, key, sub string, p Policy) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got := session{at: s.c.Now()}
	name := sessionName(sub)
	out, err := s.c.STS.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(s.c.Role), RoleSessionName: aws.String(name), SourceIdentity: aws.String(name),
		DurationSeconds: aws.Int32(int32(sessionLife / time.Second)), Policy: aws.String(p.Text),
	})
	switch packed := (*types.PackedPolicyTooLargeException)(nil); {
	case errors.As(err, &packed):
		got.tooLarge = true
	case err != nil:
		return got, failed(err)
	case out.Credentials == nil || out.Credentials.Expiration == nil || aws.ToString(out.Credentials.SessionToken) == "":
		return got, fmt.Errorf("assuming the reader role: a response without credentials: %w", object.ErrUnavailable)
	default:
		got.creds = &aws.Credentials{
			AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
			SessionToken: aws.ToString(out.Credentials.SessionToken), CanExpire: true, Expires: *out.Credentials.Expiration, Source: "reader role",
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	s.kept[key] = got
	return got, nil
}

// failed classifies an error of STS. A refusal is a fault of the installation.
func failed(err error) error {
	kind := object.ErrUnavailable
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		if status := response.HTTPStatusCode(); status == http.StatusForbidden || status == http.StatusBadRequest {
			kind = object.ErrRefused
		}
	}
	return fmt.Errorf("assuming the reader role: %w: %w", kind, err)
}

// SPEC: STS API reference, AssumeRole, RoleSessionName and SourceIdentity: 2 to 64
// characters of [\w+=,.@-]*; a source identity does not begin with aws:.
var nameShape = shape.NewForm(`^[A-Za-z0-9_+=,.@-]{2,64}$`)

// sessionName returns a person's name in CloudTrail and in S3's access log: the
// sub, or a fingerprint of a sub that is no valid name.
func sessionName(sub string) string {
	if nameShape.Matches(sub) && !strings.HasPrefix(sub, "sub-sha256-") {
		return sub
	}
	sum := sha256.Sum256([]byte(sub))
	return "sub-sha256-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}
