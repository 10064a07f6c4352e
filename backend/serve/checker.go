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
	"usher/backend/api/shape"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/reader"
)

// Names of the checked parts.
const (
	partTLS       = "tls"
	partLog       = "log"
	partGrants    = "grants"
	partState     = "state"
	partClock     = "clock"
	partPool      = "pool"
	partDirectory = "directory"
	partSigner    = "signer"
	partStorage   = "storage"
	partSink      = "sink"
)

// Finding is the outcome of one check. Its texts are for administrators: they
// name files and buckets, but no secrets. They are not escaped.
type Finding struct {
	Part    string
	Subject string // file, pool or bucket
	Problem string // "" if the check passed
	Fix     string // next step
	Exit    int    // exit code for a command
}

// finding returns the Finding for err, which may be nil.
func finding(part, subject string, exit int, err error, fix string) Finding {
	if err == nil {
		return Finding{Part: part, Subject: subject}
	}
	return Finding{Part: part, Subject: subject, Problem: err.Error(), Fix: fix, Exit: exit}
}

const (
	callTimeout = 5 * time.Second
	atOnce      = 8                   // concurrent checks of buckets
	renewBefore = 14 * 24 * time.Hour // certificates that expire sooner are reported
)

// checker checks the certificate, the pool and the storage. It has the clients
// for all remote parts.
type checker struct {
	config      Config
	issuer      string
	pool        poolAPI
	s3          object.S3
	endpoint    string          // URL of the storage
	host        string          // of endpoint
	hosts       []string        // of the configured regions
	located     *object.Buckets // the client for buckets of any region
	pathStyle   bool
	credentials aws.CredentialsProvider
	signing     aws.CredentialsProvider // of calls of S3 and of URLs
	sessions    *reader.Sessions        // nil without a reader role
	principal   *principal              // of calls of S3 and of URLs
	clock       clock
	tls         func() TLS // returns the files in use
	now         func() time.Time
}

// all checks each part once.
func (r *checker) all(ctx context.Context, set *grant.Set) []Finding {
	var out []Finding
	if f, ok := r.certificate(); ok {
		out = append(out, f)
	}
	out = append(out, r.keys(ctx), r.directory(ctx), r.signer(ctx))
	out = append(out, r.buckets(ctx, firstGrants(set))...)
	return append(out, r.clocks(ctx, set)...)
}

// certificate checks the server's own TLS files.
func (r *checker) certificate() (Finding, bool) {
	files := r.tls()
	if files.Cert == "" {
		return Finding{}, false
	}
	file := files.Cert
	pair, err := tls.LoadX509KeyPair(file, files.Key)
	if err != nil {
		return finding(partTLS, file, api.ExitUsage, err, "name the certificate with its chain and its private key, in PEM, in tls: cert and key"), true
	}
	leaf := pair.Leaf
	u, err := url.Parse(r.config.PublicURL)
	if err != nil {
		return finding(partTLS, file, api.ExitUsage, err, "correct public_url"), true
	}
	switch now := r.now(); {
	case now.After(leaf.NotAfter):
		err = fmt.Errorf("the certificate expired on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		err = fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	case now.Add(renewBefore).After(leaf.NotAfter) && leaf.NotAfter.Sub(leaf.NotBefore) > 2*renewBefore:
		err = fmt.Errorf("the certificate expires on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	default:
		err = leaf.VerifyHostname(u.Hostname())
	}
	var name x509.HostnameError
	if errors.As(err, &name) {
		return finding(partTLS, file, api.ExitUsage, err, "get a certificate for "+u.Hostname()), true
	}
	return finding(partTLS, file, api.ExitUsage, err, "renew the certificate; usher loads the new files without a restart"), true
}

// keys fetches the pool's signing keys. It requests an unknown key id, so
// identity.ErrToken proves that the keys were received.
func (r *checker) keys(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	set, err := identity.NewKeySet(r.issuer, &http.Client{}, r.now)
	if err == nil {
		_, err = set.Key(ctx, "usher-check")
	}
	if errors.Is(err, identity.ErrToken) {
		err = nil
	}
	return finding(partPool, r.issuer, api.ExitUnavailable, err,
		"check region and user_pool_id, and that HTTPS to that address is open (HTTPS_PROXY names a proxy)")
}

// directory makes the calls that read groups, with names that do not exist in the
// pool.
func (r *checker) directory(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	const unknown = "usher-check"
	_, err := r.pool.AdminListGroupsForUser(ctx, &cognitoidentityprovider.AdminListGroupsForUserInput{
		UserPoolId: aws.String(r.config.UserPoolID), Username: aws.String(unknown), Limit: aws.Int32(1),
	})
	if user := (*types.UserNotFoundException)(nil); errors.As(err, &user) {
		err = nil
	}
	if err == nil {
		_, err = r.pool.ListUsersInGroup(ctx, &cognitoidentityprovider.ListUsersInGroupInput{
			UserPoolId: aws.String(r.config.UserPoolID), GroupName: aws.String(unknown), Limit: aws.Int32(1),
		})
		if group := (*types.ResourceNotFoundException)(nil); errors.As(err, &group) {
			err = nil
		}
	}
	right := "cognito-idp:AdminListGroupsForUser and cognito-idp:ListUsersInGroup"
	if err == nil && r.config.GroupsAttribute != "" {
		right += " and cognito-idp:AdminGetUser"
		_, err = r.pool.AdminGetUser(ctx, &cognitoidentityprovider.AdminGetUserInput{
			UserPoolId: aws.String(r.config.UserPoolID), Username: aws.String(unknown),
		})
		if user := (*types.UserNotFoundException)(nil); errors.As(err, &user) {
			err = nil
		}
	}
	fix := "check the credentials of the server, and that HTTPS to " + shape.PoolHost(r.config.Region) + " is open"
	switch code(err) {
	case "AccessDeniedException", "NotAuthorizedException":
		fix = "allow the server's role " + right + " on the pool"
	case "ResourceNotFoundException":
		fix = "user_pool_id names no pool of this account in " + r.config.Region
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException":
		fix = "the server's AWS credentials are not valid: replace them"
	}
	return finding(partDirectory, r.config.UserPoolID, api.ExitUnavailable, brief(err), fix)
}

// signer checks the credentials that sign URLs.
func (r *checker) signer(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	creds, err := r.credentials.Retrieve(ctx)
	fix := "give the server a role (instance profile, ECS task role, web identity) or an access key"
	switch {
	case err != nil:
		err = fmt.Errorf("there are no AWS credentials: %w", brief(err))
	case r.sessions != nil: // URLs are signed by sessions
	case creds.SessionToken != "" && !creds.CanExpire:
		// SPEC: a presigned URL expires with its credentials (S3 user guide,
		// using-presigned-url). Their expiry is unknown here.
		err = errors.New("the credentials have a session token without a known expiry and cannot sign URLs")
		fix = "unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or remove aws_session_token from the profile), and run with a role: instance profile, ECS task role, web identity, or credential_process with an Expiration"
	case creds.CanExpire && creds.Expires.Before(r.now()):
		err = errors.New("the credentials have expired")
		fix = "renew them"
	}
	return finding(partSigner, creds.Source, api.ExitUnavailable, err, fix)
}

// firstGrants returns one allow grant for each bucket.
func firstGrants(set *grant.Set) []grant.Grant {
	var firsts []grant.Grant
	for _, g := range set.Grants() {
		if g.Effect == grant.Allow && !slices.ContainsFunc(firsts, func(f grant.Grant) bool { return f.Bucket == g.Bucket }) {
			firsts = append(firsts, g)
		}
	}
	return firsts
}

// buckets lists each granted bucket and checks one of its objects.
func (r *checker) buckets(ctx context.Context, firsts []grant.Grant) []Finding {
	out := make([]Finding, len(firsts))
	semaphore := make(chan struct{}, atOnce)
	var work sync.WaitGroup
	for i, g := range firsts {
		work.Go(func() {
			semaphore <- struct{}{}
			defer func() { <-semaphore }()
			ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
			defer cancel()
			if ctx, err := r.readAs(ctx, g); err != nil {
				out[i] = finding(partStorage, g.Bucket, api.ExitUnavailable, brief(err), "let the server's role assume "+r.config.S3.ReaderRole+
					" (sts:AssumeRole and sts:SetSourceIdentity in its trust policy), and check the network path to STS")
			} else {
				out[i] = r.bucket(ctx, g)
			}
		})
	}
	work.Wait()
	return out
}

// readAs returns a context with a session of the reader role for one grant.
func (r *checker) readAs(ctx context.Context, g grant.Grant) (context.Context, error) {
	g.NotBefore, g.Expires = time.Time{}, time.Time{}
	set, err := grant.NewSet([]grant.Grant{g})
	if err != nil {
		return ctx, err
	}
	reading, err := r.sessions.Reading("usher-check", set, []string{g.Group}, r.now())
	if err != nil {
		return ctx, err
	}
	return reading.Folder(ctx, g.Bucket, g.Prefix+g.Object)
}

func (r *checker) bucket(ctx context.Context, g grant.Grant) Finding {
	key := g.Object
	if key == "" {
		page, err := r.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(g.Bucket), Prefix: aws.String(g.Prefix), MaxKeys: aws.Int32(1)})
		if err != nil {
			return finding(partStorage, g.Bucket, api.ExitUnavailable, brief(err), r.storageFix(err, g.Bucket, "s3:ListBucket on arn:aws:s3:::"+g.Bucket))
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
	return finding(partStorage, g.Bucket, api.ExitUnavailable, brief(err), r.storageFix(err, g.Bucket, "s3:GetObject on arn:aws:s3:::"+g.Bucket+"/* (and kms:Decrypt on its key)"))
}

func (r *checker) storageFix(err error, bucket, right string) string {
	switch s := status(err); {
	case code(err) == "NoSuchBucket":
		return "there is no bucket " + bucket + ": correct the grants, or create it"
	case s == http.StatusMovedPermanently, s == http.StatusBadRequest && code(err) == "AuthorizationHeaderMalformed":
		return "the storage names no region for the bucket; check s3: region (" + r.config.S3.Region + ")"
	case s == http.StatusForbidden:
		role := "the server's role "
		if r.config.S3.ReaderRole != "" {
			role = "the reader role "
		}
		return "allow " + role + right + "; check that the bucket's own policy does not deny it"
	case s == 0:
		return "check the network path to " + r.host + " (DNS, firewall, HTTPS_PROXY, s3: endpoint)"
	}
	return "check the storage at " + r.host
}

// clocks compares this machine's time with the storage's. It returns nothing if
// no bucket is granted or the storage does not respond.
func (r *checker) clocks(ctx context.Context, set *grant.Set) []Finding {
	firsts := firstGrants(set)
	if len(firsts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := r.clock.Check(ctx, firsts[0].Bucket)
	if err != nil && !errors.Is(err, object.ErrSkew) {
		return nil // buckets reports a storage that does not respond
	}
	return []Finding{finding(partClock, "", api.ExitUnavailable, err, "synchronize this machine's clock (chronyd or systemd-timesyncd)")}
}

// code returns the code of an AWS error, or "".
func code(err error) string {
	var named smithy.APIError
	if errors.As(err, &named) {
		return named.ErrorCode()
	}
	return ""
}

// status returns the HTTP status of an AWS error, or 0 without a response.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// brief returns an AWS error without the SDK's details of retries and ids.
func brief(err error) error {
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
		return errors.New("no response in time")
	}
	return err
}

// poolAPI is the part of the Cognito API that the server calls.
type poolAPI interface {
	identity.PoolAPI
	identity.EndAPI
}
