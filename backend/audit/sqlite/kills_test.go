package sqlite

import (
	"crypto/rand"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// A server that signs is killed again and again while four goroutines append: every
// acknowledged event is in the log once, and every checkpoint that it showed belongs
// to the log.
func TestKillsUnderLoad(t *testing.T) {
	kills := 6
	switch {
	case os.Getenv("USHER_SOAK") != "":
		kills = 1000
	case testing.Short():
		kills = 2
	}
	path, key := filepath.Join(t.TempDir(), "audit.db"), filepath.Join(t.TempDir(), "key")
	secret, public, err := checkpoint.Generate(rand.Reader, "log")
	if err == nil {
		err = os.WriteFile(key, []byte(secret+"\n"+public), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(crashKey, key)
	v, err := checkpoint.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	r := mrand.New(mrand.NewPCG(2, uint64(os.Getpid())))
	acknowledged := map[string]bool{}
	var shown []tree.Head
	check := func(round int, ids []string, heads []tree.Head) {
		t.Helper()
		s, err := readOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.db.Close() }()
		s.lookup = s.reader
		found, err := s.Get(t.Context(), ids)
		if err != nil || len(found) != len(ids) {
			t.Errorf("round %d: %d events were acknowledged, %d were found (%v)", round, len(ids), len(found), err)
		}
		for _, head := range heads {
			if at, err := proofs(t.Context(), s.on(s.db)).At(head.Size); err != nil || at != head {
				t.Errorf("round %d: the checkpoint of %d records does not belong to the log (%v)", round, head.Size, err)
			}
		}
	}
	for round := range kills {
		ids, notes := killShowing(t, path, 1+r.IntN(60))
		var heads []tree.Head
		for _, text := range notes {
			head, err := v.Open([]byte(text))
			if err != nil {
				t.Fatalf("%v: %q", err, text)
			}
			heads = append(heads, head)
		}
		for _, id := range ids {
			if acknowledged[id] {
				t.Fatalf("round %d: %s was acknowledged twice", round, id)
			}
			acknowledged[id] = true
		}
		shown = append(shown, heads...)
		check(round, ids, heads)
	}
	all := make([]string, 0, len(acknowledged))
	for id := range acknowledged {
		all = append(all, id)
	}
	check(kills, all, shown)
	report, err := VerifyFile(t.Context(), path, Check{Key: v})
	if err != nil || report.FaultCount > 0 {
		t.Errorf("%v (%v)", report.Faults, err)
	}
	if len(shown) == 0 {
		t.Error("no checkpoint was shown: this test proves nothing")
	}
	t.Logf("%d kills: %d events acknowledged, 0 missing, %d records, %d checkpoints shown", kills, len(acknowledged), report.Head.Size, len(shown))
}
