package rig

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/klauspost/compress/gzip"

	"usher/backend/api"
	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/iam"
	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/sts"
	"usher/session"
)

const (
	fleetPool   = region + "_AbCdEfGhI"
	fleetClient = "1example23456789"
	fleetRole   = "arn:aws:iam::111122223333:role/usher-reader"
	fleetBucket = "company-reports"
)

// fleet is the function of the released build on several instances, each under
// Amazon's Runtime Interface Emulator. They share nothing but the tables. The
// services have the host names of AWS, behind a proxy as the only route.
type fleet struct {
	t         *testing.T
	pool      *cognito.Pool
	admin     *cognitoidentityprovider.Client
	tables    *dynamotest.Server
	proxy     *proxy
	env       []string
	grants    *grantdynamo.Store
	log       *auditdynamo.Store
	granting  sync.Mutex // changes of the grants, one at a time
	instances []*instance
	profile   session.Profile
}

// instance is one emulator. It serves one request at a time, like an environment
// of Lambda.
type instance struct {
	f   *fleet
	mu  sync.Mutex
	cmd *exec.Cmd
	url string
	log lockedBuffer
}

func startFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, tables: dynamotest.New(t)}
	authority := newAuthority(t)
	var via string
	f.proxy, via = newProxy(t)
	keys := newOwner()
	secret := func(id string) (string, bool) { return keys.secret, id == keys.key }
	var err error
	f.pool, err = cognito.New(cognito.Config{
		Region: region, PoolID: fleetPool, ClientID: fleetClient, Now: time.Now, Rand: rand.Reader, BaseURL: "https://" + poolHost, OwnerKeys: secret,
		AccessTokenLife: time.Hour,
	})
	must(t, err)
	none, err := iam.Parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`)
	must(t, err)
	ring := new(s3.Keyring)
	ring.Put(keys.key, s3.Credential{Secret: keys.secret, Policies: []*iam.Policy{none}})
	storage, err := s3.New(s3.Config{Region: region, Keys: ring, Now: time.Now, Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { _ = storage.Close() })
	must(t, storage.CreateBucket(fleetBucket, time.Now()))
	roles, err := sts.New(sts.Config{
		Region: region, Secret: secret, Now: time.Now,
		Roles: map[string]string{fleetRole: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket"],"Resource":"*"}]}`},
		Issued: func(s sts.Session) {
			ring.Put(s.AccessKey, s3.Credential{Secret: s.SecretKey, SessionToken: s.Token, Expires: s.Expires, Policies: s.Policies})
		},
	})
	must(t, err)
	for host, handler := range map[string]http.Handler{
		poolHost: f.pool, "s3." + region + ".amazonaws.com": storage, "sts." + region + ".amazonaws.com": roles,
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		f.proxy.route(host, authority.front(t, host, server.Listener.Addr().String()))
	}
	dynamoHost := "dynamodb." + region + ".amazonaws.com"
	f.proxy.route(dynamoHost, authority.front(t, dynamoHost, strings.TrimPrefix(f.tables.Endpoint(), "http://")))
	f.env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=" + via, "SSL_CERT_FILE=" + authority.file, "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + keys.key, "AWS_SECRET_ACCESS_KEY=" + keys.secret, "AWS_LAMBDA_FUNCTION_TIMEOUT=30",
		"USHER_PUBLIC_URL=https://" + filesHost, "USHER_USER_POOL_ID=" + fleetPool, "USHER_CLIENT_ID=" + fleetClient,
		"USHER_AUDIT=dynamodb:log", "USHER_GRANTS=dynamodb:grants", "USHER_STATE=dynamodb:state",
		"USHER_S3_READER_ROLE=" + fleetRole, "USHER_S3_PATH_STYLE=true",
	}
	f.createTables()
	for range n {
		i := &instance{f: f}
		i.start()
		t.Cleanup(i.stop)
		f.instances = append(f.instances, i)
	}
	direct := f.direct()
	f.admin = cognitoidentityprovider.New(cognitoidentityprovider.Options{
		Region: region, BaseEndpoint: aws.String(direct), Credentials: credentials.NewStaticCredentialsProvider(keys.key, keys.secret, ""),
	})
	f.profile, err = session.NewProfile("rig", "http://127.0.0.1:1", api.Config{
		Organisation: "Rig", Region: region, UserPoolID: fleetPool, ClientID: fleetClient, CognitoEndpoint: direct,
		Issuer: "https://" + poolHost + "/" + fleetPool, S3Hosts: []string{"s3.us-east-1.amazonaws.com"}, URLSeconds: 60, BoundSeconds: 65,
		AuditorsGroup: "usher-auditors", AdminsGroup: "usher-admins",
	})
	must(t, err)
	return f
}

// direct returns an address of the pool on loopback, for sign-ins.
func (f *fleet) direct() string {
	server := httptest.NewServer(f.pool)
	f.t.Cleanup(server.Close)
	return server.URL
}

func (f *fleet) createTables() {
	t := f.t
	client := f.tables.Client(t)
	for _, name := range []string{"log", dynamo.IndexTable("log"), "grants", "state"} {
		must(t, client.CreateTable(t.Context(), name))
	}
	reader, err := dynamo.NewReader(client, time.Now)
	must(t, err)
	f.log, err = auditdynamo.New(auditdynamo.Config{DB: client, Log: "log", Now: time.Now, Rand: rand.Reader})
	must(t, err)
	config := grantdynamo.Config{Client: client, Reader: reader, Table: "grants", Now: time.Now, Log: slog.New(slog.DiscardHandler), Writes: f.log.Writes}
	must(t, grantdynamo.Init(t.Context(), config, event.IDs(rand.Reader)(time.Now())))
	f.grants, err = grantdynamo.New(config)
	must(t, err)
}

// change puts the result of edit in force.
func (f *fleet) change(edit func([]grant.Grant) []grant.Grant) {
	f.granting.Lock()
	defer f.granting.Unlock()
	now, err := f.grants.Current(f.t.Context())
	must(f.t, err)
	next, err := grant.NewSet(edit(now.Grants()))
	must(f.t, err)
	at := time.Now()
	must(f.t, f.grants.Apply(f.t.Context(), now.Version(), next, event.Event{
		ID: event.IDs(rand.Reader)(at), Time: at, Action: event.GrantsChanged, Outcome: event.Allowed, GrantsVersion: next.Version(),
	}))
}

// token adds a person and signs them in.
func (f *fleet) token(t *testing.T, username string, groups ...string) string {
	t.Helper()
	const password = "Rig1-a-long-password"
	_, err := f.pool.AddUser(cognito.User{Username: username, Groups: groups, Password: password})
	must(t, err)
	in, err := session.NewSignIn(session.Folders{Config: t.TempDir(), State: t.TempDir()}, f.profile, session.Options{Now: time.Now, Random: rand.Reader})
	must(t, err)
	step, err := in.Password(t.Context(), username, []byte(password))
	must(t, err)
	if step.Kind != session.Done {
		t.Fatalf("the sign-in of %s stopped at step %v", username, step.Kind)
	}
	return step.Tokens.Access.Reveal()
}

func unusedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start starts the emulator with the function, in a process group of its own.
func (i *instance) start() {
	t := i.f.t
	t.Helper()
	address := unusedPort(t)
	args := []string{"--runtime-interface-emulator-address", address, "--runtime-api-address", unusedPort(t), tool(t, "USHER_RIG_LAMBDA")}
	i.cmd = exec.Command(tool(t, "USHER_RIG_RIE"), args...)
	i.cmd.Env, i.cmd.Stdout, i.cmd.Stderr = i.f.env, &i.log, &i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, i.cmd.Start())
	i.url = "http://" + address + "/2015-03-31/functions/function/invocations"
	for end := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the emulator does not listen: %v\n%s", err, i.log.String())
		}
	}
}

// stop kills the emulator and the function.
func (i *instance) stop() {
	_ = syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL)
	_ = i.cmd.Wait()
}

// kill kills the instance during a request, and starts another one.
func (i *instance) kill() {
	i.stop()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.start()
}

// reply is a decoded answer. The status is 0 if the instance died.
type reply struct {
	status int
	body   []byte
}

// call plays one request, as API Gateway sends it.
func (i *instance) call(ctx context.Context, verb, token, body string) reply {
	in := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/v1/" + verb, Body: body, Headers: map[string]string{
		"host": filesHost, "accept-encoding": "gzip", "content-type": "application/json", "authorization": "Bearer " + token, "user-agent": "rig",
	}}
	in.RequestContext.DomainName, in.RequestContext.Stage = filesHost, "$default"
	in.RequestContext.HTTP.Method, in.RequestContext.HTTP.SourceIP = http.MethodPost, "198.51.100.7"
	payload, err := json.Marshal(in)
	if err != nil {
		return reply{}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, bytes.NewReader(payload))
	if err != nil {
		return reply{}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}
	}
	var out events.APIGatewayV2HTTPResponse
	if json.Unmarshal(raw, &out) != nil {
		return reply{}
	}
	text := []byte(out.Body)
	if out.IsBase64Encoded {
		packed, _ := base64.StdEncoding.DecodeString(out.Body)
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return reply{}
		}
		text, _ = io.ReadAll(z)
	}
	return reply{out.StatusCode, text}
}

// released returns the events of the URLs in an answer.
func (a reply) released() (ids []string) {
	var out api.ReleaseResponse
	if a.status != http.StatusOK || json.Unmarshal(a.body, &out) != nil {
		return nil
	}
	for _, item := range out.Items {
		if item.URL != "" {
			ids = append(ids, item.Event)
		}
	}
	return ids
}

// after is the bound of a revocation: no URL is released later.
const after = 5 * time.Second

// TestAmazonLambda plays the function of the released build on 8 instances, with
// requests dealt at random.
func TestAmazonLambda(t *testing.T) {
	f := startFleet(t, 8)
	t.Run("revocation", f.revocations)
	t.Run("kills", f.kills)
	t.Run("egress", f.egress)
	t.Run("starts", f.starts)
	t.Run("size", f.size)
	if t.Failed() {
		for n, i := range f.instances {
			t.Logf("instance %d:\n%s", n, i.log.String())
		}
	}
}

// revocations disables people, takes them out of their group, or withdraws the
// grant. The soak has 600 runs.
func (f *fleet) revocations(t *testing.T) {
	runs, atOnce := 6, 6
	if os.Getenv("USHER_SOAK") != "" {
		runs, atOnce = 600, 12
	}
	var mu sync.Mutex
	urls, late, worst := 0, 0, time.Duration(0)
	for first := 0; first < runs; first += atOnce {
		var work sync.WaitGroup
		for n := first; n < min(first+atOnce, runs); n++ {
			name := fmt.Sprintf("person%04d", n)
			f.change(func(all []grant.Grant) []grant.Grant {
				return append(all, grant.Grant{Group: name, Bucket: fleetBucket, Prefix: name + "/", Effect: grant.Allow})
			})
			token := f.token(t, name, name)
			work.Go(func() {
				got, lateOnes, last := f.revocation(t, n%3, name, token)
				mu.Lock()
				defer mu.Unlock()
				urls, late, worst = urls+got, late+lateOnes, max(worst, last)
			})
		}
		work.Wait()
	}
	t.Logf("FLEET world=lambda instances=%d runs=%d urls=%d late=%d last_url=%v", len(f.instances), runs, urls, late, worst.Round(time.Millisecond))
	if late > 0 || urls < 3*runs {
		t.Errorf("%d URLs, %d of them later than %v", urls, late, after)
	}
}

// revocation sends requests to random instances before and after a change. It
// returns the numbers of all URLs and of late ones, and the time of the last one
// after the change.
func (f *fleet) revocation(t *testing.T, kind int, name, token string) (urls, late int, last time.Duration) {
	body := fmt.Sprintf(`{"objects":[{"bucket":%q,"key":"%s/a","etag":"\"0123456789abcdef0123456789abcdef\""}]}`, fleetBucket, name)
	ask := func() (int, time.Time) {
		started := time.Now()
		return len(f.instances[mrand.IntN(len(f.instances))].call(t.Context(), "release", token, body).released()), started
	}
	for end := time.Now().Add(waitLimit); urls < 4 && time.Now().Before(end); {
		n, _ := ask()
		urls += n
	}
	switch kind {
	case 0:
		_, err := f.admin.AdminDisableUser(t.Context(), &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: aws.String(fleetPool), Username: &name})
		must(t, err)
	case 1:
		_, err := f.admin.AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
			UserPoolId: aws.String(fleetPool), Username: &name, GroupName: &name,
		})
		must(t, err)
	default:
		f.change(func(all []grant.Grant) []grant.Grant {
			return slices.DeleteFunc(all, func(g grant.Grant) bool { return g.Group == name })
		})
	}
	changed := time.Now()
	for time.Since(changed) < after+1500*time.Millisecond {
		n, started := ask()
		urls += n
		if n == 0 {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		since := started.Sub(changed)
		last = max(last, since)
		if since > after {
			late += n
			t.Errorf("kind %d: a URL %v after the change", kind, since)
		}
	}
	return urls, late, last
}

// kills ends instances at random instants of requests. Each URL that was received
// has its event.
func (f *fleet) kills(t *testing.T) {
	count := 6
	if os.Getenv("USHER_SOAK") != "" {
		count = 200
	}
	f.change(func(all []grant.Grant) []grant.Grant {
		return append(all, grant.Grant{Group: "killed", Bucket: fleetBucket, Prefix: "killed/", Effect: grant.Allow})
	})
	token := f.token(t, "killed", "killed")
	body := fmt.Sprintf(`{"objects":[{"bucket":%q,"key":"killed/a","etag":"\"0123456789abcdef0123456789abcdef\""}]}`, fleetBucket)
	var mu sync.Mutex
	var ids []string
	lost := 0
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for ctx.Err() == nil {
				a := f.instances[mrand.IntN(len(f.instances))].call(t.Context(), "release", token, body)
				mu.Lock()
				ids = append(ids, a.released()...)
				if a.status == 0 {
					lost++
				}
				mu.Unlock()
			}
		})
	}
	for range count {
		time.Sleep(time.Duration(mrand.IntN(300)) * time.Millisecond)
		f.instances[mrand.IntN(len(f.instances))].kill()
	}
	stop()
	work.Wait()
	missing := 0
	for part := range slices.Chunk(ids, 10) {
		found, err := f.log.Get(t.Context(), part)
		for end := time.Now().Add(waitLimit); err != nil && time.Now().Before(end); { // minidyn is slow with many items
			found, err = f.log.Get(t.Context(), part)
		}
		must(t, err)
		missing += len(part) - len(found)
	}
	t.Logf("FLEET world=lambda kills=%d urls=%d requests_lost=%d missing=%d", count, len(ids), lost, missing)
	if missing > 0 || len(ids) < count {
		t.Errorf("%d of %d URLs have no event", missing, len(ids))
	}
}

// egress checks the hosts that all instances dialed: the pool, S3, DynamoDB and
// STS of the region.
func (f *fleet) egress(t *testing.T) {
	hosts, refused := f.proxy.visited()
	want := []string{poolHost + ":443", "dynamodb." + region + ".amazonaws.com:443", "s3." + region + ".amazonaws.com:443", "sts." + region + ".amazonaws.com:443"}
	if !slices.Equal(hosts, want) || len(refused) > 0 {
		t.Errorf("the proxy connected %q and refused %q", hosts, refused)
	}
}

// starts counts the events of the function's start: one for all instances.
func (f *fleet) starts(t *testing.T) {
	var starts []event.Event
	indexer := auditdynamo.NewIndexer(f.log)
	for end := time.Now().Add(waitLimit); len(starts) == 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if _, err := indexer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := f.log.Query(t.Context(), event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.ServiceStart}}}, audit.Page{Limit: 10})
		must(t, err)
		starts = found.Events
	}
	if len(starts) != 1 {
		t.Errorf("%d events of a start for one version: %+v", len(starts), starts)
	}
}

// maxZip is the greatest size of the function's archive in bytes.
const maxZip = 10 << 20

var initReport = regexp.MustCompile(`INIT REPORT\(durationMs: ([0-9.]+)\)`)

// size measures the archive of the function and its initialization.
func (f *fleet) size(t *testing.T) {
	binary, err := os.ReadFile(tool(t, "USHER_RIG_LAMBDA"))
	must(t, err)
	var archive bytes.Buffer
	w, err := flate.NewWriter(&archive, flate.BestCompression)
	must(t, err)
	_, err = w.Write(binary)
	must(t, err)
	must(t, w.Close())
	var inits []float64
	for _, i := range f.instances {
		for _, m := range initReport.FindAllStringSubmatch(i.log.String(), -1) {
			ms, err := strconv.ParseFloat(m[1], 64)
			must(t, err)
			inits = append(inits, ms)
		}
	}
	slices.Sort(inits)
	if len(inits) == 0 || archive.Len() > maxZip {
		t.Fatalf("%d initializations, an archive of %d bytes", len(inits), archive.Len())
	}
	t.Logf("FUNCTION world=lambda binary_mb=%.1f zip_mb=%.1f init_ms=%.0f..%.0f", float64(len(binary))/1e6, float64(archive.Len())/1e6, inits[0], inits[len(inits)-1])
}
