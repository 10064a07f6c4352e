package event

import (
	"slices"
	"testing"
	"time"
)

// The filter of a group selects exactly the events that the count of a filter has in it.
func TestDrill(t *testing.T) {
	now := time.Date(2026, 11, 28, 15, 30, 0, 0, time.UTC)
	all := randomEvents(120)
	for i := range all {
		all[i].User.Username = "n" + all[i].User.Sub // a sub has one username
	}
	selectable := map[string]int{}
	for _, text := range []string{
		"", "who:ns0", "who:ns0 who:ns1", "-who:ns0", "path:b/d/", "path:b/", "path:b/d", "path:b/d/a path:b/d/e/", "path:*a", "path:=b/d/a", "path:=b/d/a path:bb/", "-path:*e*", "path:b/ -path:=b/d/a",
		"ip:192.0.2.0/24", "ip:192.0.2.1 ip:2001:db8::1", "agent:curl", "agent:=curl/8", "grant:*d*", "session:x1 session:x2", "since:2026-01-02T03 until:2027", "action:download outcome:allowed", "touched:b/d/a",
	} {
		f, err := ParseFilter(text, now)
		if err != nil {
			continue
		}
		for _, name := range []string{"who", "file", "folder", "ip", "session", "grant", "agent", "day", "hour", "who,ip", "session,hour", "file,who", "file,folder", "folder,agent", "day,hour"} {
			by, err := ParseBy(name)
			if err != nil {
				t.Fatal(err)
			}
			groups := map[string]map[string]bool{} // ids by keys
			keys := map[string][]string{}
			for _, e := range all {
				if !f.Match(e) {
					continue
				}
				var k []string
				for _, b := range by {
					k = append(k, b.Key(e))
				}
				at := ""
				for _, x := range k {
					at += x + "\x00"
				}
				if groups[at] == nil {
					groups[at], keys[at] = map[string]bool{}, k
				}
				groups[at][e.ID] = true
			}
			for at, ids := range groups {
				drill := Drill(text, by, keys[at])
				if drill == "" {
					continue
				}
				selectable[text+" by "+name]++
				g, err := ParseFilter(drill, now)
				if err != nil {
					t.Fatalf("%s by %s: %s: %v", text, name, drill, err)
				}
				for _, e := range all {
					if g.Match(e) != ids[e.ID] {
						t.Fatalf("%q by %s, group %q: %q and event %s of %q: %v, want %v", text, name, keys[at], drill, e.ID, e.Path(), g.Match(e), ids[e.ID])
					}
				}
			}
		}
	}
	for _, want := range []string{" by who", "who:ns0 who:ns1 by who", "path:b/ by folder", "path:b/d/ by folder", "path:b/d/a path:b/d/e/ by file", "path:*a by file", "ip:192.0.2.0/24 by ip", "who:ns0 by file,folder", "agent:curl by agent"} {
		if selectable[want] == 0 {
			t.Errorf("%s: no group can be selected", want)
		}
	}
	for text, want := range map[string][]string{"path:*a": {"b/d/"}, "": {""}, "path:=b/d/a path:bb/": {"b/d/"}} {
		if got := Drill(text, []By{PerFolder}, want); got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := Drill("path:hr/2026/a since:24h", []By{PerFolder}, []string{"hr/2026/"}); got != "path:hr/2026/a since:24h -path:hr/2026/*/*" {
		t.Error(got)
	}
	if long := slices.Repeat([]string{"id:1 "}, MaxTerms); Drill(join(long), []By{PerWho}, []string{"ada"}) != "" {
		t.Error("a filter of too many terms")
	}
}

func join(texts []string) (out string) {
	for _, t := range texts {
		out += t
	}
	return out
}
