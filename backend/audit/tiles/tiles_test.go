package tiles_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

type folder map[string][]byte

func (f folder) Get(_ context.Context, name string) ([]byte, error) {
	data, ok := f[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, tiles.ErrMissing)
	}
	return data, nil
}

// stored returns the objects of a log of n events, and its head.
func stored(t *testing.T, n int) (folder, tree.Head) {
	t.Helper()
	hashes := map[int64]tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var all []tlog.Hash
		for _, i := range indexes {
			all = append(all, hashes[i])
		}
		return all, nil
	})
	f := folder{}
	var events [][]byte
	for i := range n {
		e := fmt.Appendf(nil, "event %d", i)
		some, err := tlog.StoredHashes(int64(i), e, reader)
		if err != nil {
			t.Fatal(err)
		}
		for j, h := range some {
			hashes[tlog.StoredHashIndex(0, int64(i))+int64(j)] = h
		}
		events = append(events, e)
	}
	objects, err := tiles.Hashes(0, int64(n), reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		f[o.Name] = o.Data
	}
	for i := int64(0); i*tiles.Width < int64(n); i++ {
		name, count := tiles.BundleOf(i, int64(n))
		packed, err := tiles.PackBundle(events[i*tiles.Width:][:count])
		if err != nil {
			t.Fatal(err)
		}
		f[name] = packed
	}
	root, err := tlog.TreeHash(int64(n), reader)
	if err != nil {
		t.Fatal(err)
	}
	return f, tree.Head{Size: int64(n), Root: root}
}

// The names are those of tlog-tiles.
func TestNames(t *testing.T) {
	f, _ := stored(t, 70_000)
	for _, name := range []string{"tile/0/000", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/000", "tile/entries/273.p/112"} {
		if _, ok := f[name]; !ok {
			t.Errorf("%s is not among %d objects", name, len(f))
		}
	}
	if name, n := tiles.BundleOf(1234067, 1234067*256+5); name != "tile/entries/x001/x234/067.p/5" || n != 5 {
		t.Errorf("%s, %d", name, n)
	}
	if name := tiles.CheckpointOf(42); name != "checkpoints/00000000000000000042" {
		t.Error(name)
	}
}

// Events returns every range in order, and hashes prove each event.
func TestEventsAndHashes(t *testing.T) {
	f, head := stored(t, 700)
	for _, r := range [][2]int64{{0, 700}, {0, 0}, {255, 257}, {256, 512}, {699, 700}, {3, 4}} {
		n := r[0]
		for e, err := range tiles.Events(t.Context(), f, 700, r[0], r[1]) {
			if err != nil || string(e) != fmt.Sprintf("event %d", n) {
				t.Fatalf("event %d of %v is %q (%v)", n, r, e, err)
			}
			n++
		}
		if n != r[1] {
			t.Errorf("%v ends at %d", r, n)
		}
	}
	hashes := tiles.HashesOf(t.Context(), f, head)
	for _, n := range []int64{0, 255, 256, 699} {
		proof, err := tlog.ProveRecord(700, n, hashes)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, 700, head.Root, n, tree.Leaf(fmt.Appendf(nil, "event %d", n))); err != nil {
			t.Errorf("event %d: %v", n, err)
		}
	}
}

// Objects that are missing, cut or changed are errors.
func TestDamagedObjects(t *testing.T) {
	for name, damage := range map[string]func(folder){
		"a hash is changed": func(f folder) { f["tile/0/002.p/188"] = bytes.Repeat([]byte{7}, 188*32) },
		"hashes are cut":    func(f folder) { f["tile/0/002.p/188"] = f["tile/0/002.p/188"][:100] },
		"hashes are gone":   func(f folder) { delete(f, "tile/0/002.p/188") },
	} {
		f, head := stored(t, 700)
		damage(f)
		if _, err := tiles.HashesOf(t.Context(), f, head).ReadHashes([]int64{tlog.StoredHashIndex(0, 600)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, damage := range map[string]func(folder){
		"a bundle is gone":              func(f folder) { delete(f, "tile/entries/001") },
		"a bundle is cut":               func(f folder) { f["tile/entries/001"] = f["tile/entries/001"][:9] },
		"a bundle has too few events":   func(f folder) { f["tile/entries/001"] = f["tile/entries/002.p/188"] },
		"a bundle ends within a length": func(f folder) { f["tile/entries/001"] = []byte{0} },
	} {
		f, _ := stored(t, 700)
		damage(f)
		var failed error
		n := 0
		for _, err := range tiles.Events(t.Context(), f, 700, 0, 700) {
			if err != nil {
				failed = err
				continue
			}
			n++
		}
		if n != 256 || !errors.Is(failed, tiles.ErrDamaged) && !errors.Is(failed, tiles.ErrMissing) {
			t.Errorf("%s: %d events, %v", name, n, failed)
		}
	}
	if _, err := tiles.PackBundle([][]byte{make([]byte, 1<<16)}); err == nil {
		t.Error("an event of 64 KiB has no form")
	}
}

func ExampleBundleOf() {
	fmt.Println(tiles.BundleOf(1, 300))
	// Output: tile/entries/001.p/44 44
}
