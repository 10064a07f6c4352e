package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/sandbox/tables"
	"usher/backend/serve"
)

// Stream and seal end with every event indexed, archived and sealed exactly once as
// read: with repeated and disordered deliveries, a consumer that sleeps for 23 or 30
// hours, 50 kills at any call, two sealers at once, and sealers that freeze while
// another one overtakes them.
func TestStreamAndSealSurviveEverything(t *testing.T) {
	least := 50
	if testing.Short() {
		least = 6
	}
	if os.Getenv("USHER_SOAK") != "" {
		least = 1000
	}
	stream, seal, total := 0, 0, 0
	for seed := uint64(0); stream+seal < least || stream == 0 || seal == 0; seed++ {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := newCloud(t, seed)
			if err := c.play(seed); err != nil {
				t.Fatal(err)
			}
			stream, seal, total = stream+c.kills["stream"], seal+c.kills["seal"], total+len(c.recorded)
		})
		if !ok {
			return
		}
	}
	t.Logf("SEALER: %d events through stream and seal functions, %d kills (%d of stream, %d of seal): 0 lost, 0 doubled as read", total, stream+seal, stream, seal)
}

// Control: without conditional writes the series breaks its promises.
func TestTheSeriesNeedsConditionalWrites(t *testing.T) {
	for seed := range uint64(20) {
		c := newCloud(t, seed)
		c.unconditional = true
		if err := c.play(seed); err != nil {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Error("20 series without conditional writes keep all promises")
}

// play runs one series. It returns the first broken promise.
func (c *cloud) play(seed uint64) error {
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
		c.deliver()
		if c.unconditional || c.random.IntN(3) == 0 {
			c.overtake()
		}
		c.seal()
	}
	if err := c.finish(); err != nil {
		return err
	}
	return c.check()
}

// finish lets all schedules run until nothing is left to do.
func (c *cloud) finish() error {
	last := 29 * time.Hour // behind the life of the stream and the last sweep
	if testing.Short() {
		last = time.Hour
	}
	for _, d := range []time.Duration{2 * time.Minute, last} {
		c.pass(d)
		c.deliver()
		for range 30 { // the schedule of the stream function, until it survives
			survived, err := c.mortally("stream", func(ctx context.Context) error { _, err := c.invoke(ctx, nil); return err })
			if survived && err == nil {
				break
			}
		}
		for range 3 {
			c.seal()
		}
	}
	seal, err := serve.SealFunction(c.t.Context(), c.config(), c.deps(), c.loop)
	if err != nil {
		return err
	}
	return seal(c.t.Context(), nil)
}

// archived returns the lines of the archive by event id.
func (c *cloud) archived() map[string][]byte {
	c.t.Helper()
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

// check returns the first promise that the archive, the sealed log or the index
// breaks.
func (c *cloud) check() error {
	want := map[string][]byte{}
	for _, e := range c.recorded {
		want[e.ID] = event.Canonical(e)
	}
	if got := c.archived(); !maps.EqualFunc(got, want, bytes.Equal) {
		return fmt.Errorf("the archive has %d events, the log %d", len(got), len(want))
	}
	sealed := map[string]int{}
	report, key, err := serve.VerifySealed(c.t.Context(), c.config(), serve.Verify{}, c.deps(), c.loop, func(n int64, line []byte) {
		if n > 0 {
			sealed[string(line)]++
		}
	})
	if err != nil {
		return err
	}
	if report.FaultCount != 0 || report.Unsealed != 0 || report.Whole != int64(len(want)) || !strings.HasPrefix(key, "files.example.com/audit+") {
		return fmt.Errorf("verify: %d faults %v, %d unsealed, whole to %d of %d, key %q", report.FaultCount, report.Faults, report.Unsealed, report.Whole, len(want), key)
	}
	for id, line := range want {
		if sealed[string(line)] != 1 {
			return fmt.Errorf("event %s is sealed %d times", id, sealed[string(line)])
		}
	}
	found := map[string]int{}
	f, err := event.ParseFilter("who:ada", c.clock())
	if err != nil {
		return err
	}
	for page := (audit.Page{Limit: 1000}); ; {
		r, err := c.log.Query(c.t.Context(), f, page)
		if err != nil {
			return err
		}
		for _, e := range r.Events {
			found[e.ID]++
		}
		if page.Position = r.Position; page.Position == "" {
			break
		}
	}
	if len(found) != len(want) {
		return fmt.Errorf("the index finds %d events of %d", len(found), len(want))
	}
	for id, n := range found {
		if n != 1 {
			return fmt.Errorf("the index finds event %s %d times", id, n)
		}
	}
	return nil
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

// A delivery whose events the archive refuses is repeated from the first of them.
func TestARefusedArchiveIsRepeated(t *testing.T) {
	c := newCloud(t, 15)
	c.record(c.clock(), 2)
	c.mu.Lock()
	c.refuses = true
	waiting := slices.Clone(c.stream)
	c.mu.Unlock()
	repeat, err := c.invoke(t.Context(), waiting)
	if err != nil || repeat != waiting[0].DynamoDB.Sequence {
		t.Errorf("the delivery is repeated from %q, %v", repeat, err)
	}
}

// A writer that ended before it marked the hour of its late events is repaired by the
// stream: without the mark, the sealer would not look into the hour again.
func TestALateWriteIsMarked(t *testing.T) {
	c := newCloud(t, 14)
	at := c.clock().Add(-10 * time.Minute)
	c.record(at, 1)
	hour := at.UTC().Format("2006-01-02T15")
	marked := func() bool {
		item, err := c.db.Item("log-index", "late", hour)
		return err == nil && len(item) > 0
	}
	if !marked() {
		t.Fatal("the writer has left no mark")
	}
	if err := c.db.Change("log-index", "late", hour, nil); err != nil || marked() {
		t.Fatalf("the mark is still there: %v", err)
	}
	c.deliverOnce()
	if !marked() {
		t.Error("the stream has left no mark")
	}
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
