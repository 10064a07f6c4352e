package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

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
		c.mu.Unlock()
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

func newCloud(t *testing.T, seed uint64) *cloud {
	t.Helper()
	c := &cloud{t: t, random: rand.New(rand.NewPCG(seed, 16)), dir: t.TempDir(), now: time.Date(2026, 11, 28, 9, 50, 0, 0, time.UTC)}
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
		Refuse: func([]byte) bool { c.mu.Lock(); defer c.mu.Unlock(); return c.random.IntN(5) == 0 },
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

// mortally runs one process, which dies at a random call in one of three cases. It
// returns false after a death.
func (c *cloud) mortally(run func(ctx context.Context) error) (survived bool, err error) {
	ctx, end := context.WithCancel(c.t.Context())
	defer end()
	c.mu.Lock()
	c.calls, c.dies, c.end = 0, 0, end
	if c.random.IntN(3) == 0 {
		c.dies, c.applied = 1+c.random.IntN(40), c.random.IntN(2) == 0
	}
	c.mu.Unlock()
	err = run(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	died := c.dies > 0 && c.calls >= c.dies
	c.dies = 0
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
func (c *cloud) deliver() (kills int) {
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
		survived, err := c.mortally(func(ctx context.Context) (err error) {
			repeat, err = c.invoke(ctx, waiting[:n])
			return err
		})
		if !survived {
			kills++
			continue
		}
		if err != nil {
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
	return kills
}

func (c *cloud) confirm(done []tables.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = slices.DeleteFunc(c.stream, func(r tables.Record) bool {
		return slices.ContainsFunc(done, func(d tables.Record) bool { return d.EventID == r.EventID })
	})
}

// seal runs two seal functions at once.
func (c *cloud) seal() (kills int) {
	survived, _ := c.mortally(func(ctx context.Context) error {
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
	if !survived {
		kills++
	}
	return kills
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

// Stream and seal end with every event indexed, archived and sealed exactly once as
// read: with repeated and disordered deliveries, a consumer that sleeps for 23 or 30
// hours, kills at any call, and two sealers at once.
func TestStreamAndSealSurviveEverything(t *testing.T) {
	least := 8
	if testing.Short() {
		least = 2
	}
	if os.Getenv("USHER_SOAK") != "" {
		least = 1000
	}
	kills, total := 0, 0
	for seed := uint64(0); kills < least; seed++ {
		c := newCloud(t, seed)
		for round := range 4 {
			for range 1 + c.random.IntN(6) {
				at := c.clock().Add(-time.Duration(c.random.Int64N(int64(5 * time.Second))))
				if c.random.IntN(6) == 0 { // late
					at = c.clock().Add(-time.Duration(c.random.Int64N(int64(3 * time.Hour))))
				}
				c.record(at, 1+c.random.IntN(3)*c.random.IntN(40))
			}
			switch {
			case testing.Short():
				c.pass(2 * time.Minute)
			case round == 1 && seed%3 == 0:
				c.pass(23 * time.Hour)
			case round == 1 && seed%3 == 1: // the stream forgets
				c.pass(30 * time.Hour)
				c.confirm(slices.Clone(c.stream))
			default:
				c.pass(time.Duration(c.random.Int64N(int64(4 * time.Minute))))
			}
			kills += c.deliver()
			kills += c.seal()
		}
		kills += c.finish()
		c.check()
		total += len(c.recorded)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("SEALER: %d events through stream and seal functions, %d kills: 0 lost, 0 doubled as read", total, kills)
}

// finish lets all schedules run until nothing is left to do.
func (c *cloud) finish() (kills int) {
	last := 29 * time.Hour // behind the life of the stream and the last sweep
	if testing.Short() {
		last = time.Hour
	}
	for _, d := range []time.Duration{2 * time.Minute, last} {
		c.pass(d)
		kills += c.deliver()
		for range 30 { // the schedule of the stream function, until it survives
			survived, err := c.mortally(func(ctx context.Context) error { _, err := c.invoke(ctx, nil); return err })
			if survived && err == nil {
				break
			}
		}
		for range 3 {
			kills += c.seal()
		}
	}
	c.mu.Lock()
	c.dies = 0
	c.mu.Unlock()
	seal, err := serve.SealFunction(c.t.Context(), c.config(), c.deps(), c.loop)
	if err == nil {
		err = seal(c.t.Context(), nil)
	}
	if err != nil {
		c.t.Error(err)
	}
	return kills
}

// archived returns the lines of the archive by event id.
func (c *cloud) archived() map[string][]byte {
	all := map[string][]byte{}
	err := filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for line := range bytes.Lines(raw) {
			e, perr := event.Parse(bytes.TrimSpace(line))
			if perr != nil {
				return perr
			}
			all[e.ID] = bytes.TrimSpace(line)
		}
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
	return all
}

func (c *cloud) check() {
	c.t.Helper()
	want := map[string][]byte{}
	for _, e := range c.recorded {
		want[e.ID] = event.Canonical(e)
	}
	if got := c.archived(); !maps.EqualFunc(got, want, bytes.Equal) {
		c.t.Errorf("the archive has %d events, the log %d", len(got), len(want))
	}
	sealed := map[string]int{}
	report, key, err := serve.VerifySealed(c.t.Context(), c.config(), serve.Verify{}, c.deps(), c.loop, func(n int64, line []byte) {
		if n > 0 {
			sealed[string(line)]++
		}
	})
	if err != nil || report.FaultCount != 0 || report.Unsealed != 0 || report.Whole != int64(len(want)) || !strings.HasPrefix(key, "files.example.com/audit+") {
		c.t.Errorf("verify: %d faults %v, %d unsealed, whole to %d of %d, key %q, %v", report.FaultCount, report.Faults, report.Unsealed, report.Whole, len(want), key, err)
	}
	for id, line := range want {
		if sealed[string(line)] != 1 {
			c.t.Errorf("event %s is sealed %d times", id, sealed[string(line)])
			return
		}
	}
	found := map[string]int{}
	f, err := event.ParseFilter("who:ada", c.clock())
	if err != nil {
		c.t.Fatal(err)
	}
	for page := (audit.Page{Limit: 1000}); ; {
		r, err := c.log.Query(c.t.Context(), f, page)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range r.Events {
			found[e.ID]++
		}
		if page.Position = r.Position; page.Position == "" {
			break
		}
	}
	if len(found) != len(want) {
		c.t.Errorf("the index finds %d events of %d", len(found), len(want))
	}
	for id, n := range found {
		if n != 1 {
			c.t.Errorf("the index finds event %s %d times", id, n)
		}
	}
}

// A change of the log by another hand is an alarm, once, and verify finds it.
func TestTamperingIsFound(t *testing.T) {
	for name, change := range map[string]func(c *cloud, id, pk string) error{
		"changed after sealing": func(c *cloud, id, pk string) error {
			image, err := c.db.Item("log", pk, id)
			if err != nil {
				return err
			}
			other, err := c.db.Item("log", c.partition(1), c.recorded[1].ID)
			image["e"], image["h"] = other["e"], other["h"]
			if err != nil {
				return err
			}
			return c.db.Change("log", pk, id, image)
		},
		"removed after sealing": func(c *cloud, id, pk string) error { return c.db.Change("log", pk, id, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, 9)
			for range 3 {
				c.record(c.clock(), 1)
				c.pass(time.Second)
			}
			c.pass(2 * time.Minute)
			c.deliverOnce()
			c.sealOnce()
			if err := change(c, c.recorded[0].ID, c.partition(0)); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			again := slices.Clone(c.stream)
			c.mu.Unlock()
			c.deliverOnce()
			if _, err := c.invoke(t.Context(), again); err != nil { // delivered twice
				t.Fatal(err)
			}
			alarms := c.query("action:alarm")
			if len(alarms) != 1 || !strings.Contains(alarms[0].Reason, c.recorded[0].ID) || alarms[0].Outcome != event.Failed {
				t.Errorf("the alarms are %+v", alarms)
			}
			report, _, err := serve.VerifySealed(t.Context(), c.config(), serve.Verify{}, c.deps(), c.loop, nil)
			if err != nil || report.FaultCount == 0 || report.Whole != 0 {
				t.Errorf("verify: %+v, %v", report, err)
			}
		})
	}
}

// A change before the sealing leaves no trace in the sealed log, but the stream has
// shown it: the alarm is there, and the other events verify.
func TestTamperingBeforeTheSealIsAnAlarm(t *testing.T) {
	c := newCloud(t, 13)
	for range 2 {
		c.record(c.clock(), 1)
		c.pass(time.Second)
	}
	c.deliverOnce()
	if err := c.db.Change("log", c.partition(0), c.recorded[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	c.deliverOnce()
	c.pass(2 * time.Minute)
	c.sealOnce()
	if alarms := c.query("action:alarm"); len(alarms) != 1 || !strings.Contains(alarms[0].Reason, c.recorded[0].ID) {
		t.Errorf("the alarms are %+v", alarms)
	}
	report, _, err := serve.VerifySealed(t.Context(), c.config(), serve.Verify{}, c.deps(), c.loop, nil)
	if err != nil || report.FaultCount != 0 || report.Whole != 2 { // the second event and the alarm
		t.Errorf("verify: %+v, %v", report, err)
	}
	if _, ok := c.archived()[c.recorded[0].ID]; !ok {
		t.Error("the archive has lost the event")
	}
}

// An expiry by DynamoDB itself and a check by usher are no alarm. An item
// that is removed as an expired one before its expiry is one.
func TestExpiryIsNoAlarm(t *testing.T) {
	c := newCloud(t, 10)
	c.record(c.clock(), 1)
	if err := c.log.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(2 * time.Hour)
	if n, err := c.db.Expire("log"); n != 1 || err != nil { // of the check
		t.Fatal(n, err)
	}
	c.deliverOnce()
	if alarms := c.query("action:alarm"); len(alarms) != 0 {
		t.Errorf("the alarms are %+v", alarms)
	}
	c.mu.Lock()
	c.stream = nil
	c.mu.Unlock()
	if err := c.db.Change("log", c.partition(0), c.recorded[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	payload := c.stream[0]
	payload.UserIdentity = tables.ByExpiry() // a forged mark, without an expiry in the item
	if _, err := c.invoke(t.Context(), []tables.Record{payload}); err != nil {
		t.Fatal(err)
	}
	if alarms := c.query("action:alarm"); len(alarms) != 1 {
		t.Errorf("the alarms are %+v", alarms)
	}
}

// The functions call the services of their task alone, and none at their start.
func TestFunctionsCallTheirServices(t *testing.T) {
	c := newCloud(t, 11)
	var mu sync.Mutex
	called := map[string]bool{}
	names := map[string]string{c.loop.DynamoDB: "DynamoDB", c.loop.S3: "S3", c.loop.KMS: "KMS", c.loop.Firehose: "Firehose"}
	c.loop.Wire = func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			name := names["http://"+r.URL.Host]
			if name == "" {
				name = r.URL.Host
			}
			called[name] = true
			mu.Unlock()
			return next.RoundTrip(r)
		})
	}
	expect := func(step string, want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := slices.Sorted(maps.Keys(called)); !slices.Equal(got, want) {
			t.Errorf("%s called %q, want %q", step, got, want)
		}
		clear(called)
	}
	c.record(c.clock(), 3)
	c.pass(2 * time.Minute)
	stream, err := serve.StreamFunction(t.Context(), c.config(), "archive", c.deps(), c.loop)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := serve.SealFunction(t.Context(), c.config(), c.deps(), c.loop)
	if err != nil {
		t.Fatal(err)
	}
	expect("the start")
	payload, err := tables.Event(c.stream)
	if err != nil {
		t.Fatal(err)
	}
	var in events.DynamoDBEvent
	if err := json.Unmarshal(payload, &in); err != nil {
		t.Fatal(err)
	}
	if _, err := stream(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	expect("the stream function", "DynamoDB", "Firehose")
	if err := seal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	expect("the seal function", "DynamoDB", "KMS", "S3")
}

// Items with held events are copied before they expire, with a legal hold, and
// others are not.
func TestHeldEventsAreCopied(t *testing.T) {
	c := newCloud(t, 12)
	c.record(c.clock(), 2)
	c.pass(time.Second)
	c.record(c.clock(), 1)
	config := c.config()
	config.AuditDays, config.Holds = 14, []string{"request:\"request 0\""}
	run := func() {
		t.Helper()
		f, err := serve.SealFunction(t.Context(), config, c.deps(), c.loop)
		if err == nil {
			err = f(t.Context(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	client := awss3.New(awss3.Options{
		Region: cloudRegion, BaseEndpoint: aws.String(c.loop.S3), UsePathStyle: true, Credentials: c.loop.Credentials,
	})
	copies := func() (names []string) {
		t.Helper()
		out, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(sealBucket), Prefix: aws.String("seal/holds/")})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			names = append(names, *o.Key)
		}
		return names
	}
	c.pass(6 * 24 * time.Hour)
	run()
	if names := copies(); len(names) != 0 {
		t.Errorf("copied too early: %q", names)
	}
	c.pass(2 * 24 * time.Hour)
	run()
	run() // again
	names := copies()
	if len(names) == 0 {
		t.Fatal("no copy")
	}
	var lines []byte
	for _, name := range names {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(sealBucket), Key: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		if out.ObjectLockLegalHoldStatus != "ON" {
			t.Errorf("%s has no legal hold", name)
		}
		lines = append(lines, raw...)
	}
	for i, e := range c.recorded {
		if bytes.Contains(lines, event.Canonical(e)) != (i < 2) {
			t.Errorf("event %d: copied %t", i, i >= 2)
		}
	}
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
