package bundle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/bundle"
	"usher/backend/event"
)

// member is one file of a bundle.
type member struct {
	header *tar.Header
	text   []byte
}

func unpack(t *testing.T, raw []byte) (all []member) {
	t.Helper()
	for in := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{h, text})
	}
}

// pack returns the tar file of the members, each with a valid header.
func pack(t *testing.T, all []member) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, m := range all {
		h := *m.header
		h.Size = int64(len(m.text))
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// evidence returns a complete export with every kind of member: the names of its groups
// are in one of its events, and a witness has cosigned.
func evidence(t *testing.T) (*log, []byte) {
	t.Helper()
	l := newLog(t, 60)
	l.add(event.Event{ID: "01K" + strings.Repeat("9", 23), Time: start.Add(100 * time.Hour), Action: event.SessionStart, Outcome: event.Allowed,
		User: event.User{Sub: "sub", Username: "ada"}, Groups: event.HashGroups(groups), GroupNames: groups})
	return l, write(t, l.cosigned(t, options{query: "who:ada", complete: true}))
}

// edits are the changes that a person makes to an unpacked export before it is packed
// again. Each returns its description.
var edits = []func(r *mathrand.Rand, all []member) ([]member, string){
	func(r *mathrand.Rand, all []member) ([]member, string) {
		i := r.IntN(len(all))
		if len(all[i].text) == 0 {
			return all, ""
		}
		all[i].text[r.IntN(len(all[i].text))] ^= byte(1 + r.IntN(255))
		return all, "a byte of " + all[i].header.Name
	},
	func(r *mathrand.Rand, all []member) ([]member, string) {
		i := r.IntN(len(all))
		what := "without " + all[i].header.Name
		return slices.Delete(all, i, i+1), what
	},
	func(r *mathrand.Rand, all []member) ([]member, string) {
		i, j := r.IntN(len(all)), r.IntN(len(all))
		all[i], all[j] = all[j], all[i]
		return all, fmt.Sprintf("%s and %s in another order", all[i].header.Name, all[j].header.Name)
	},
	func(r *mathrand.Rand, all []member) ([]member, string) {
		i := r.IntN(len(all))
		return slices.Insert(all, r.IntN(len(all)+1), all[i]), "twice " + all[i].header.Name
	},
	func(r *mathrand.Rand, all []member) ([]member, string) {
		i, h := r.IntN(len(all)), *all[0].header
		h.Name = []string{"events.jsonl", "EVENTS.JSONL", "./" + all[i].header.Name, "policies/x.txt", "cosigned.txt", "note.txt"}[r.IntN(6)]
		all[i].header = &h
		return all, "a member is named " + h.Name
	},
	func(r *mathrand.Rand, all []member) ([]member, string) {
		h := *all[0].header
		h.Name = "policies/" + strings.Repeat("0", 32) + ".txt"
		return slices.Insert(all, r.IntN(len(all)+1), member{&h, []byte("allow all\n")}), "with one more version of the grants"
	},
	func(r *mathrand.Rand, all []member) ([]member, string) { // lines of a member
		i := r.IntN(len(all))
		lines := bytes.SplitAfter(all[i].text, []byte("\n"))
		a, b := r.IntN(len(lines)), r.IntN(len(lines))
		what := ""
		switch r.IntN(4) {
		case 0:
			lines, what = slices.Delete(lines, a, a+1), "a line left out of "
		case 1:
			lines, what = slices.Insert(lines, b, lines[a]), "a line repeated in "
		case 2:
			lines[a], lines[b], what = lines[b], lines[a], "lines moved in "
		case 3:
			lines[a], what = bytes.Replace(lines[a], []byte("ada"), []byte("eve"), 1), "a name changed in "
		}
		all[i].text = bytes.Join(lines, nil)
		return all, what + all[i].header.Name
	},
	func(r *mathrand.Rand, all []member) ([]member, string) { // an event, its number and its row
		at := map[string]int{}
		for i, m := range all {
			at[m.header.Name] = i
		}
		n := bytes.Count(all[at["index.txt"]].text, []byte("\n"))
		k := r.IntN(n)
		for _, name := range []string{"events.jsonl", "index.txt", "events.csv"} {
			lines := bytes.SplitAfter(all[at[name]].text, []byte("\n"))
			if k < len(lines) {
				all[at[name]].text = bytes.Join(slices.Delete(lines, k, k+1), nil)
			}
		}
		return all, fmt.Sprintf("without event %d, its number and a row", k)
	},
	func(r *mathrand.Rand, all []member) ([]member, string) { // the names of a group are withheld
		for i, m := range all {
			if m.header.Name == "groups.txt" {
				hash, _, _ := strings.Cut(string(m.text), " ")
				all[i].text = []byte(hash + " -\n")
			}
		}
		return all, "the names of groups marked as lost"
	},
	func(r *mathrand.Rand, all []member) ([]member, string) { // a header of a member
		h := *all[r.IntN(len(all))].header
		i := slices.IndexFunc(all, func(m member) bool { return m.header.Name == h.Name })
		switch r.IntN(3) {
		case 0:
			h.Mode ^= 0o111
		case 1:
			h.ModTime = h.ModTime.Add(time.Hour)
		case 2:
			h.Uname = "grace"
		}
		all[i].header = &h
		return all, "another header of " + h.Name
	},
}

// Each of 500 edits of an unpacked export, which is packed again with valid headers, is
// named, or the file is the same as before.
func TestEditedBundles(t *testing.T) {
	l, raw := evidence(t)
	if r := verify(t, raw, &l.signer.Verifier); r.FaultCount > 0 || len(r.Witnesses) != 1 {
		t.Fatalf("%+v", r)
	}
	if again := pack(t, unpack(t, raw)); !bytes.Equal(again, raw) {
		t.Fatal("an export that is packed again is another file")
	}
	r, named, same := mathrand.New(mathrand.NewPCG(5, 6)), 0, 0
	for i := range 500 {
		all, what := edits[i%len(edits)](r, unpack(t, raw))
		changed := pack(t, all)
		report, err := bundle.Verify(t.Context(), bytes.NewReader(changed), int64(len(changed)), bundle.Check{Key: &l.signer.Verifier})
		switch {
		case bytes.Equal(changed, raw):
			same++
		case err == nil && report.FaultCount == 0:
			t.Errorf("accepted: %s", what)
		default:
			named++
		}
	}
	t.Logf("edited exports: %d named, %d without a change", named, same)
	if named < 400 {
		t.Errorf("only %d edits changed the file", named)
	}
}

// An exporter chooses three things that no key proves: the form v1, withheld names of
// groups that no event of the export has, and no cosignatures. The report shows each.
func TestChoicesOfTheExporter(t *testing.T) {
	l, raw := evidence(t)
	whole := unpack(t, raw)
	var without []member
	for _, m := range whole {
		if !slices.Contains([]string{"cosigned.txt", "witnesses.txt", "cosigned-proof.txt"}, m.header.Name) {
			without = append(without, m)
		}
	}
	changed := pack(t, without)
	if r := verify(t, changed, &l.signer.Verifier); r.FaultCount > 0 || len(r.Witnesses) != 0 || r.Witnessed != 0 || r.Satisfied {
		t.Errorf("without cosignatures: %+v", r)
	}

	l = newLog(t, 40)
	c := l.export(t, options{query: "who:ada"})
	c.Groups = bundle.Groups{event.HashGroups(groups): nil}
	changed = write(t, c)
	var names bundle.Groups
	r, err := bundle.Verify(t.Context(), bytes.NewReader(changed), int64(len(changed)), bundle.Check{Key: &l.signer.Verifier, Groups: func(g bundle.Groups) { names = g }})
	if named, there := names[event.HashGroups(groups)]; err != nil || r.FaultCount > 0 || !there || named != nil {
		t.Errorf("withheld names: %v %v %v", r.Faults, names, err)
	}
}
