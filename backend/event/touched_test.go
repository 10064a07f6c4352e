package event

import "testing"

// A touched term selects the events of the path and the listings that showed it.
func TestTouched(t *testing.T) {
	list := func(key, reason string) Event {
		return Event{Action: List, Bucket: "b", Key: key, Reason: reason, Outcome: Allowed, Entries: 3}
	}
	search := func(key, reason string) Event {
		e := list(key, reason)
		e.Action = Search
		return e
	}
	part := func(e Event, from, to string) Event {
		e.EntriesFirst, e.EntriesLast = from, to
		return e
	}
	denied := list("hr/", "")
	denied.Outcome = Denied
	empty := list("hr/", "")
	empty.Entries = 0
	buckets := Event{Action: List, Outcome: Allowed, Entries: 2}
	for _, row := range []struct {
		name string
		e    Event
		want bool
	}{
		{"a download", Event{Action: Download, Bucket: "b", Key: "hr/2026/salary.csv", Outcome: Denied}, true},
		{"a longer name", Event{Action: Download, Bucket: "b", Key: "hr/2026/salary.csv.bak", Outcome: Allowed}, false},
		{"another bucket", Event{Action: Download, Bucket: "bb", Key: "hr/2026/salary.csv", Outcome: Allowed}, false},
		{"its folder", list("hr/2026/", ""), true},
		{"the folder above", list("hr/", ""), false},
		{"all below the folder above", list("hr/", Recursive), true},
		{"all of the bucket", list("", Recursive), true},
		{"the bucket", list("", ""), false},
		{"a sibling folder", list("hr/2025/", Recursive), false},
		{"a prefix that is no folder", list("hr/20", Recursive), false},
		{"a denied listing", denied, false},
		{"a listing of nothing", empty, false},
		{"the buckets", buckets, false},
		{"a page with the name", part(list("hr/2026/", ""), "a.csv", "t.csv"), true},
		{"the page before", part(list("hr/2026/", ""), "a.csv", "m.csv"), false},
		{"the page after", part(list("hr/2026/", ""), "salary.csv0", "t.csv"), false},
		{"a page that begins with it", part(list("hr/", Recursive), "2026/salary.csv", "2027/x"), true},
		{"a search that finds it", search("hr/", SearchText+"SALA"), true},
		{"a search of another text", search("hr/", SearchText+"2026"), false}, // of the file's own name only
		{"a search with a path", search("hr/", SearchText+"2026/s"), true},
		{"a glob that finds it", search("", SearchGlob+"*.csv"), true},
		{"another glob", search("", SearchGlob+"*.pdf"), false},
		{"a search by size", search("", "size or time"), true},
		{"no event of an object", Event{Action: SignOut, Outcome: Allowed}, false},
	} {
		f, err := ParseFilter("touched:s3://b/hr/2026/salary.csv", now)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(row.e) != row.want {
			t.Errorf("%s matches: %v", row.name, !row.want)
		}
		at := row.e.Path()
		if row.want && at != "" && !contains(f.Terms[0].Listings(), at) {
			t.Errorf("%s: no listing of %q", row.name, at)
		}
	}
	folder := Filter{Terms: []Term{{Field: ByTouched, Value: "b/hr/2026/"}}}
	for e, want := range map[string]bool{"": false, "hr/": true, "hr/2026/": true} {
		if l := list(e, ""); folder.Match(l) != want {
			t.Errorf("a folder and the listing of %q: %v", e, !want)
		}
	}
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// A probe passes each event that the filter selects.
func TestProbe(t *testing.T) {
	size := int64(7)
	e := Event{Action: Download, Grant: `allow "fin" hr/`, GroupNames: []string{"eng\n"}, UserAgent: `curl/8 "x"`, Purpose: PurposePreview, Size: &size}
	all := []string{
		`group:"\"fin\""`, "group:\"eng\n\"", `grant:"allow \"fin\" hr/"`, "grant:*hr*", "agent:curl", `agent:="curl/8 \"x\""`, "agent:*8*", "purpose:preview", "size:>3", "size:7", "size:>1TB size:<8",
		"agent:curl agent:*", "agent:* group:\"eng\n\"",
	}
	for _, text := range all {
		f, err := ParseFilter(text, now)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !f.Match(e) || !f.Probe().Passes(Canonical(e)) {
			t.Errorf("%s: matches %v, passes %v", text, f.Match(e), f.Probe().Passes(Canonical(e)))
		}
	}
	other := Canonical(Event{Action: List, UserAgent: "wget", Purpose: PurposeLink})
	sized := Canonical(Event{Action: Download, Key: `"size":9,`, Size: &size})
	for text, bytes := range map[string][]byte{
		"group:eng": other, "grant:*hr*": other, "grant:allow": other, "agent:curl": other, "agent:=wge": other, "purpose:preview": other, "size:>3": other,
		"size:>7": sized, "size:9": sized, "size:<7 size:>1TB": sized,
	} {
		f, err := ParseFilter(text, now)
		if err != nil {
			t.Fatal(err)
		}
		if f.Probe().Passes(bytes) {
			t.Errorf("%s passes", text)
		}
	}
}
