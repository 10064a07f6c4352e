//go:build unix

package backend_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// killedEnv has the configuration of a backend in a process of its own, in JSON.
const killedEnv = "USHER_TEST_KILLED_BACKEND"

// killedConfig is the configuration of a backend that a test kills.
type killedConfig struct {
	Facts       json.RawMessage // of the demo
	Key, Secret string          // of the storage
	Audit       string          // path of the log
	Late        bool            // responses are sent before their events are written
}

// TestKilledBackend is the process that TestEveryGETHasItsEvent kills. Its
// listener is inherited, so connections wait for the next process.
func TestKilledBackend(t *testing.T) {
	text := os.Getenv(killedEnv)
	if text == "" {
		t.Skip("runs in a process of TestEveryGETHasItsEvent")
	}
	var c killedConfig
	var world demo.Demo
	if err := errors.Join(json.Unmarshal([]byte(text), &c), json.Unmarshal(c.Facts, &world.Facts)); err != nil {
		t.Fatal(err)
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		t.Fatal(err)
	}
	var store audit.Store
	if store, err = sqlite.Open(sqlite.Config{Path: c.Audit}); err != nil {
		t.Fatal(err)
	}
	if c.Late {
		store = lateStore{store}
	}
	log, err := audit.New(audit.Config{Store: store, Now: time.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	keys := credentials.NewStaticCredentialsProvider(c.Key, c.Secret, "")
	rebuiltOn(t, listener, &world, aws.CredentialsProvider(keys), time.Now, func(b *backend.Config) { b.Audit = log })
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

// lateStore confirms events before it writes them.
type lateStore struct{ audit.Store }

func (s lateStore) Append(ctx context.Context, events []event.Event) error {
	time.AfterFunc(5*time.Second, func() { _ = s.Store.Append(context.WithoutCancel(ctx), events) })
	return nil
}

// killSeries downloads folders page by page while the backend is killed again and
// again. It counts the GETs without an event in the log at their arrival.
type killSeries struct {
	t      *testing.T
	w      *demotest.Demo
	config killedConfig
	db     *sql.DB
	origin string
	file   *os.File // the listener

	mu      sync.Mutex
	child   *exec.Cmd
	served  int
	missing []string // event ids, or "" for a GET without one
}

// Write receives the storage's access log: one line for each request, before its
// response.
func (k *killSeries) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		m := eventOfGET.FindStringSubmatch(line)
		if m == nil {
			if strings.Contains(line, "REST.GET.OBJECT") && strings.Contains(line, `" 200 `) {
				k.note("", false)
			}
			continue
		}
		n := 0
		err := k.db.QueryRow("SELECT count(*) FROM events WHERE id = ? AND action = 'download' AND outcome = 'allowed'", idKey(m[1])).Scan(&n)
		k.note(m[1], err == nil && n == 1)
	}
	return len(p), nil
}

func (k *killSeries) note(id string, recorded bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.served++; !recorded {
		k.missing = append(k.missing, id)
	}
}

func (k *killSeries) start() {
	text, err := json.Marshal(k.config)
	if err != nil {
		k.t.Fatal(err)
	}
	child := exec.CommandContext(k.t.Context(), os.Args[0], "-test.run=^TestKilledBackend$")
	child.Env = append(os.Environ(), killedEnv+"="+string(text))
	child.ExtraFiles = []*os.File{k.file}
	if _, err = child.StdinPipe(); err == nil {
		err = child.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.child = child
}

func (k *killSeries) kill() {
	if err := k.child.Process.Kill(); err != nil {
		k.t.Error(err)
	}
	_ = k.child.Wait()
}

// page requests a page of a folder with its URLs. Without a response it returns
// an error.
func (k *killSeries) page(a demotest.Actor, prefix, start string) (page api.ListResponse, err error) {
	token, err := a.Session.Token(k.t.Context())
	if err != nil {
		return page, err
	}
	body, err := json.Marshal(api.ListRequest{Bucket: "company-reports", Prefix: prefix, Recursive: true, Start: start, Limit: 10, URLs: 10})
	if err != nil {
		return page, err
	}
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.origin+api.VerbList.Path(), strings.NewReader(string(body)))
	if err != nil {
		return page, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return page, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return page, fmt.Errorf("status %d", res.StatusCode)
	}
	return page, json.NewDecoder(res.Body).Decode(&page)
}

// download fetches a folder, each URL as soon as it arrives.
func (k *killSeries) download(a demotest.Actor, prefix string, files int, arrived chan<- struct{}) {
	start, deadline := "", time.Now().Add(10*time.Minute)
	for done := 0; done < files; {
		page, err := k.page(a, prefix, start)
		if err != nil {
			if time.Now().After(deadline) {
				k.t.Errorf("%s: %d of %d files: %v", prefix, done, files, err)
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-k.t.Context().Done():
			}
			continue
		}
		for _, e := range page.Entries {
			if e.Release == nil {
				break // the budget of objects; the next page begins here
			}
			if status, _ := get(k.t, *e.Release, nil); status != http.StatusOK {
				k.t.Errorf("%s%s: status %d", prefix, e.Name, status)
			}
			start = e.Name
			done++
			arrived <- struct{}{}
		}
	}
}

// run downloads files and kills the backend. It returns the ids of GETs without an
// event, and the number of GETs and kills.
func (k *killSeries) run(files, kills int) {
	const people = 4
	each := files / people
	var work sync.WaitGroup
	for i := range people {
		for n := range each {
			k.w.Put(k.t, "company-reports", fmt.Sprintf("quarterly/kill-%d/%05d", i, n), "x")
		}
	}
	arrived := make(chan struct{})
	for i := range people {
		actor := k.w.AddPerson(k.t, fmt.Sprintf("reader-%d", i), "finance-team")
		work.Go(func() { k.download(actor, fmt.Sprintf("quarterly/kill-%d/", i), each, arrived) })
	}
	go func() { work.Wait(); close(arrived) }()
	random := mrand.New(mrand.NewPCG(12, uint64(files)))
	k.start()
	defer func() { k.kill() }()
	between, killed := each*people/(kills+1), 0
	next := 1 + random.IntN(2*between)
	for range arrived {
		if next--; next > 0 || killed == kills {
			continue
		}
		k.kill()
		k.start()
		killed, next = killed+1, 1+random.IntN(2*between)
	}
	if killed < kills/2 {
		k.t.Errorf("%d kills, want %d", killed, kills)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.t.Logf("KILL files=%d kills=%d gets=%d missing=%d late=%v", each*people, killed, k.served, len(k.missing), k.config.Late)
	if k.served < each*people {
		k.t.Errorf("%d GETs in the storage's log, want %d", k.served, each*people)
	}
}

func newKillSeries(t *testing.T, late bool) *killSeries {
	t.Helper()
	k := &killSeries{t: t}
	k.w = demotest.Start(t, demo.Options{AccessLog: k})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	if k.file, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.file.Close() })
	k.origin = (&url.URL{Scheme: "http", Host: listener.Addr().String()}).String()
	k.config = killedConfig{Audit: filepath.Join(t.TempDir(), "audit.db"), Late: late}
	if k.config.Facts, err = json.Marshal(k.w.Facts); err != nil {
		t.Fatal(err)
	}
	k.config.Key, k.config.Secret = k.w.Sandbox.Credentials()
	store, err := sqlite.Open(sqlite.Config{Path: k.config.Audit}) // so that the reader finds a log
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if k.db, err = sql.Open("sqlite", "file:"+k.config.Audit+"?mode=ro&_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.db.Close() })
	return k
}

// The backend is killed again and again during the download of folders. Each GET
// in the storage's access log has its own event, recorded before the GET, and the
// log is whole.
func TestEveryGETHasItsEvent(t *testing.T) {
	files, kills := 240, 6
	switch {
	case testing.Short():
		files, kills = 80, 2
	case os.Getenv("USHER_SOAK") != "":
		files, kills = 10_000, 200
	}
	k := newKillSeries(t, false)
	k.run(files, kills)
	if len(k.missing) > 0 {
		t.Errorf("%d of %d GETs without an event at their arrival: %v", len(k.missing), k.served, k.missing)
	}
	store, err := sqlite.Open(sqlite.Config{Path: k.config.Audit})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if r, err := store.Verify(t.Context(), nil); err != nil || r.FaultCount > 0 {
		t.Errorf("%v (%v)", r.Faults, err)
	}
}

// The control of TestEveryGETHasItsEvent: a backend that responds before it writes
// the events has GETs without an event.
func TestLateEventsAreFound(t *testing.T) {
	k := newKillSeries(t, true)
	k.run(40, 1)
	if len(k.missing) == 0 {
		t.Errorf("%d GETs before their events, and none is found", k.served)
	}
}
