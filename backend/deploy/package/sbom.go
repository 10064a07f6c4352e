package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// sbom returns the modules of a program as CycloneDX 1.6, from the facts that the
// linker has stored (go version -m).
func (r release) sbom(body []byte) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("reading the modules of the program: %w", err)
	}
	sum := sha256.Sum256(body)
	main := module(info.Main.Path, r.Version)
	main.Type = cdx.ComponentTypeApplication
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	main.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	main.Properties = r.properties(info.Settings)
	all := []cdx.Component{module("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, module(m.Path, m.Version))
	}
	var refs []string
	for _, c := range all {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, sum[:]).String()
	bom.Metadata = &cdx.Metadata{Timestamp: r.Date.Format(time.RFC3339), Component: &main}
	bom.Components = &all
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	err = cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// module returns a module as a component.
//
// SPEC: package-url, type golang: namespace and name are in lower case.
func module(name, version string) cdx.Component {
	purl := "pkg:golang/" + strings.ToLower(name) + "@" + strings.ReplaceAll(url.PathEscape(version), "+", "%2B")
	return cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: purl, Name: name, Version: version, PackageURL: purl}
}

// properties returns the commit, the system and the build tags of a program.
func (r release) properties(settings []debug.BuildSetting) *[]cdx.Property {
	var all []cdx.Property
	if r.Commit != "" {
		all = append(all, cdx.Property{Name: "vcs.revision", Value: r.Commit}, cdx.Property{Name: "vcs.time", Value: r.Date.Format(time.RFC3339)})
	}
	for _, s := range settings {
		switch s.Key {
		case "GOOS", "GOARCH", "-tags":
			all = append(all, cdx.Property{Name: "go:" + s.Key, Value: s.Value})
		}
	}
	return &all
}

// functions copies the zips of usher deploy, with an SBOM for each.
func (r release) functions() error {
	for _, name := range r.Functions {
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		program, err := bootstrap(body)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		bom, err := r.sbom(program)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		base := "usher_" + r.Version + "_" + strings.TrimSuffix(filepath.Base(name), ".zip")
		if err := errors.Join(r.write(base+".zip", body), r.write(base+".cdx.json", bom)); err != nil {
			return err
		}
	}
	return nil
}

// bootstrap returns the program of a zip.
func bootstrap(body []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	f, err := z.Open("bootstrap")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return io.ReadAll(f)
}
