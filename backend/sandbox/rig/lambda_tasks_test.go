package rig

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/sandbox/firehose"
	"usher/backend/sandbox/kms"
	"usher/backend/sandbox/s3"
	sandboxtables "usher/backend/sandbox/tables"
)

const (
	taskBucket = "usher.checkpoints" // the dot makes paths of its name, so one host name is enough
	taskKey    = "arn:aws:kms:" + region + ":111122223333:key/11111111-2222-3333-4444-555555555555"
	taskEvents = 300
)

// TestAmazonLambdaTasks plays the stream and the seal function of the released build.
func TestAmazonLambdaTasks(t *testing.T) { playTasks(t) }

// taskWorld are the services of the functions without requests, with the host names of
// AWS behind a proxy.
type taskWorld struct {
	*fleet
	archive string // folder
	s3      string // address of the storage
	keys    owner

	mu     sync.Mutex
	stream []sandboxtables.Record
}

func newTaskWorld(t *testing.T) *taskWorld {
	t.Helper()
	w := &taskWorld{archive: t.TempDir(), keys: newOwner()}
	secret := func(id string) (string, bool) { return w.keys.secret, id == w.keys.key }
	db := dynamotest.NewOf(t, sandboxtables.Config{Now: time.Now, Region: region, Streams: []string{"log"}, Streamed: func(r []sandboxtables.Record) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stream = append(w.stream, r...)
	}})
	for _, name := range []string{"log", dynamo.IndexTable("log"), "state"} {
		db.Table(t, name)
	}
	ring := new(s3.Keyring)
	ring.Put(w.keys.key, s3.Credential{Secret: w.keys.secret})
	storage, err := s3.New(s3.Config{Region: region, Keys: ring, Now: time.Now, Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { _ = storage.Close() })
	must(t, storage.CreateBucket(taskBucket, time.Now()))
	must(t, storage.LockBucket(taskBucket, "COMPLIANCE", 365))
	signer, err := kms.New(kms.Config{Region: region, Now: time.Now, Secret: secret, KeyARN: taskKey, Rand: rand.Reader})
	must(t, err)
	archive, err := firehose.New(firehose.Config{Region: region, Now: time.Now, Secret: secret, Name: "archive", Dir: w.archive})
	must(t, err)
	authority := newAuthority(t)
	reached, via := newProxy(t)
	for service, handler := range map[string]http.Handler{"dynamodb": db, "s3": storage, "kms": signer, "firehose": archive} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		if service == "s3" {
			w.s3 = server.URL
		}
		host := service + "." + region + ".amazonaws.com"
		reached.route(host, authority.front(t, host, server.Listener.Addr().String()))
	}
	w.fleet = &fleet{t: t, tables: db, proxy: reached, env: []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=" + via, "SSL_CERT_FILE=" + authority.file, "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + w.keys.key, "AWS_SECRET_ACCESS_KEY=" + w.keys.secret, "AWS_LAMBDA_FUNCTION_TIMEOUT=55",
		"USHER_AUDIT=dynamodb:log", "USHER_AUDIT_DAYS=365",
	}}
	w.log, err = auditdynamo.New(auditdynamo.Config{DB: db.Client(t), Log: "log", Now: time.Now, Rand: rand.Reader})
	must(t, err)
	return w
}

// task starts the function of a task.
func (w *taskWorld) task(env ...string) *instance {
	i := &instance{f: w.fleet, env: env}
	i.start()
	w.t.Cleanup(i.stop)
	return i
}

// invoke sends an event and returns the response. It repeats an event for which there
// is none: the emulator listens before the function has started.
func (w *taskWorld) invoke(i *instance, payload []byte) string {
	w.t.Helper()
	for end := time.Now().Add(waitLimit); ; time.Sleep(100 * time.Millisecond) {
		if status, answer := exchange(w.t.Context(), i.url, payload, nil); status == http.StatusOK {
			return strings.TrimSpace(string(answer))
		}
		if time.Now().After(end) {
			w.t.Fatalf("no response:\n%s", i.log.String())
		}
	}
}

// visits requires the hosts that the functions have reached so far.
func (w *taskWorld) visits(step string, services ...string) {
	w.t.Helper()
	want := make([]string, len(services))
	for i, s := range services {
		want[i] = s + "." + region + ".amazonaws.com:443"
	}
	if hosts, refused := w.proxy.visited(); !slices.Equal(hosts, want) || len(refused) > 0 {
		w.t.Errorf("%s: the proxy connected %q and refused %q, want %q", step, hosts, refused, want)
	}
}

// archived counts the lines of the archive.
func (w *taskWorld) archived() (lines int) {
	w.t.Helper()
	must(w.t, filepath.WalkDir(w.archive, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		lines += bytes.Count(raw, []byte("\n"))
		return err
	}))
	return lines
}

// playTasks runs both functions under Amazon's emulator, with the events of AWS: the
// stream reaches the archive, the log is sealed, and no other host is called.
func playTasks(t *testing.T) {
	w := newTaskWorld(t)
	ids := event.IDs(rand.Reader)
	at := time.Now().UTC().Add(-3 * time.Minute).Truncate(time.Millisecond) // old enough for the seal
	for first := 0; first < taskEvents; first += 100 {
		var all []event.Event
		for n := first; n < first+100; n++ {
			all = append(all, event.Clean(event.Event{
				ID: ids(at), Time: at, Action: event.Download, Outcome: event.Allowed, Bucket: fleetBucket, Key: fmt.Sprint(n), User: event.User{Sub: "ada", Username: "ada"},
			}))
		}
		must(t, w.log.Append(t.Context(), all))
	}
	w.mu.Lock()
	payload, err := sandboxtables.Event(w.stream)
	w.mu.Unlock()
	must(t, err)

	stream := w.task("USHER_TASK=stream", "USHER_FIREHOSE=archive")
	w.visits("before the first event")
	if answer := w.invoke(stream, payload); strings.Contains(answer, "itemIdentifier") || w.archived() != taskEvents {
		t.Errorf("the stream function answers %s; %d events are in the archive\n%s", answer, w.archived(), stream.log.String())
	}
	w.visits("the stream function", "dynamodb", "firehose")

	seal := w.task("USHER_TASK=seal", "USHER_PUBLIC_URL=https://"+filesHost, "USHER_SEAL_BUCKET="+taskBucket, "USHER_SEAL_KMS_KEY="+taskKey)
	if answer := w.invoke(seal, []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`)); answer != "null" {
		t.Errorf("the seal function answers %s\n%s", answer, seal.log.String())
	}
	w.visits("the seal function", "dynamodb", "firehose", "kms", "s3")
	client := awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(w.s3), UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(w.keys.key, w.keys.secret, ""),
	})
	out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(taskBucket), Key: aws.String("checkpoint")})
	must(t, err)
	note, err := io.ReadAll(out.Body)
	if err != nil || !strings.HasPrefix(string(note), fmt.Sprintf("%s/audit\n%d\n", filesHost, taskEvents)) {
		t.Errorf("%v: %q", err, note)
	}
	for name, i := range map[string]*instance{"stream": stream, "seal": seal} {
		init := initReport.FindStringSubmatch(i.log.String())
		if init == nil {
			t.Errorf("the emulator reports no initialization of %s:\n%s", name, i.log.String())
			continue
		}
		t.Logf("LAMBDA task=%s init_ms=%s", name, init[1])
	}
}
