package rig

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
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
	t      *testing.T
	pool   *cognito.Pool
	admin  *cognitoidentityprovider.Client
	tables *dynamotest.Server
	proxy  *proxy
	env    []string
	fleetOptions
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
	n   int
	mu  sync.Mutex
	cmd *exec.Cmd
	url string
	env []string // besides that of the fleet
	log lockedBuffer
}

type fleetOptions struct {
	count int
	apart bool // each instance has a state table of its own
	serve bool // `usher serve` in place of the function
}

func startFleet(t *testing.T, n int, apart bool) *fleet {
	t.Helper()
	return fleetOf(t, fleetOptions{count: n, apart: apart})
}

// world names the program for the figures.
func (f *fleet) world() string {
	if f.serve {
		return "serve"
	}
	return "lambda"
}

func fleetOf(t *testing.T, o fleetOptions) *fleet {
	t.Helper()
	f := &fleet{t: t, fleetOptions: o, tables: dynamotest.New(t)}
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
		"USHER_AUDIT=dynamodb:log", "USHER_GRANTS=dynamodb:grants",
		"USHER_S3_READER_ROLE=" + fleetRole, "USHER_S3_PATH_STYLE=true",
	}
	f.createTables(f.count)
	for number := range f.count {
		i := &instance{f: f, n: number}
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

// stateTable returns the table of an instance's state.
func (f *fleet) stateTable(n int) string {
	if f.apart {
		return "state-" + strconv.Itoa(n)
	}
	return "state"
}

func (f *fleet) createTables(instances int) {
	t := f.t
	// The test itself waits longer than an instance: minidyn is slow with many items.
	client, err := dynamo.New(dynamo.Config{AWS: dynamotest.AWS(), Endpoint: f.tables.Endpoint(), Now: time.Now, Attempt: 10 * time.Second})
	must(t, err)
	names := []string{"log", dynamo.IndexTable("log"), "grants"}
	for n := range instances {
		if name := f.stateTable(n); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
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
	if i.f.serve {
		i.cmd = exec.Command(tool(t, "USHER_RIG_PRODUCTION"), "serve", "--config", i.config(address))
		i.cmd.Env = i.f.env
		i.url = "http://" + address
	} else {
		i.cmd = exec.Command(tool(t, "USHER_RIG_RIE"), "--runtime-interface-emulator-address", address, "--runtime-api-address", unusedPort(t), tool(t, "USHER_RIG_LAMBDA"))
		i.cmd.Env = slices.Concat(i.f.env, i.env)
		if !slices.Contains(i.env, "USHER_TASK=stream") { // it refuses a variable that it does not use
			i.cmd.Env = append(i.cmd.Env, "USHER_STATE=dynamodb:"+i.f.stateTable(i.n))
		}
		i.url = "http://" + address + "/2015-03-31/functions/function/invocations"
	}
	i.cmd.Stdout, i.cmd.Stderr = &i.log, &i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, i.cmd.Start())
	for end := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		err := i.accepts(address)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the instance does not listen: %v\n%s", err, i.log.String())
		}
	}
}

// accepts returns nil if the instance takes requests. usher serve listens before it
// has recorded its start.
func (i *instance) accepts(address string) error {
	if i.f.serve {
		if status, _ := exchange(i.f.t.Context(), i.url+"/v1/whoami", []byte("{}"), map[string]string{}); status == 0 {
			return errors.New("no response")
		}
		return nil
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// config writes the configuration of usher serve.
func (i *instance) config(address string) string {
	name := filepath.Join(i.f.t.TempDir(), "usher.yaml")
	must(i.f.t, os.WriteFile(name, fmt.Appendf(nil, `organisation: Rig
listen: %s
public_url: https://%s
tls: {proxy: true}
region: %s
user_pool_id: %s
client_id: %s
s3: {path_style: true, reader_role: %s}
audit: dynamodb:log
grants: dynamodb:grants
state: dynamodb:%s
`, address, filesHost, region, fleetPool, fleetClient, fleetRole, i.f.stateTable(i.n)), 0o600))
	return name
}

// stop kills the emulator and the function.
func (i *instance) stop() {
	_ = syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL)
	_ = i.cmd.Wait()
}

// killed sends SIGKILL to the emulator and the function, and returns at once.
func (i *instance) killed() { _ = syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL) }

// kill kills the instance during a request, and starts another one.
func (i *instance) kill() {
	i.stop()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.start()
}
