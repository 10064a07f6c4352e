package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/object"
)

// Parts that are checked.
const (
	partTLS       = "tls"
	partLog       = "log"
	partGrants    = "grants"
	partClock     = "clock"
	partPool      = "pool"
	partDirectory = "directory"
	partSigner    = "signer"
	partStorage   = "storage"
)

// Finding is the outcome of one check. Its texts are for administrators: they
// name files and buckets, and no secret. They are not escaped.
type Finding struct {
	Part    string
	Subject string // file, pool, bucket
	Problem string // "": it works
	Fix     string // the next step
	Exit    int    // of a command
}

// fails is a Finding of err, which may be nil.
func fails(part, subject string, exit int, err error, fix string) Finding {
	if err == nil {
		return Finding{Part: part, Subject: subject}
	}
	return Finding{Part: part, Subject: subject, Problem: err.Error(), Fix: fix, Exit: exit}
}

const (
	tryFor    = 5 * time.Second // one call
	tryAtOnce = 8               // buckets
	soonEnds  = 14 * 24 * time.Hour
)

// reach has the clients for all that is outside of the server's machine.
type reach struct {
	config      Config
	issuer      string
	pool        identity.PoolAPI
	s3          object.S3
	endpoint    string // of the storage
	host        string // of endpoint
	pathStyle   bool
	credentials aws.CredentialsProvider
	clock       clock
	tls         func() TLS // the files in use
	now         func() time.Time
}

// all tries each part once.
func (r *reach) all(ctx context.Context, set *grant.Set) []Finding {
	var out []Finding
	if f, ok := r.certificate(); ok {
		out = append(out, f)
	}
	out = append(out, r.keys(ctx), r.directory(ctx), r.signer(ctx))
	out = append(out, r.buckets(ctx, firstGrants(set))...)
	return append(out, r.clocks(ctx, set)...)
}

// certificate checks the server's own TLS files.
func (r *reach) certificate() (Finding, bool) {
	files := r.tls()
	if files.Cert == "" {
		return Finding{}, false
	}
	file := files.Cert
	pair, err := tls.LoadX509KeyPair(file, files.Key)
	if err != nil {
		return fails(partTLS, file, api.ExitUsage, err, "name the certificate with its chain and its private key, in PEM, in tls: cert and key"), true
	}
	leaf := pair.Leaf
	u, err := url.Parse(r.config.PublicURL)
	if err != nil {
		return fails(partTLS, file, api.ExitUsage, err, "correct public_url"), true
	}
	switch now := r.now(); {
	case now.After(leaf.NotAfter):
		err = fmt.Errorf("the certificate ended on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		err = fmt.Errorf("the certificate begins on %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	case now.Add(soonEnds).After(leaf.NotAfter) && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soonEnds:
		err = fmt.Errorf("the certificate ends on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	default:
		err = leaf.VerifyHostname(u.Hostname())
	}
	var name x509.HostnameError
	if errors.As(err, &name) {
		return fails(partTLS, file, api.ExitUsage, err, "get a certificate for "+u.Hostname()), true
	}
	return fails(partTLS, file, api.ExitUsage, err, "renew the certificate; usher takes the new files without a restart"), true
}

// keys fetches the pool's signing keys, without which no token is verified. A
// key that the pool does not have is the sign of an answer.
func (r *reach) keys(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	set, err := identity.NewKeySet(r.issuer, &http.Client{}, r.now)
	if err == nil {
		_, err = set.Key(ctx, "usher-check")
	}
	if errors.Is(err, identity.ErrToken) {
		err = nil
	}
	return fails(partPool, r.issuer, api.ExitUnavailable, err,
		"check region and user_pool_id, and that HTTPS to that address is open (HTTPS_PROXY names a proxy)")
}

// directory makes the two calls by which people's groups are read, for names
// that the pool does not have.
func (r *reach) directory(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*tryFor)
	defer cancel()
	const nobody = "usher-check"
	_, err := r.pool.AdminListGroupsForUser(ctx, &cognitoidentityprovider.AdminListGroupsForUserInput{
		UserPoolId: aws.String(r.config.UserPoolID), Username: aws.String(nobody), Limit: aws.Int32(1),
	})
	if user := (*types.UserNotFoundException)(nil); errors.As(err, &user) {
		err = nil
	}
	if err == nil {
		_, err = r.pool.ListUsersInGroup(ctx, &cognitoidentityprovider.ListUsersInGroupInput{
			UserPoolId: aws.String(r.config.UserPoolID), GroupName: aws.String(nobody), Limit: aws.Int32(1),
		})
		if group := (*types.ResourceNotFoundException)(nil); errors.As(err, &group) {
			err = nil
		}
	}
	fix := "check the credentials of the server, and that HTTPS to cognito-idp." + r.config.Region + ".amazonaws.com is open"
	switch code(err) {
	case "AccessDeniedException", "NotAuthorizedException":
		fix = "allow the server's role cognito-idp:AdminListGroupsForUser and cognito-idp:ListUsersInGroup on the pool"
	case "ResourceNotFoundException":
		fix = "user_pool_id names no pool of this account in " + r.config.Region
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException":
		fix = "the server's AWS credentials are not valid: replace them"
	}
	return fails(partDirectory, r.config.UserPoolID, api.ExitUnavailable, plainly(err), fix)
}

// signer checks the credentials that sign URLs.
func (r *reach) signer(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*tryFor)
	defer cancel()
	creds, err := r.credentials.Retrieve(ctx)
	fix := "give the server a role (instance profile, ECS task role, web identity) or an access key"
	switch {
	case err != nil:
		err = fmt.Errorf("there are no AWS credentials: %w", plainly(err))
	case creds.SessionToken != "" && !creds.CanExpire:
		// SPEC: a presigned URL ends with its credentials (S3 user guide, "Who can
		// create a presigned URL"); their end is not known here.
		err = errors.New("the credentials have a session token without a known end, and such never sign")
		fix = "unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or remove aws_session_token from the profile), and run with a role: instance profile, ECS task role, web identity, or credential_process with an Expiration"
	case creds.CanExpire && creds.Expires.Before(r.now()):
		err = errors.New("the credentials have ended")
		fix = "renew them"
	}
	return fails(partSigner, creds.Source, api.ExitUnavailable, err, fix)
}

// firstGrants has one allow grant for each bucket.
func firstGrants(set *grant.Set) []grant.Grant {
	var firsts []grant.Grant
	for _, g := range set.Grants() {
		if g.Effect == grant.Allow && !slices.ContainsFunc(firsts, func(f grant.Grant) bool { return f.Bucket == g.Bucket }) {
			firsts = append(firsts, g)
		}
	}
	return firsts
}

// buckets lists and looks at one object of each granted bucket.
func (r *reach) buckets(ctx context.Context, firsts []grant.Grant) []Finding {
	out := make([]Finding, len(firsts))
	places := make(chan struct{}, tryAtOnce)
	var work sync.WaitGroup
	for i, g := range firsts {
		work.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, 2*tryFor)
			defer cancel()
			out[i] = r.bucket(ctx, g)
		})
	}
	work.Wait()
	return out
}

func (r *reach) bucket(ctx context.Context, g grant.Grant) Finding {
	key := g.Object
	if key == "" {
		page, err := r.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(g.Bucket), Prefix: aws.String(g.Prefix), MaxKeys: aws.Int32(1)})
		if err != nil {
			return fails(partStorage, g.Bucket, api.ExitUnavailable, plainly(err), r.storageFix(err, g.Bucket, "s3:ListBucket on arn:aws:s3:::"+g.Bucket))
		}
		if len(page.Contents) == 0 {
			return Finding{Part: partStorage, Subject: g.Bucket}
		}
		key = aws.ToString(page.Contents[0].Key)
	}
	_, err := r.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(g.Bucket), Key: aws.String(key)})
	if status(err) == http.StatusNotFound && code(err) != "NoSuchBucket" {
		err = nil
	}
	return fails(partStorage, g.Bucket, api.ExitUnavailable, plainly(err), r.storageFix(err, g.Bucket, "s3:GetObject on arn:aws:s3:::"+g.Bucket+"/* (and kms:Decrypt on its key)"))
}

func (r *reach) storageFix(err error, bucket, right string) string {
	switch s := status(err); {
	case code(err) == "NoSuchBucket":
		return "there is no bucket " + bucket + ": correct the grants, or create it"
	case s == http.StatusMovedPermanently, s == http.StatusBadRequest && code(err) == "AuthorizationHeaderMalformed":
		return "the bucket is in another region than s3: region (" + r.config.S3.Region + ")"
	case s == http.StatusForbidden:
		return "allow the server's role " + right
	case s == 0:
		return "open the way to " + r.host + " (DNS, firewall, HTTPS_PROXY, s3: endpoint)"
	}
	return "look at the storage at " + r.host
}

// clocks compares this machine's time with the storage's, where it has one and
// it answers.
func (r *reach) clocks(ctx context.Context, set *grant.Set) []Finding {
	firsts := firstGrants(set)
	if len(firsts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	err := r.clock.Check(ctx, firsts[0].Bucket)
	if err != nil && !errors.Is(err, object.ErrSkew) {
		return nil // a storage that does not answer is a finding of its own
	}
	return []Finding{fails(partClock, "", api.ExitUnavailable, err, "synchronize this machine's clock (chronyd or systemd-timesyncd)")}
}

// code is an AWS error's code, or "".
func code(err error) string {
	var named smithy.APIError
	if errors.As(err, &named) {
		return named.ErrorCode()
	}
	return ""
}

// status is the HTTP status of an AWS error; 0: no answer.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}

// plainly is an AWS error without the SDK's account of its retries and ids.
func plainly(err error) error {
	var named smithy.APIError
	var at *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &named) && status(err) != 0:
		return fmt.Errorf("%d %s: %s", status(err), named.ErrorCode(), named.ErrorMessage())
	case errors.As(err, &at):
		return at.Err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer in time")
	}
	return err
}
