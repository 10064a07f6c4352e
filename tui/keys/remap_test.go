package keys_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"usher/tui/keys"
)

var update = flag.Bool("update", false, "write the table of docs/keys.md")

func remapped(t *testing.T, to map[string][]string) keys.Map {
	t.Helper()
	sets, err := keys.Remap(keys.Default(), to)
	if err != nil {
		t.Fatal(err)
	}
	m, err := keys.New(sets...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRemap(t *testing.T) {
	m := remapped(t, map[string][]string{
		"down": {"e", "down", "e"}, "export": {"E"}, "save-report": {"E"}, "transfers.remove": {"z"}, "move-later": {"s"}, "browser.mark": {"x", "space"},
	})
	for _, x := range []struct {
		context keys.Context
		key     string
		want    keys.Action
	}{
		{keys.Browser, "e", keys.Down}, {keys.Browser, "j", ""}, {keys.Transfers, "e", keys.Down}, {keys.Audit, "E", keys.SaveLog},
		{keys.Transfers, "z", keys.Remove}, {keys.Transfers, "x", ""}, {keys.Browser, "x", keys.Mark}, {keys.Marked, "x", keys.Mark},
		{keys.Transfers, "s", keys.Later}, {keys.Transfers, "K", keys.Sooner}, {keys.Browser, "d", keys.Download},
	} {
		if got, _ := m.Find(x.context, x.key); got != x.want {
			t.Errorf("%s in %s: %q, want %q", x.key, x.context, got, x.want)
		}
	}
	if b, _ := m.Binding(keys.Browser, keys.Down); b.Shown() != "e" || !slices.Equal(b.Keys, []string{"e", "down"}) {
		t.Errorf("down is shown as %q with %q", b.Shown(), b.Keys)
	}
	if b, _ := m.Binding(keys.Transfers, keys.Later); b.Shown() != "s K" {
		t.Errorf("the pair is shown as %q", b.Shown())
	}
	plain, err := keys.New(keys.Default()...)
	if err != nil || !reflect.DeepEqual(remapped(t, nil), plain) {
		t.Errorf("no choice changes the table (%v)", err)
	}
}

func TestRemapRefuses(t *testing.T) {
	for _, x := range []struct{ action, key, want string }{
		{"dowload", "x", `there is no action "dowload". Did you mean download?`},
		{"browser.dowload", "x", `Did you mean browser.download?`},
		{"brwser.download", "x", `Did you mean browser.download?`},
		{"tree.read", "x", `there is no action "tree.read"`},
		{"completely different", "x", `there is no action "completely different"`},
		{"mark", "d", `key "d" means both mark and download in browser`},
		{"browser.mark", "j", `key "j" means both mark and down in browser`},
		{"reload", "x", `key "x" means both`},
		{"mark", "f5", "function and alt keys"}, {"mark", "ctrl+b", "screen and tmux"}, {"mark", "ctrl+m", "same byte"}, {"mark", "alt+x", "alt keys"},
		{"mark", "ctrl+c", "it always quits"}, {"mark", "", "a key is one character"}, {"mark", " ", "a key is one character"},
		{"mark", "xx", "a key is one character"}, {"mark", "Ctrl+x", "a key is one character"}, {"mark", "ctrl+[", "a key is one character"},
		{"mark", "\x1b", "a key is one character"}, {"mark", "\xff", "a key is one character"}, {"mark", "shift+x", "a key is one character"},
	} {
		sets, err := keys.Remap(keys.Default(), map[string][]string{x.action: {x.key}})
		if err == nil {
			_, err = keys.New(sets...)
		}
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %q gives %v, want %s", x.action, x.key, err, x.want)
		}
		if x.action == "completely different" && strings.Contains(fmt.Sprint(err), "mean") {
			t.Errorf("a name that is like no other has a suggestion: %v", err)
		}
	}
	if _, err := keys.Remap(keys.Default(), map[string][]string{"mark": {}}); err == nil || err.Error() != "mark needs a key" {
		t.Errorf("no key: %v", err)
	}
}

// docs/keys.md has a row for each binding.
func TestDocumentOfTheKeys(t *testing.T) {
	const path, from = "../../docs/keys.md", "<!-- table -->\n"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(raw), from)
	if !ok {
		t.Fatalf("%s lacks the line %s", path, from)
	}
	_, example, _ := strings.Cut(before, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Keys map[string]any `yaml:"keys"`
	}
	if err := yaml.Unmarshal([]byte(example), &file); err != nil || len(file.Keys) != 3 {
		t.Fatalf("the example has %v: %v", file.Keys, err)
	}
	chosen := make(map[string][]string)
	for action, list := range file.Keys {
		chosen[action] = strings.Fields(strings.Trim(fmt.Sprint(list), "[]"))
	}
	remapped(t, chosen)
	var b strings.Builder
	b.WriteString(before + from)
	for _, s := range keys.Default() {
		if len(s.Bindings) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", s.Context)
		if s.On != "" {
			fmt.Fprintf(&b, "Also the actions of `%s`.\n\n", s.On)
		}
		b.WriteString("| Action | Keys | Effect |\n|---|---|---|\n")
		for _, x := range s.Bindings {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", x.Action, strings.Join(x.Keys, "` `"), x.Label)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b.String() != string(raw) {
		t.Errorf("%s differs from the table of keys: go test ./tui/keys -update", path)
	}
}
