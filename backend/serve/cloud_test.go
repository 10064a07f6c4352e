package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/sandbox/firehose"
	"usher/backend/sandbox/kms"
	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/tables"
	"usher/backend/serve"
)

const (
	cloudKey    = "AKIAUSHERCLOUD000001"
	cloudSecret = "not-a-secret-but-long-enough"
	cloudRegion = "eu-central-1"
	sealBucket  = "usher-checkpoints"
	sealKeyARN  = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"
)

// cloud is DynamoDB with a stream, S3, KMS and Firehose, over real connections. Its
// clock is the test's. A process dies at a call of any of them.
type cloud struct {
	t        *testing.T
	random   *rand.Rand
	db       *dynamotest.Server
	log      *auditdynamo.Store // of the writers
	dir      string
	loop     *serve.Loopback
	recorded []event.Event

	mu      sync.Mutex
	now     time.Time
	stream  []tables.Record // not delivered yet
	calls   int             // of the process
	dies    int             // number of the call that the process does not survive; 0: none
	applied bool            // the call takes effect before the death
	end     context.CancelFunc
	kills   map[string]int // deaths by function
	frozen  int            // number of the call at which a process freezes; 0: none
	reached chan struct{}  // closed when it freezes
	thaw    chan struct{}  // closed when it continues

	refuses       bool // Firehose refuses all records
	unconditional bool // a control: tables and buckets ignore all conditions
}

func (c *cloud) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *cloud) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// mortal counts the calls of a service and ends the process at one of them.
func (c *cloud) mortal(next http.Handler) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.calls++
		dead := c.dies > 0 && c.calls >= c.dies
		last := dead && c.calls == c.dies && c.applied
		end := c.end
		thaw := c.freeze()
		c.mu.Unlock()
		if thaw != nil {
			<-thaw
		}
		if c.unconditional {
			r = c.withoutConditions(r)
		}
		if dead && !last {
			end()
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
		if dead {
			end()
			panic(http.ErrAbortHandler)
		}
	}))
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	c.t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	return web.URL
}

// freeze returns the channel on which the present call waits, or nil. The caller has
// locked mu.
func (c *cloud) freeze() chan struct{} {
	if c.frozen == 0 || c.calls < c.frozen {
		return nil
	}
	c.frozen = 0
	close(c.reached)
	return c.thaw
}

// withoutConditions returns a write without its condition, signed again.
func (c *cloud) withoutConditions(r *http.Request) *http.Request {
	if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "" {
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Match")
		r.URL.Host, r.URL.Scheme = r.Host, "http"
		who := aws.Credentials{AccessKeyID: cloudKey, SecretAccessKey: cloudSecret}
		err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
			SignHTTP(r.Context(), who, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", cloudRegion, time.Now())
		if err != nil {
			c.t.Error(err)
		}
		return r
	}
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
		return r
	}
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return r // the caller has ended
	}
	delete(in, "ConditionExpression")
	delete(in, "ExpressionAttributeValues")
	raw, err := json.Marshal(in)
	if err != nil {
		c.t.Error(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return r
}

func newCloud(t *testing.T, seed uint64) *cloud {
	t.Helper()
	c := &cloud{t: t, random: rand.New(rand.NewPCG(seed, 16)), dir: t.TempDir(), kills: map[string]int{}, now: time.Date(2026, 11, 28, 9, 50, 0, 0, time.UTC)}
	c.db = dynamotest.NewOf(t, tables.Config{Now: c.clock, Region: cloudRegion, Streams: []string{"log"}, Streamed: func(r []tables.Record) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stream = append(c.stream, r...)
	}})
	for _, name := range []string{"log", "log-index", "state"} {
		c.db.Table(t, name)
	}
	secret := func(id string) (string, bool) { return cloudSecret, id == cloudKey }
	keys := &s3.Keyring{}
	keys.Put(cloudKey, s3.Credential{Secret: cloudSecret})
	objects, err := s3.New(s3.Config{Region: cloudRegion, Keys: keys, Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.CreateBucket(sealBucket, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := objects.LockBucket(sealBucket, "COMPLIANCE", 365); err != nil {
		t.Fatal(err)
	}
	signer, err := kms.New(kms.Config{Region: cloudRegion, Now: time.Now, Secret: secret, KeyARN: sealKeyARN, Rand: rand.NewChaCha8([32]byte{byte(seed)})})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := firehose.New(firehose.Config{
		Region: cloudRegion, Now: time.Now, Secret: secret, Name: "archive", Dir: c.dir,
		Refuse: func([]byte) bool { c.mu.Lock(); defer c.mu.Unlock(); return c.refuses || c.random.IntN(5) == 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.loop = &serve.Loopback{
		DynamoDB: c.mortal(c.db), S3: c.mortal(objects), KMS: c.mortal(signer), Firehose: c.mortal(archive),
		Credentials: credentials.NewStaticCredentialsProvider(cloudKey, cloudSecret, ""),
	}
	c.log, err = auditdynamo.New(auditdynamo.Config{DB: c.db.ClientAt(t, c.clock), Log: "log", Now: c.clock, Rand: rand.NewChaCha8([32]byte{1, byte(seed)})})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cloud) config() serve.Config {
	return serve.Config{
		Unattended: true, Audit: "dynamodb:log", State: "dynamodb:state", Region: cloudRegion, PublicURL: "https://files.example.com",
		S3: serve.S3{Region: cloudRegion}, Seal: serve.Seal{Bucket: sealBucket, Prefix: "seal/", KMSKey: sealKeyARN},
	}
}

func (c *cloud) deps() serve.Deps {
	return serve.Deps{Now: c.clock, Rand: rand.NewChaCha8([32]byte{2}), NewID: event.IDs(rand.NewChaCha8([32]byte{3})), Log: slog.New(slog.DiscardHandler)}
}

// mortally runs one process, which dies at a random call in two of three cases. It
// returns false after a death.
func (c *cloud) mortally(function string, run func(ctx context.Context) error) (survived bool, err error) {
	ctx, end := context.WithCancel(c.t.Context())
	defer end()
	c.mu.Lock()
	c.calls, c.dies, c.end = 0, 0, end
	if c.random.IntN(3) > 0 {
		c.dies, c.applied = 1+c.random.IntN(30), c.random.IntN(2) == 0
	}
	c.mu.Unlock()
	err = run(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	died := c.dies > 0 && c.calls >= c.dies
	if c.dies = 0; died {
		c.kills[function]++
	}
	return !died, err
}

// invoke calls the stream function with the real payload of a delivery. It returns
// the sequence number from which the delivery is repeated, or "".
func (c *cloud) invoke(ctx context.Context, records []tables.Record) (string, error) {
	payload, err := tables.Event(records)
	if err != nil {
		return "", err
	}
	var in events.DynamoDBEvent
	if err := json.Unmarshal(payload, &in); err != nil {
		return "", err
	}
	f, err := serve.StreamFunction(ctx, c.config(), "archive", c.deps(), c.loop)
	if err != nil {
		return "", err
	}
	out, err := f(ctx, in)
	if err != nil || len(out.BatchItemFailures) == 0 {
		return "", err
	}
	return out.BatchItemFailures[0].ItemIdentifier, nil
}

// deliver delivers a part of the stream, often twice and now and then again from
// the beginning. A record that was not confirmed stays.
func (c *cloud) deliver() {
	c.mu.Lock()
	waiting := slices.Clone(c.stream)
	c.mu.Unlock()
	// The records of a partition are in order; partitions are not.
	c.random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	slices.SortStableFunc(waiting, func(a, b tables.Record) int {
		return strings.Compare(fmt.Sprint(a.DynamoDB.Keys["pk"]), fmt.Sprint(b.DynamoDB.Keys["pk"]))
	})
	for len(waiting) > 0 {
		n := 1 + c.random.IntN(len(waiting))
		repeat := ""
		survived, err := c.mortally("stream", func(ctx context.Context) (err error) {
			repeat, err = c.invoke(ctx, waiting[:n])
			return err
		})
		if !survived || err != nil {
			continue // delivered again
		}
		done := n
		if repeat != "" {
			done = slices.IndexFunc(waiting, func(r tables.Record) bool { return r.DynamoDB.Sequence == repeat })
		}
		if c.random.IntN(3) == 0 {
			continue // the confirmation is lost
		}
		c.confirm(waiting[:done])
		waiting = waiting[done:]
	}
}

func (c *cloud) confirm(done []tables.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = slices.DeleteFunc(c.stream, func(r tables.Record) bool {
		return slices.ContainsFunc(done, func(d tables.Record) bool { return d.EventID == r.EventID })
	})
}

// seal runs two seal functions at once. They die together.
func (c *cloud) seal() {
	_, _ = c.mortally("seal", func(ctx context.Context) error {
		var both sync.WaitGroup
		for range 2 {
			f, err := serve.SealFunction(ctx, c.config(), c.deps(), c.loop)
			if err != nil {
				return err
			}
			both.Go(func() { _ = f(ctx, json.RawMessage(`{"source":"aws.events"}`)) })
		}
		both.Wait()
		return nil
	})
}

// overtake runs a seal function that freezes at one of its calls, and meanwhile
// another one, which has further events to seal.
func (c *cloud) overtake() {
	f, err := serve.SealFunction(c.t.Context(), c.config(), c.deps(), c.loop)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.calls, c.frozen = 0, 1+c.random.IntN(25)
	c.reached, c.thaw = make(chan struct{}), make(chan struct{})
	reached, thaw := c.reached, c.thaw
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f(c.t.Context(), nil)
	}()
	select {
	case <-reached:
	case <-ended:
	}
	c.mu.Lock()
	c.frozen = 0
	c.mu.Unlock()
	c.record(c.clock(), 1+c.random.IntN(5))
	c.pass(2 * time.Minute)
	if g, err := serve.SealFunction(c.t.Context(), c.config(), c.deps(), c.loop); err == nil {
		_ = g(c.t.Context(), nil)
	}
	close(thaw)
	<-ended
}

// record writes the events of one request.
func (c *cloud) record(at time.Time, n int) {
	ids := event.IDs(rand.NewChaCha8([32]byte{4, byte(c.random.Uint32()), byte(c.random.Uint32()), byte(c.random.Uint32())}))
	at = at.Truncate(time.Millisecond)
	var all []event.Event
	for i := range n {
		all = append(all, event.Clean(event.Event{
			ID: ids(at), Time: at, Action: event.Download, Outcome: event.Allowed, Bucket: "builds", Key: fmt.Sprintf("%d/%d", len(c.recorded), i),
			User: event.User{Sub: "ada", Username: "ada"}, RequestID: fmt.Sprint("request ", len(c.recorded)),
		}))
	}
	for range 5 {
		if err := c.log.Append(c.t.Context(), all); err == nil {
			c.recorded = append(c.recorded, all...)
			return
		}
	}
	c.t.Fatal("the log is not writable")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// partition returns the partition of a recorded event.
func (c *cloud) partition(n int) string {
	c.t.Helper()
	all, err := c.db.Items("log")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, item := range all {
		if item["sk"]["S"] == c.recorded[n].ID {
			return fmt.Sprint(item["pk"]["S"])
		}
	}
	c.t.Fatal("no item of the event")
	return ""
}

func (c *cloud) deliverOnce() {
	c.t.Helper()
	c.mu.Lock()
	waiting := slices.Clone(c.stream)
	c.stream = nil
	c.mu.Unlock()
	for range 20 {
		repeat, err := c.invoke(c.t.Context(), waiting)
		if err != nil {
			c.t.Fatal(err)
		}
		if repeat == "" {
			return
		}
	}
	c.t.Fatal("the delivery never succeeds")
}

func (c *cloud) sealOnce() {
	c.t.Helper()
	f, err := serve.SealFunction(c.t.Context(), c.config(), c.deps(), c.loop)
	if err == nil {
		err = f(c.t.Context(), nil)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) query(text string) []event.Event {
	c.t.Helper()
	f, err := event.ParseFilter(text, c.clock())
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := c.log.Query(c.t.Context(), f, audit.Page{Limit: 100})
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Events
}
