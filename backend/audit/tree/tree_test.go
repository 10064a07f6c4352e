package tree_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tree"
)

// memory is a log with the stored levels of its tree.
type memory struct {
	tree.Frontier
	levels map[int][]tree.Hash
}

func (m *memory) append(text string) {
	leaf := tree.Leaf([]byte(text))
	m.levels[0] = append(m.levels[0], leaf)
	m.Append(leaf, func(level int, n int64, h tree.Hash) {
		if n != int64(len(m.levels[level])) {
			panic("a subtree is out of order")
		}
		m.levels[level] = append(m.levels[level], h)
	})
}

func (m *memory) reader() tree.Reader {
	return tree.Reader{Source: func(level int, from, to int64) ([]tree.Hash, error) {
		if to > int64(len(m.levels[level])) {
			return nil, fmt.Errorf("level %d ends at %d", level, len(m.levels[level]))
		}
		return slices.Clone(m.levels[level][from:to]), nil
	}}
}

func text(i int) string { return fmt.Sprintf(`{"id":"%d"}`, i) }

// stored is the store of package tlog, with all levels.
type stored []tree.Hash

func (s stored) ReadHashes(indexes []int64) ([]tree.Hash, error) {
	out := make([]tree.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = s[x]
	}
	return out, nil
}

// Every root equals that of package tlog, also after a restart from the stored
// form and after one from the stored levels.
func TestRootsAreThoseOfTlog(t *testing.T) {
	const n = 70_000 // a subtree of level 16
	m := &memory{levels: map[int][]tree.Hash{}}
	var all stored
	for i := range n {
		m.append(text(i))
		more, err := tlog.StoredHashes(int64(i), []byte(text(i)), all)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
		if i > 700 && i%997 != 0 && i != n-1 && i != 1<<16-1 && i != 1<<16 {
			continue
		}
		want, err := tlog.TreeHash(int64(i+1), all)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Head(); got.Root != want || got.Size != int64(i+1) {
			t.Fatalf("%d leaves: %v, want %v", i+1, got, want)
		}
		back, err := tree.Unmarshal(m.Marshal())
		if err != nil || back.Head() != m.Head() {
			t.Fatalf("%d leaves, stored form: %v (%v)", i+1, back.Head(), err)
		}
		at, err := m.reader().At(int64(i + 1))
		resumed, rerr := m.reader().Resume(int64(i + 1))
		if err != nil || rerr != nil || at != m.Head() || resumed.Head() != m.Head() || !slices.Equal(resumed.Marshal(), m.Marshal()) {
			t.Fatalf("%d leaves, from the stored levels: %v, %v (%v, %v)", i+1, at, resumed.Head(), err, rerr)
		}
	}
	for i := int64(0); i < n; i += 1234 {
		proof, err := tlog.ProveRecord(n, i, m.reader())
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, n, m.Root(), i, m.levels[0][i]); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		old, err := m.reader().At(i + 1)
		if err != nil {
			t.Fatal(err)
		}
		between, err := tlog.ProveTree(n, i+1, m.reader())
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(between, n, m.Root(), i+1, old.Root); err != nil {
			t.Errorf("tree of %d: %v", i+1, err)
		}
	}
}

// The empty tree has the hash of no bytes.
func TestTheEmptyTree(t *testing.T) {
	f := tree.Frontier{}
	root := f.Root()
	if got := hex.EncodeToString(root[:]); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got)
	}
	if at, err := (tree.Reader{}).At(0); err != nil || at != f.Head() {
		t.Error(at, err)
	}
}

func TestAMalformedFrontierIsRefused(t *testing.T) {
	f := tree.Frontier{}
	for i := range 5 {
		f.Append(tree.Leaf([]byte(text(i))), nil)
	}
	good := f.Marshal()
	for n := range good {
		if _, err := tree.Unmarshal(good[:n]); err == nil {
			t.Errorf("the first %d bytes are accepted", n)
		}
	}
	if _, err := tree.Unmarshal(append(slices.Clone(good), 0)); err == nil {
		t.Error("an additional byte is accepted")
	}
	good[0] = 0xff
	if _, err := tree.Unmarshal(good); err == nil {
		t.Error("a negative size is accepted")
	}
}

// A clone is independent.
func TestAClone(t *testing.T) {
	f := tree.Frontier{}
	f.Append(tree.Leaf([]byte("a")), nil)
	c, before := f.Clone(), f.Head()
	c.Append(tree.Leaf([]byte("b")), nil)
	c.Append(tree.Leaf([]byte("c")), nil)
	if f.Head() != before {
		t.Error("an append to the clone changed the original")
	}
}

// python computes the root of the lines of stdin without code of usher.
const python = `
import sys, hashlib
S=hashlib.sha256; fr=[]; n=0
for e in sys.stdin.buffer.read().split(b'\n'):
    h=S(b'\0'+e).digest(); l=n
    while l&1: h=S(b'\1'+fr.pop()+h).digest(); l>>=1
    fr.append(h); n+=1
r=fr.pop()
while fr: r=S(b'\1'+fr.pop()+r).digest()
print(n, r.hex())
`

func TestRootsAreThoseOfPython(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	for _, n := range []int{1, 2, 3, 255, 256, 257, 1000} {
		f := tree.Frontier{}
		var lines []string
		for i := range n {
			lines = append(lines, text(i))
			f.Append(tree.Leaf([]byte(text(i))), func(int, int64, tree.Hash) {})
		}
		run := exec.CommandContext(t.Context(), path, "-c", python)
		run.Stdin = bufio.NewReader(strings.NewReader(strings.Join(lines, "\n")))
		out, err := run.Output()
		root := f.Root()
		if want := fmt.Sprintf("%d %s\n", n, hex.EncodeToString(root[:])); err != nil || string(out) != want {
			t.Errorf("%q, want %q (%v)", out, want, err)
		}
	}
}

func ExampleFrontier() {
	var f tree.Frontier
	for _, e := range []string{"first event", "second event"} {
		f.Append(tree.Leaf([]byte(e)), func(int, int64, tree.Hash) {})
	}
	fmt.Println(f.Size(), f.Root())
	// Output: 2 NvZdJhw0IWrSbfcThcVLsla9PMyN4HcTzj1zy2Bmjmc=
}
