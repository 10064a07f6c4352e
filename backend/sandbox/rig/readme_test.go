package rig

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The README names the installed versions of the judges.
func TestReadmeNamesTheVersions(t *testing.T) {
	readme, script, manifest := text(t, "README.md"), text(t, "run"), text(t, "package.json")
	_, rest, _ := strings.Cut(script, "\nversitygw=")
	version, _, _ := strings.Cut(rest, "\n")
	if version == "" || !strings.Contains(readme, "S3 server, "+version+",") {
		t.Errorf("versitygw %q is not in README.md", version)
	}
	var npm struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(manifest), &npm); err != nil || len(npm.Dependencies) == 0 {
		t.Fatalf("package.json: %d dependencies, %v", len(npm.Dependencies), err)
	}
	for name, version := range npm.Dependencies {
		if !strings.Contains(readme, name+" "+version+" ") {
			t.Errorf("%s %s is not in README.md", name, version)
		}
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
