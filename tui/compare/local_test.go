package compare

import (
	"os"
	"path/filepath"
	"testing"

	"usher/backend/api"
)

// A download folder behind a link has the same files. A link in it is shown and not
// followed.
func TestOnlyHere(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "link")
	dir := filepath.Join(real, "data", "x", "sub")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"a", "b", ".usher-part"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("ab"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("/", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	got := local(t.Context(), link, api.Path{Bucket: "data", Key: "x/"}, map[string]bool{filepath.Join(dir, "a"): true})
	if len(got) != 2 || got[0].name.Raw() != "sub/b" || got[1].name.Raw() != "sub/out" || got[0].size != 2 || got[0].state != onlyHere {
		t.Errorf("%+v", got)
	}
	if got := local(t.Context(), link, api.Path{Bucket: "absent"}, nil); got != nil {
		t.Errorf("of no folder: %+v", got)
	}
}
