package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// unitFile is the unit of the backend. No package enables or starts it.
const unitFile = "/usr/lib/systemd/system/usher.service"

// linux writes the deb and the rpm of an architecture.
func (r release) linux(arch string, all []file) error {
	for _, p := range []struct {
		packager nfpm.Packager
		places   map[string]string // places that differ from those of the archive, below /usr
	}{
		// Debian's zsh reads vendor-completions, and Debian Policy 12.5 names the file copyright.
		{deb.Default, map[string]string{zshCompletion: "share/zsh/vendor-completions/_usher", "share/doc/usher/LICENSE": "share/doc/usher/copyright"}},
		{rpm.DefaultRPM, nil},
	} {
		if err := r.system(p.packager, arch, all, p.places); err != nil {
			return err
		}
	}
	return nil
}

// system writes one package.
func (r release) system(packager nfpm.Packager, arch string, all []file, places map[string]string) error {
	dir, err := os.MkdirTemp("", "usher-release-") // nfpm reads files, no bytes
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	info := r.info(arch)
	for i, f := range all {
		if f, err = packaged(f, places); err != nil {
			return err
		}
		source := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(source, f.body, 0o600); err != nil {
			return err
		}
		info.Contents = append(info.Contents, &files.Content{
			Source: source, Destination: f.name, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.mode, MTime: r.Date},
		})
	}
	for _, dir := range folders(info.Contents) {
		info.Contents = append(info.Contents, &files.Content{
			Destination: dir, Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755, MTime: r.Date},
		})
	}
	info = nfpm.WithDefaults(info)
	name := packager.ConventionalFileName(info)
	var out bytes.Buffer
	if err := packager.Package(info, &out); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return r.write(name, out.Bytes())
}

// folders returns the folders of files that a system may lack. Unlike dpkg, rpm
// removes only the folders that a package names.
func folders(contents files.Contents) []string {
	every := []string{"/", "/usr", "/usr/bin", "/usr/lib", "/usr/lib/systemd", "/usr/lib/systemd/system", "/usr/share", "/usr/share/doc", "/usr/share/man", "/usr/share/man/man1"}
	found := map[string]bool{}
	for _, c := range contents {
		for dir := path.Dir(c.Destination); !slices.Contains(every, dir); dir = path.Dir(dir) {
			found[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// packaged returns a file at its place in a package. Manual pages are compressed
// there, and the unit is in the folder of systemd.
func packaged(f file, places map[string]string) (file, error) {
	if to, ok := places[f.name]; ok {
		f.name = to
	}
	f.name = "/usr/" + f.name
	switch {
	case path.Base(f.name) == path.Base(unitFile):
		f.name = unitFile
	case strings.HasPrefix(f.name, "/usr/share/man/"):
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			return file{}, err
		}
		if _, err := z.Write(f.body); err != nil {
			return file{}, err
		}
		if err := z.Close(); err != nil {
			return file{}, err
		}
		f.name, f.body = f.name+".gz", out.Bytes()
	}
	return f, nil
}

// info returns the facts of a package without its files.
func (r release) info(arch string) *nfpm.Info {
	script := func(name string) string {
		return filepath.Join(r.Tree, "backend", "deploy", "package", "scripts", name)
	}
	info := &nfpm.Info{
		Name: "usher", Arch: arch, Platform: "linux", Version: r.Version, Section: "utils", Priority: "optional",
		Maintainer: "usher maintainers <usher@localhost>", License: "Apache-2.0", MTime: r.Date, DisableGlobbing: true,
		Description: "Browse and download S3 files from a terminal\nA backend verifies each request, records it, and signs a link to one file.\nThe package also has the backend itself and its systemd unit.",
	}
	info.Scripts = nfpm.Scripts{PostInstall: script("postinstall"), PreRemove: script("preremove"), PostRemove: script("postremove")}
	info.Recommends = []string{"ca-certificates"}
	info.RPM.BuildHost, info.RPM.Group = "localhost", "Applications/Internet"
	return info
}
