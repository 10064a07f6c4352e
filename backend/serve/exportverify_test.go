package serve_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/audit/tree"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/serve"
)

// exported is an export of a whole log, before it is written.
type exported struct {
	events   []event.Event // without the record of the export
	policies map[string]bundle.Source
	groups   bundle.Groups
}

func finance() []string { return []string{"everyone", "finance"} }

// newExported returns three decisions of a person of finance, and one of a person
// without groups.
func newExported(t *testing.T) *exported {
	t.Helper()
	set, err := grant.NewSet([]grant.Grant{
		{Group: "finance", Bucket: "company-reports", Prefix: "annual/", Reason: "quarter"}, {Group: "everyone", Bucket: "company-reports", Prefix: "public/"},
		{Group: "everyone", Bucket: "company-reports", Prefix: "annual/secret/", Effect: grant.Deny},
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &exported{policies: map[string]bundle.Source{set.Version(): bundle.Bytes(set.Text())}, groups: bundle.Groups{}}
	for i, d := range []struct {
		action, key string
		groups      []string
	}{{event.Download, "annual/a", finance()}, {event.Download, "annual/secret/b", finance()}, {event.List, "public/", finance()}, {event.Stat, "annual/a", nil}} {
		e := event.Event{
			ID: fmt.Sprintf("01K%023d", i), Time: time.Date(2026, 11, 28, 9, i, 0, 0, time.UTC), Action: d.action, Bucket: "company-reports", Key: d.key,
			User: event.User{Sub: "sub", Username: "ada"}, Policy: set.Version(), Groups: event.HashGroups(d.groups), Outcome: event.Denied,
		}
		made := set.Decide(d.groups, e.Bucket, e.Key, e.Time)
		allowed, by := made.Allowed, made.Grant
		if d.action == event.List {
			v := set.Visible(d.groups, e.Bucket, e.Key, e.Time)
			allowed, by = !v.Nothing(), v.Grant
		}
		if allowed {
			e.Outcome = event.Allowed
		}
		if by != nil {
			e.Grant = by.String()
		}
		x.events, x.groups[e.Groups] = append(x.events, e), append([]string{}, d.groups...)
	}
	return x
}

// write writes the export to a file, and returns the key of its log.
func (x *exported) write(t *testing.T, path string) *checkpoint.Verifier {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(x.events))
	last := event.Event{
		ID: "01KE0000000000000000000000", Time: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), Action: event.AuditExport, Outcome: event.Allowed,
		User: event.User{Sub: "grace", Username: "grace"}, Count: int(n), FirstRecord: 1, LastRecord: n, Records: n,
	}
	var events, index, sheet bytes.Buffer
	var hashes checkpointtest.Hashes
	for i, e := range append(x.events, last) {
		line := event.Canonical(e)
		events.Write(append(line, '\n'))
		index.Write(bundle.AppendLeaf(nil, bundle.Leaf{Index: int64(i), Hash: tree.Leaf(line)}))
		more, err := tlog.StoredHashes(int64(i), line, hashes)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	root, err := tlog.TreeHash(n+1, hashes)
	if err != nil {
		t.Fatal(err)
	}
	note, err := signer.Sign(tree.Head{Size: n + 1, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if err := bundle.Sheet(&sheet, last, bytes.NewReader(index.Bytes()), bytes.NewReader(events.Bytes())); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = bundle.Write(&out, bundle.Content{
		Key: public, Checkpoint: note, Policies: x.policies, Groups: x.groups, Export: last,
		Events: bundle.Bytes(events.Bytes()), Index: bundle.Bytes(index.Bytes()), Proof: bundle.Bytes(nil), Sheet: bundle.Bytes(sheet.Bytes()),
	})
	if err == nil {
		err = os.WriteFile(path, out.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &signer.Verifier
}

// Every decision of an export is decided again. The log of this test signs anything: a
// server that decided otherwise than its grants is noticed by the decisions alone.
func TestExportsAreDecidedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(x *exported)
		want        string // in the faults; "": none
		undecidable int64
	}{
		"control: nothing":               {func(*exported) {}, "", 0},
		"a denial recorded as allowed":   {func(x *exported) { x.events[1].Outcome = event.Allowed }, "decision: record 2: it was allowed, and the grants of that time deny it", 0},
		"a release recorded as denied":   {func(x *exported) { x.events[0].Outcome = event.Denied }, "decision: record 1: it was denied, and the grants of that time allow it", 0},
		"another grant":                  {func(x *exported) { x.events[0].Grant = "allow everyone company-reports/" }, "decision: record 1: the recorded grant is", 0},
		"groups of another":              {func(x *exported) { x.events[3].Groups = x.events[0].Groups }, "decision: record 4: it was denied, and the grants of that time allow it", 0},
		"no version of the grants":       {func(x *exported) { x.events[0].Policy, x.events[0].Groups = "", "" }, "decision: record 1: a download was allowed without a version of the grants", 0},
		"groups left out":                {func(x *exported) { delete(x.groups, x.events[0].Groups) }, "groups: record 1: the groups of this decision are not in groups.txt", 0},
		"grants left out":                {func(x *exported) { x.policies = nil }, "decision: record 1: the version", 0},
		"grants of another text":         {func(x *exported) { x.policies[x.events[0].Policy] = bundle.Bytes([]byte("\"allow all\" \"\"\n")) }, "decision: record 1: the version", 0},
		"names that the log has no more": {func(x *exported) { x.groups[x.events[0].Groups] = nil }, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExported(t)
			test.change(x)
			if name == "groups of another" {
				delete(x.groups, event.HashGroups(nil))
			}
			path := filepath.Join(t.TempDir(), "e.tar")
			key := x.write(t, path)
			r, err := serve.VerifyExport(t.Context(), path, bundle.Check{Key: key})
			if err != nil || !r.Decided {
				t.Fatal(err, r.Decided)
			}
			var all []string
			for _, f := range r.Faults {
				all = append(all, f.String())
			}
			for _, d := range r.Decisions.Differences {
				all = append(all, d.String())
			}
			text := strings.Join(all, "\n")
			if (test.want == "") != (text == "") || !strings.Contains(text, test.want) || r.Decisions.Undecidable != test.undecidable || r.Decisions.Decisions != 4 {
				t.Errorf("%s; %d of %d undecidable; want %q", text, r.Decisions.Undecidable, r.Decisions.Decisions, test.want)
			}
			t.Logf("TAMPER export: %-32s %d decisions, %d differ, %d undecidable %s", name, r.Decisions.Decisions, r.Decisions.Differ, r.Decisions.Undecidable, text)
		})
	}
}

// An export of an earlier form has no names of groups, which the result shows.
func TestEarlierExportsAreNotDecidedAgain(t *testing.T) {
	r, err := serve.VerifyExport(t.Context(), "../audit/bundle/testdata/v1.tar", bundle.Check{})
	if err != nil || r.FaultCount > 0 || r.Decided || r.Decisions.Decisions != 0 {
		t.Errorf("%v: %v, decided %v, %+v", err, r.Faults, r.Decided, r.Decisions)
	}
}
