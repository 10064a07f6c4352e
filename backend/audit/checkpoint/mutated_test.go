package checkpoint_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// rounds is the number of mutations of a series: all of them in a soak.
func rounds() int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 200_000
	case testing.Short():
		return 2_000
	}
	return 10_000
}

// mutate changes a text in one to three places.
func mutate(r *mathrand.Rand, text []byte) []byte {
	b := bytes.Clone(text)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return []byte{byte(r.IntN(256))}
		}
		at, other := r.IntN(len(b)), r.IntN(len(b))
		switch r.IntN(7) {
		case 0:
			b[at] ^= byte(1 + r.IntN(255))
		case 1:
			b = slices.Delete(b, at, at+1)
		case 2:
			b = slices.Insert(b, at, byte(r.IntN(256)))
		case 3:
			b[at], b[other] = b[other], b[at]
		case 4: // a part is gone
			b = slices.Delete(b, min(at, other), max(at, other))
		case 5: // a part is there twice
			b = slices.Insert(b, at, bytes.Clone(b[min(at, other):max(at, other)])...)
		case 6: // two lines change places
			lines := bytes.SplitAfter(b, []byte("\n"))
			i, j := r.IntN(len(lines)), r.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
			b = bytes.Join(lines, nil)
		}
	}
	return b
}

// No mutated checkpoint, cosignature, proof, policy or restart is accepted as another
// one than the original, and none ends the program.
func TestMutatedTextsAreRefused(t *testing.T) {
	s := newSigner(t, "usher.example.com/audit")
	var hashes stored
	for i := range 1000 {
		more, err := tlog.StoredHashes(int64(i), fmt.Append(nil, i), hashes)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	head := func(size int64) tree.Head {
		root, err := tlog.TreeHash(size, hashes)
		if err != nil {
			t.Fatal(err)
		}
		return tree.Head{Size: size, Root: root}
	}
	known, now := head(371), head(1000)
	proof, err := tlog.ProveTree(1000, 371, hashes)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := checkpoint.GenerateWitness(rand.Reader, "witness.example.com")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := checkpoint.NewCosigner(secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	note := sign(t, s, now)
	line, err := cosigner.Cosign(note)
	if err != nil {
		t.Fatal(err)
	}
	cosigned := append(bytes.Clone(note), line...)
	policyText := fmt.Sprintf("log %s\nwitness one %s https://one\ngroup all all one\nquorum all\n", s.Key(), cosigner.Key())
	policy, err := checkpoint.ParsePolicy(policyText)
	if err != nil || !policy.Satisfied(cosigned) {
		t.Fatal(err)
	}
	next := newSigner(t, "usher.example.com/audit/2")
	restart := checkpoint.Restart{Old: s.Key(), Head: now, Kept: 900, New: next.Key(), Time: time.Unix(1_800_000_000, 0).UTC(), Reason: "a disk failed"}
	signedRestart, err := checkpoint.SignRestart(s, restart)
	if err != nil {
		t.Fatal(err)
	}
	r := mathrand.New(mathrand.NewPCG(7, 8))
	refused := map[string]int{}
	for range rounds() {
		if b := mutate(r, note); !bytes.Equal(b, note) {
			got, err := s.Open(b)
			if err == nil && got != now {
				t.Fatalf("a checkpoint: %q is %v", b, got)
			}
			refused["checkpoints"]++
		}
		if b := mutate(r, cosigned); policy.Satisfied(b) {
			if text, _, _ := strings.Cut(string(b), "\n\n"); !bytes.HasPrefix(note, []byte(text+"\n\n")) {
				t.Fatalf("a cosignature: %q", b)
			}
		} else {
			refused["cosignatures"]++
		}
		changed := slices.Clone(proof)
		switch at := r.IntN(len(changed)); r.IntN(4) {
		case 0:
			changed[at][r.IntN(32)] ^= byte(1 + r.IntN(255))
		case 1:
			changed = slices.Delete(changed, at, at+1)
		case 2:
			changed = slices.Insert(changed, at, changed[r.IntN(len(changed))])
		case 3:
			other := r.IntN(len(changed))
			changed[at], changed[other] = changed[other], changed[at]
		}
		if !slices.Equal(changed, proof) {
			if checkpoint.Contains(now, known, changed) == nil {
				t.Fatalf("a proof: %v", changed)
			}
			refused["proofs"]++
		}
		// The size of one side is another one.
		if size := int64(r.IntN(1200)); size != known.Size && checkpoint.Contains(now, tree.Head{Size: size, Root: known.Root}, proof) == nil && size != 0 {
			t.Fatalf("the proof for %d events", size)
		}
		if p, err := checkpoint.ParsePolicy(string(mutate(r, []byte(policyText)))); err == nil && p.Satisfied(note) {
			t.Fatalf("a policy accepts a checkpoint without cosignatures")
		} else if err != nil {
			refused["policies"]++
		}
		if b := mutate(r, signedRestart); !bytes.Equal(b, signedRestart) {
			if got, err := s.OpenRestart(b); err == nil && got != restart {
				t.Fatalf("a restart: %+v", got)
			}
			refused["restarts"]++
		}
	}
	t.Logf("MUTATED %d rounds, 0 accepted: %v", rounds(), refused)
	for _, kind := range []string{"checkpoints", "cosignatures", "proofs", "policies", "restarts"} {
		if refused[kind] < rounds()/2 {
			t.Errorf("only %d %s were tried", refused[kind], kind)
		}
	}
}

type stored []tlog.Hash

func (s stored) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = s[x]
	}
	return out, nil
}

// The rules of a policy: k of n, groups of groups, no witness that counts twice.
func TestPolicies(t *testing.T) {
	s := newSigner(t, "log")
	note := sign(t, s, tree.Head{Size: 5})
	keys, lines := make([]string, 3), make([]string, 3)
	for i := range keys {
		secret, err := checkpoint.GenerateWitness(rand.Reader, fmt.Sprintf("w%d", i))
		if err != nil {
			t.Fatal(err)
		}
		c, err := checkpoint.NewCosigner(secret, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		line, err := c.Cosign(note)
		if err != nil {
			t.Fatal(err)
		}
		keys[i], lines[i] = c.Key(), string(line)
	}
	base := fmt.Sprintf("log %s\nwitness a %s\nwitness b %s\nwitness c %s # the last\n", s.Key(), keys[0], keys[1], keys[2])
	for _, c := range []struct {
		rules string
		with  []int // witnesses
		want  bool
	}{
		{"quorum none", nil, true}, {"quorum a", nil, false}, {"quorum a", []int{0}, true}, {"quorum a", []int{1, 2}, false},
		{"group g 2 a b c\nquorum g", []int{0}, false}, {"group g 2 a b c\nquorum g", []int{0, 2}, true}, {"group g 2 a b c\nquorum g", []int{0, 0}, false},
		{"group g any a b\nquorum g", []int{2}, false}, {"group g any a b\nquorum g", []int{1}, true}, {"group g all a b\nquorum g", []int{0, 1}, true},
		{"group g all a b\ngroup h any g c\nquorum h", []int{0}, false}, {"group g all a b\ngroup h any g c\nquorum h", []int{2}, true},
	} {
		p, err := checkpoint.ParsePolicy(base + c.rules + "\n")
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		signed := string(note)
		for _, i := range c.with {
			signed += lines[i]
		}
		if got := p.Satisfied([]byte(signed)); got != c.want {
			t.Errorf("%q with %v: %v", c.rules, c.with, got)
		}
	}
	for _, bad := range []string{
		"", "quorum x", "quorum a\nquorum b", "group g 0 a\nquorum g", "group g 3 a b\nquorum g", "group g x a\nquorum g", "group g any a a\nquorum g",
		"group g any a\ngroup h any a b\nquorum h", "group g any h\ngroup h any a\nquorum g", "group a any b\nquorum a", "group none any a\nquorum none",
		"witness d " + keys[0] + "\nquorum d", "witness d x\nquorum d", "witness d " + s.Key() + "\nquorum d", "log x\nquorum a", "word\nquorum a", "quorum", "group g any\nquorum g",
	} {
		if _, err := checkpoint.ParsePolicy(base + bad + "\n"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if _, err := checkpoint.ParsePolicy(base + strings.Repeat("#\n", 300) + "quorum a\n"); err == nil {
		t.Error("a policy of 300 lines is accepted")
	}
}

// A restart names the key that signed it.
func TestRestartsNameTheirKey(t *testing.T) {
	one, two, three := newSigner(t, "log"), newSigner(t, "log"), newSigner(t, "log/2")
	signed, err := checkpoint.SignRestart(one, checkpoint.Restart{Head: tree.Head{Size: 9}, Kept: 4, New: three.Key(), Time: time.Unix(1_800_000_000, 0), Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	if chain, err := checkpoint.Chain(one.Key(), three.Key(), [][]byte{signed}); err != nil || len(chain) != 1 || chain[0].Kept != 4 {
		t.Errorf("%v (%v)", chain, err)
	}
	if _, err := checkpoint.Chain(two.Key(), three.Key(), [][]byte{signed}); err == nil {
		t.Error("the restart of another log is accepted")
	}
	// The text of one log, signed by the key of another one.
	text, _, _ := strings.Cut(string(signed), "\n\n")
	secret, public, err := checkpoint.Generate(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := note.Sign(&note.Note{Text: text + "\n"}, key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.OpenRestart(forged); err == nil {
		t.Error("a restart that names another key is accepted")
	}
	for _, bad := range []checkpoint.Restart{
		{Head: tree.Head{Size: 9}, Kept: 10, New: three.Key(), Reason: "more than there were"}, {New: three.Key()}, {New: "x", Reason: "y"},
		{New: three.Key(), Reason: "two\nlines"}, {New: one.Key(), Reason: "the same key"}, {New: three.Key(), Reason: strings.Repeat("x", 301)},
	} {
		if _, err := checkpoint.SignRestart(one, bad); err == nil {
			t.Errorf("%+v is signed", bad)
		}
	}
}

// The time is part of a cosignature.
func TestAnOldSignatureIsNoCosignature(t *testing.T) {
	secret, err := checkpoint.GenerateWitness(rand.Reader, "w")
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.NewCosigner(secret, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	signed := sign(t, newSigner(t, "log"), tree.Head{Size: 5})
	line, err := c.Cosign(signed)
	if err != nil {
		t.Fatal(err)
	}
	if found := checkpoint.Cosignatures(signed, line, &c.Witness); len(found) != 1 || !found[0].Time.Equal(time.Unix(0, 0)) {
		t.Fatalf("%v", found)
	}
	_, _, encoded := cutLine(string(line))
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	raw[11]++ // a later time
	later := "— w " + base64.StdEncoding.EncodeToString(raw) + "\n"
	if found := checkpoint.Cosignatures(signed, []byte(later), &c.Witness); len(found) != 0 {
		t.Errorf("the time was changed: %v", found)
	}
}

func cutLine(line string) (dash, name, encoded string) {
	parts := strings.Split(strings.TrimSpace(line), " ")
	return parts[0], parts[1], parts[2]
}
