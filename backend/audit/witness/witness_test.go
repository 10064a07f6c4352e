package witness_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/audit/tree"
	"usher/backend/audit/witness"
)

// log is a log in memory.
type log struct{ *checkpointtest.Log }

func newLog(t testing.TB, name string) *log { return &log{checkpointtest.New(t, name)} }

func (l *log) grow(n int, text string) *log {
	for range n {
		l.Add(fmt.Appendf(nil, "%s %d", text, l.Size))
	}
	return l
}

func (l *log) fork() *log { return &log{l.Fork()} }

func (l *log) note(size int64) string {
	signed, err := l.Signer.Sign(l.Head(size))
	if err != nil {
		panic(err)
	}
	return string(signed)
}

func (l *log) proof(from, to int64) (lines string) {
	p, err := tlog.ProveTree(to, from, l.Stored)
	if err != nil {
		panic(err)
	}
	for _, h := range p {
		lines += base64.StdEncoding.EncodeToString(h[:]) + "\n"
	}
	return lines
}

func (l *log) request(from, to int64) string {
	lines := ""
	if from > 0 && from < to {
		lines = l.proof(from, to)
	}
	return fmt.Sprintf("old %d\n%s\n%s", from, lines, l.note(to))
}

// server is a witness over HTTP.
type server struct {
	*httptest.Server
	cosigner *checkpoint.Cosigner
	state    *witness.File
}

func newWitness(t testing.TB, name string, logs ...*log) *server {
	t.Helper()
	secret, err := checkpoint.GenerateWitness(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := checkpoint.NewCosigner(secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	state, err := witness.OpenFile(filepath.Join(t.TempDir(), "witness.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	c := witness.Config{Cosigner: cosigner, State: state}
	for _, l := range logs {
		c.Logs = append(c.Logs, &l.Signer.Verifier)
	}
	s, err := witness.New(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return &server{web, cosigner, state}
}

func (s *server) post(t testing.TB, body string) (status int, answer string, header http.Header) {
	t.Helper()
	res, err := http.Post(s.URL+witness.Path, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw), res.Header
}

func (s *server) accepts(t testing.TB, body string) string {
	t.Helper()
	status, answer, _ := s.post(t, body)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, answer)
	}
	return answer
}

// Each bad request has the status of the specification, and changes nothing.
func TestBadRequests(t *testing.T) {
	l := newLog(t, "usher.example.com/audit").grow(300, "event")
	other := newLog(t, "other.example.com/audit").grow(300, "event")
	thief := newLog(t, "usher.example.com/audit").grow(300, "event") // another key of the name
	forked := l.fork().grow(100, "event").grow(200, "forged")
	rewritten := l.fork().grow(300, "forged")
	w := newWitness(t, "witness.example.com/w", l)
	w.accepts(t, l.request(0, 100))

	good := l.request(100, 300)
	hash := strings.SplitN(l.proof(100, 300), "\n", 2)[0]
	edit := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("the request has no %q", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	sign := func(text string) string {
		secret, public, err := checkpoint.Generate(rand.Reader, "usher.example.com/audit")
		if err != nil {
			t.Fatal(err)
		}
		key, err := note.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		_ = public
		signed, err := note.Sign(&note.Note{Text: text}, key)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, c := range []struct {
		name   string
		status int
		body   string
	}{
		{"nothing", 400, ""},
		{"an empty line alone", 400, "\n\n"},
		{"no empty line", 400, edit("\n\nusher", "\nusher")},
		{"no old line", 400, edit("old 100\n", "")},
		{"old without a number", 400, edit("old 100", "old")},
		{"old without a blank", 400, edit("old 100", "old100")},
		{"old with two blanks", 400, edit("old 100", "old  100")},
		{"old with a leading zero", 400, edit("old 100", "old 0100")},
		{"old as 00", 400, edit("old 100", "old 00")},
		{"old with a sign", 400, edit("old 100", "old +100")},
		{"old below zero", 400, edit("old 100", "old -1")},
		{"old as hexadecimal", 400, edit("old 100", "old 0x64")},
		{"old with a fraction", 400, edit("old 100", "old 100.0")},
		{"old beyond 64 bits", 400, edit("old 100", "old 99999999999999999999")},
		{"old in capitals", 400, edit("old 100", "OLD 100")},
		{"old with a blank at the end", 400, edit("old 100\n", "old 100 \n")},
		{"old with a carriage return", 400, edit("old 100\n", "old 100\r\n")},
		{"a line of the proof that is no base64", 400, edit(hash, strings.Repeat("*", len(hash)))},
		{"a hash that is too short", 400, edit(hash, hash[:40])},
		{"a hash that is too long", 400, edit(hash, hash[:43]+"AAAA=")},
		{"a hash with a blank", 400, edit(hash, hash+" ")},
		{"a hash in base64 for URLs", 400, edit(hash, "_"+hash[1:])},
		{"64 lines of a proof", 400, edit(l.proof(100, 300), strings.Repeat(hash+"\n", 64))},
		{"a size that is no number", 400, edit("\n300\n", "\nthree\n")},
		{"a size with a leading zero", 400, edit("\n300\n", "\n0300\n")},
		{"a root that is no base64", 400, "old 100\n\nusher.example.com/audit\n300\nroot\n\n— usher.example.com/audit AAAA\n"},
		{"a checkpoint without a root", 400, "old 100\n\nusher.example.com/audit\n300\n\n— usher.example.com/audit AAAA\n"},
		{"a checkpoint of two logs", 400, edit("\n300\n", "\nother.example.com/audit\n300\n")},
		{"old beyond the checkpoint", 400, strings.Replace(l.request(100, 100), "old 100", "old 101", 1)},
		{"more than 64 KiB", 400, good + strings.Repeat("— x AAAA\n", 8000)},
		{"an unknown log", 404, other.request(0, 100)},
		{"an unknown log with a good old size", 404, other.request(100, 300)},
		{"an unknown log without a signature", 404, "old 100\n\nnobody.example.com\n300\n" + root + "\n\n— x AAAA\n"},
		{"no signature", 403, "old 100\n\nusher.example.com/audit\n300\n" + root + "\n\n"},
		{"another key of the same name", 403, thief.request(100, 300)},
		{"a signature of another text", 403, edit("\n300\n", "\n299\n")},
		{"a signature of a key that is made up", 403, "old 100\n\n" + sign("usher.example.com/audit\n300\n"+root+"\n")},
		{"a damaged signature", 403, edit("— usher.example.com/audit ", "— usher.example.com/audit A")},
		{"old of an earlier size", 409, l.request(50, 300)},
		{"old of a later size", 409, l.request(200, 300)},
		{"old 0 though a checkpoint is known", 409, l.request(0, 300)},
		{"the known size with another root", 409, "old 100\n\n" + rewritten.note(100)},
		{"a smaller checkpoint of old 50", 409, l.request(50, 80)},
		{"no proof", 422, edit(l.proof(100, 300), "")},
		{"a proof of other sizes", 422, edit(l.proof(100, 300), l.proof(100, 299))},
		{"a proof with a line too many", 422, edit(hash+"\n", hash+"\n"+hash+"\n")},
		{"a proof with a line too few", 422, edit(hash+"\n", "")},
		{"a proof with a wrong hash", 422, edit(hash, root)},
		{"a log that was rewritten", 422, rewritten.request(100, 300)},
		{"a proof of the known size itself", 422, "old 100\n" + hash + "\n\n" + l.note(100)},
	} {
		status, answer, header := w.post(t, c.body)
		if status != c.status {
			t.Errorf("%s: status %d, want %d (%s)", c.name, status, c.status, strings.TrimSpace(answer))
		}
		if status == 409 && (answer != "100\n" || header.Get("Content-Type") != "text/x.tlog.size") {
			t.Errorf("%s: the answer is %q, %s", c.name, answer, header.Get("Content-Type"))
		}
		if head, err := w.state.Head("usher.example.com/audit"); err != nil || head != l.Head(100) {
			t.Fatalf("%s: the state is %v (%v)", c.name, head, err)
		}
	}
	fresh := newWitness(t, "witness.example.com/w", l)
	if status, answer, _ := fresh.post(t, "old 0\n"+hash+"\n\n"+l.note(300)); status != 422 {
		t.Errorf("a proof from 0: status %d (%s)", status, answer)
	}
	for method, want := range map[string]int{http.MethodGet: 405, http.MethodPut: 405} {
		req, _ := http.NewRequestWithContext(t.Context(), method, w.URL+witness.Path, strings.NewReader(good))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
	w.accepts(t, good)
	if status, _, _ := w.post(t, forked.request(100, 300)); status != 409 {
		t.Errorf("the fork after it: %d", status)
	}
}

// The client library of another project accepts our cosignatures, with their time,
// and refuses those of a changed checkpoint.
func TestTorchwoodVerifiesOurCosignatures(t *testing.T) {
	l := newLog(t, "usher.example.com/audit").grow(10, "event")
	w := newWitness(t, "witness.example.com/w", l)
	signed := l.note(10) + w.accepts(t, l.request(0, 10))
	v, err := torchwood.NewCosignatureVerifier(w.cosigner.Key())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil || len(opened.Sigs) != 1 {
		t.Fatalf("%v: %s", err, signed)
	}
	at, err := torchwood.CosignatureTimestamp(opened.Sigs[0])
	if now := time.Now().Unix(); err != nil || at < now-600 || at > now {
		t.Errorf("time %d (%v)", at, err)
	}
	policy := fmt.Sprintf("log %s\nwitness w %s %s\nquorum w\n", l.Signer.Key(), w.cosigner.Key(), w.URL)
	foreign, err := torchwood.ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	opened, err = note.Open([]byte(signed), foreign)
	if err != nil || foreign.Check("usher.example.com/audit", opened.Sigs) != nil {
		t.Errorf("the policy of torchwood: %v", err)
	}
	ours, err := checkpoint.ParsePolicy(policy)
	if err != nil || !ours.Satisfied([]byte(signed)) || ours.Satisfied([]byte(l.note(10))) {
		t.Errorf("our policy: %v", err)
	}
	changed := strings.Replace(signed, "\n10\n", "\n11\n", 1)
	if _, err := note.Open([]byte(changed), note.VerifierList(v)); err == nil {
		t.Error("a changed checkpoint is accepted")
	}
	if ours.Satisfied([]byte(changed)) {
		t.Error("our policy accepts a changed checkpoint")
	}
}

// One of two requests at the same time wins, and the state never goes back.
func TestTwoRequestsAtOnce(t *testing.T) {
	l := newLog(t, "usher.example.com/audit").grow(64, "event")
	w := newWitness(t, "witness.example.com/w", l)
	w.accepts(t, l.request(0, 10))
	var wait sync.WaitGroup
	statuses := make([]int, 40)
	for i := range statuses {
		wait.Go(func() { statuses[i], _, _ = w.post(t, l.request(10, int64(11+i))) })
	}
	wait.Wait()
	won := 0
	for i, status := range statuses {
		switch status {
		case http.StatusOK:
			won++
			if head, _ := w.state.Head(l.Signer.Name()); head != l.Head(int64(11+i)) {
				t.Errorf("the state is %d, and %d was cosigned", head.Size, 11+i)
			}
		case http.StatusConflict:
		default:
			t.Errorf("status %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d requests won", won)
	}
}

// The state is stored before the answer: a witness that starts again refuses the requests that
// the one before refused. A state file that cannot be read is no new witness.
func TestTheStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "witness.json")
	f, err := witness.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := witness.OpenFile(path); !errors.Is(err, witness.ErrLocked) {
		t.Errorf("two witnesses on one state: %v", err)
	}
	l := newLog(t, "log").grow(20, "event")
	if err := f.Advance("log", tree.Head{}, l.Head(7)); err != nil {
		t.Fatal(err)
	}
	if err := f.Advance("log", tree.Head{}, l.Head(9)); !errors.Is(err, witness.ErrConflict) {
		t.Errorf("a stale head: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = witness.OpenFile(path); err != nil {
		t.Fatal(err)
	}
	if head, _ := f.Head("log"); head != l.Head(7) {
		t.Errorf("after a restart: %v", head)
	}
	_ = f.Close()
	for _, damaged := range []string{"", "{", `{"log":{"size":"7"}}`} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := witness.OpenFile(path); err == nil {
			t.Errorf("%q is accepted", damaged)
			_ = f.Close()
		}
	}
}

// keeper counts the stored notes.
type keeper map[int64]string

func (k keeper) KeepCosigned(_ context.Context, size int64, note []byte) error {
	k[size] = string(note)
	return nil
}

// A log submits its checkpoints, and a witness that is away delays nothing and is
// named. A log that was rolled back or rewritten is refused by the witness.
func TestSubmissions(t *testing.T) {
	l := newLog(t, "usher.example.com/audit").grow(5, "event")
	one, two := newWitness(t, "one.example.com", l), newWitness(t, "two.example.com", l)
	policy, err := checkpoint.ParsePolicy(fmt.Sprintf("log %s\nwitness one %s %s\nwitness two %s %s\ngroup any any one two\nquorum any\n",
		l.Signer.Key(), one.cosigner.Key(), one.URL, two.cosigner.Key(), two.URL))
	if err != nil {
		t.Fatal(err)
	}
	kept := keeper{}
	submitter := func(from checkpoint.Source) *witness.Submitter {
		s, err := witness.NewSubmitter(witness.SubmitConfig{Source: from, Key: &l.Signer.Verifier, Policy: policy, HTTP: http.DefaultClient, Keeper: kept})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := submitter(l)
	for range 4 {
		l.grow(300, "event")
		if err := s.Submit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(policy.Cosignatures([]byte(kept[l.Size]))); n != 2 || !policy.Satisfied(s.Cosigned()) {
			t.Errorf("%d events: %d cosignatures", l.Size, n)
		}
	}
	two.Close()
	l.grow(1, "event")
	err = s.Submit(t.Context())
	if err == nil || !strings.Contains(err.Error(), "two.example.com") || errors.Is(err, witness.ErrRefused) || s.Failing()["two.example.com"] == nil {
		t.Errorf("a witness is away: %v", err)
	}
	if head, err := l.Signer.Open(s.Cosigned()); err != nil || head.Size != l.Size {
		t.Errorf("the quorum of the other: %v (%v)", head, err)
	}
	older := l.fork().grow(300, "event")
	if err := submitter(older).Submit(t.Context()); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a log that was rolled back: %v", err)
	}
	rewritten := l.fork().grow(int(l.Size)+100, "forged")
	if err := submitter(rewritten).Submit(t.Context()); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a log that was rewritten: %v", err)
	}
	same := l.fork().grow(int(l.Size), "forged")
	if err := submitter(same).Submit(t.Context()); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a log of the same size: %v", err)
	}
	// A log that the submitter follows and that is rolled back under it.
	l.Size, l.Stored = 0, nil
	l.grow(10, "event")
	if err := s.Submit(t.Context()); !errors.Is(err, witness.ErrRefused) {
		t.Errorf("a rollback while running: %v", err)
	}
}

// A quorum whose witnesses answer one after the other is complete with the last of
// them, and a witness is not called again for a checkpoint that it has cosigned.
func TestAQuorumThatAnswersLate(t *testing.T) {
	l := newLog(t, "usher.example.com/audit").grow(5, "event")
	one, two := newWitness(t, "one.example.com", l), newWitness(t, "two.example.com", l)
	var away atomic.Bool
	var calls atomic.Int64
	behind := func(s *server, gone func() bool) string {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if gone() {
				http.Error(w, "away", http.StatusServiceUnavailable)
				return
			}
			calls.Add(1)
			s.Config.Handler.ServeHTTP(w, r)
		}))
		t.Cleanup(web.Close)
		return web.URL
	}
	policy, err := checkpoint.ParsePolicy(fmt.Sprintf("log %s\nwitness one %s %s\nwitness two %s %s\ngroup both all one two\nquorum both\n",
		l.Signer.Key(), one.cosigner.Key(), behind(one, func() bool { return false }), two.cosigner.Key(), behind(two, away.Load)))
	if err != nil {
		t.Fatal(err)
	}
	kept := keeper{}
	s, err := witness.NewSubmitter(witness.SubmitConfig{Source: l, Key: &l.Signer.Verifier, Policy: policy, HTTP: http.DefaultClient, Keeper: kept})
	if err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	if err := s.Submit(t.Context()); err == nil || s.Cosigned() != nil {
		t.Errorf("a half quorum: %v, %q", err, s.Cosigned())
	}
	away.Store(false)
	if err := s.Submit(t.Context()); err != nil || !policy.Satisfied(s.Cosigned()) || kept[5] != string(s.Cosigned()) || calls.Load() != 2 {
		t.Errorf("the other half: %v, %d calls, %q", err, calls.Load(), s.Cosigned())
	}
}
