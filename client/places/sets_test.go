package places_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/client/places"
)

// Sets are bounded in number, paths and bytes, and fit into the file with everything
// else. An invalid set is left out.
func TestSets(t *testing.T) {
	f := folders(t)
	s := places.New(f, "https://a", "sub-1")
	save := func(name string, paths ...string) {
		t.Helper()
		if err := s.Save(places.Change{Sets: map[string][]string{name: paths}}); err != nil {
			t.Fatal(err)
		}
	}
	save("q3", "builds/a.csv", "builds/x\x1b[2J\u202e/")
	save("old", "builds/b.csv")
	save("old")
	if got := s.Load().Sets; len(got) != 1 || strings.Join(got["q3"], " ") != "builds/a.csv builds/x\x1b[2J\u202e/" {
		t.Errorf("stored %q", got)
	}
	many := make([]string, places.MaxSetPaths)
	for i := range many {
		many[i] = fmt.Sprintf("builds/%d", i)
	}
	for name, paths := range map[string][]string{
		"": {"builds/a"}, " a": {"builds/a"}, strings.Repeat("x", 41): {"builds/a"}, "a\nb": {"builds/a"}, "a\xff": {"builds/a"},
		"none": {}, "root": {""}, "bucket": {"builds"}, "many": append([]string{"builds/x"}, many...),
		"large": {"builds/" + strings.Repeat("\x01", 1000), "builds/" + strings.Repeat("\x02", 1000), "builds/" + strings.Repeat("\x03", 1000), "builds/" + strings.Repeat("\x04", 1000), "builds/" + strings.Repeat("\x05", 1000)},
	} {
		if err := s.Load().Fits(name, paths); err == nil {
			t.Errorf("%q with %d paths fits", name, len(paths))
		}
		if len(paths) > 0 {
			save(name, paths...)
		}
	}
	if err := s.Load().Fits("many", many); err != nil {
		t.Errorf("%d short paths: %v", len(many), err)
	}
	for i := range places.MaxSets + 5 {
		save(fmt.Sprint("s", i), "builds/a")
	}
	if got := s.Load().Sets; len(got) != places.MaxSets || got["q3"] == nil {
		t.Errorf("%d sets: %q", len(got), got)
	}
	const foreign = `{"version":1,"last":"builds/","sets":{"ok":["builds/a"],"bad":["../x"],"\u001b[2J":["builds/a"],"empty":[],"bucket":["builds"]}}`
	if err := os.WriteFile(file(t, f), []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.Load(); len(got.Sets) != 1 || got.Sets["ok"] == nil || got.Last != "builds/" {
		t.Errorf("a foreign file gives %+v", got)
	}
}
