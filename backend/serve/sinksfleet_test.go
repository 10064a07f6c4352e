package serve_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tiles"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/serve"
	"usher/backend/vault"
)

// siem is a receiver of events. It kills the servers that deliver to it.
type siem struct {
	t    *testing.T
	web  *httptest.Server
	ca   string
	kill func(server int) // a server that delivers

	mu     sync.Mutex
	random *rand.Rand
	down   bool
	kills  int      // left
	ids    []string // in the order of arrival
	lines  map[string]string
	from   map[int]int // batches by server
	doomed map[int]bool
}

func newSIEM(t *testing.T, seed uint64, kills int) *siem {
	s := &siem{t: t, random: rand.New(rand.NewPCG(seed, 17)), down: true, kills: kills, lines: map[string]string{}, from: map[int]int{}, doomed: map[int]bool{}}
	s.web = httptest.NewUnstartedServer(s)
	s.web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.web.StartTLS()
	t.Cleanup(func() {
		s.web.CloseClientConnections()
		s.web.Close()
	})
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// ServeHTTP receives a batch of the server that the path names. While kills are left, it
// ends in one of three ways: the batch is lost and its server is killed, the batch is
// kept and the server is killed at one of its next calls, or the server goes on.
func (s *siem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	server, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	body, rerr := io.ReadAll(r.Body)
	if err != nil || rerr != nil {
		panic(http.ErrAbortHandler) // the server was killed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if s.doomed[server] {
		panic(http.ErrAbortHandler) // its death has begun
	}
	s.from[server]++
	fate := s.random.IntN(3)
	if len(s.doomed) < 2 {
		fate = len(s.doomed) // each series has both
	}
	if s.kills > 0 && fate < 2 {
		s.kills--
		s.doomed[server] = true
		s.kill(server)
		if fate == 0 {
			panic(http.ErrAbortHandler)
		}
	}
	for line := range bytes.Lines(body) {
		e, err := event.Parse(bytes.TrimSpace(line))
		if err != nil {
			s.t.Errorf("a line is no event: %v", err)
			continue
		}
		if known, ok := s.lines[e.ID]; ok && known != string(line) {
			s.t.Errorf("event %s arrived with another content", e.ID)
		}
		s.lines[e.ID] = string(line)
		s.ids = append(s.ids, e.ID)
	}
}

func (s *siem) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *siem) state() (kills, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kills, len(s.lines)
}

// first returns the ids in the order of their first arrival.
func (s *siem) first() (ids []string, doubles int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for _, id := range s.ids {
		if !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	}
	return ids, len(s.ids) - len(ids)
}

// Two whole servers share a log in tables, and one of them delivers it to a sink that was
// down. The delivering server is killed again and again, in the middle of its work, and a
// new one is started: no event is lost, an event that arrives twice is the same, and first
// arrivals are in the order of the sealed log. USHER_SOAK plays 10,000 events and 50
// kills.
func TestASinkOfTablesSurvivesKills(t *testing.T) {
	requests, kills, patience, settle := 2, 2, 2*time.Minute, 2*time.Second
	if os.Getenv("USHER_SOAK") != "" {
		requests, kills, patience, settle = 40, 50, 20*time.Minute, 5*time.Second
	}
	const bucket, each = "usher-checkpoints", 250
	s := newSIEM(t, 1, kills)
	key := filepath.Join(t.TempDir(), "audit.key")
	f := demotest.StartFleet(t, demotest.FleetOptions{Seed: 17, Size: 2, Owner: true, Config: func(i int, c *serve.Config) {
		c.AuditKey, c.Seal = key, serve.Seal{Bucket: bucket, Settle: settle}
		c.Pace = serve.Pace{Seal: 100 * time.Millisecond, Renew: 100 * time.Millisecond, Lease: time.Second}
		c.Sinks = []serve.Sink{{Name: "siem", To: fmt.Sprintf("%s/%d", s.web.URL, i), CA: s.ca}}
	}})
	s.kill = func(server int) { f.Instances()[server].KillAt(1+s.random.IntN(6), s.random.IntN(2) == 0) }
	ada := f.SignIn(t, "ada")
	revive := func() {
		for _, i := range f.Instances() {
			if i.Dead() && i.End() {
				f.Add()
			}
		}
	}
	begin := time.Now()
	var recorded []string
	release := func(n int) {
		t.Helper()
		for {
			out, err := ada.Release(t.Context(), objects(fmt.Sprint("sink-", n), each))
			for _, item := range out.Items {
				recorded = append(recorded, item.Event)
			}
			if err == nil {
				return
			}
			if time.Since(begin) > patience { // all servers were killed
				t.Fatal(err)
			}
			revive()
		}
	}
	for n := range requests {
		release(n)
	}
	// The log is sealed from now on: an event whose write takes longer than settle would
	// be sealed after its hour.
	if _, err := f.S3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	s.set(false)
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				kills, events := s.state()
				t.Fatalf("not yet: %s; %d kills left, %d events arrived", what, kills, events)
			}
			revive()
		}
	}
	missing := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range recorded {
			if _, ok := s.lines[id]; !ok {
				n++
			}
		}
		return n
	}
	more := requests
	eventually("all kills", func() bool {
		kills, _ := s.state()
		if kills > 0 && missing() == 0 { // nothing is left to deliver
			release(more)
			more++
		}
		return kills == 0
	})
	eventually("all events have arrived", func() bool { return missing() == 0 })
	ids, doubles := s.first()
	if order := sealedIDs(t, f, bucket, key, len(ids)); !slices.Equal(ids, order) {
		t.Errorf("the first arrivals of %d events are not in the order of the log", len(ids))
	}
	t.Logf("%d events, %d recorded by releases, 0 lost; %d arrived again; %d servers delivered, %d kills", len(ids), len(recorded), doubles, len(s.from), kills)
	if len(s.from) < 2 {
		t.Error("no other server took over")
	}
}

// sealedIDs returns the ids of the first n events of a sealed log.
func sealedIDs(t *testing.T, f *demotest.Fleet, bucket, key string, n int) (ids []string) {
	t.Helper()
	public, err := checkpoint.NewVerifier(strings.TrimSpace(read(t, key+".pub")))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := vault.New(vault.Config{S3: f.S3(), Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	log, err := tiles.NewReader(tiles.ReaderConfig{Objects: objects, Key: public})
	if err != nil {
		t.Fatal(err)
	}
	for line, err := range log.Between(t.Context(), 0, int64(n)) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}
