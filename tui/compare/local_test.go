package compare

import (
	"os"
	"path/filepath"
	"testing"

	"usher/client/difference"
)

// Local files that the server does not have are shown, also below a download folder
// behind a link. A link in it is shown and not followed.
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
	here, err := difference.Open(filepath.Join(link, "data", "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = here.Close() }()
	name, ok := here.Name(filepath.Join(dir, "a"))
	if !ok {
		t.Fatal("the file is not below its folder")
	}
	got := onlyHere(t.Context(), here, map[string]bool{name: true})
	if len(got) != 2 || got[0].name.Raw() != "sub/b" || got[1].name.Raw() != "sub/out" || got[0].size != 2 || got[0].kind != difference.OnlyHere {
		t.Errorf("%+v", got)
	}
}
