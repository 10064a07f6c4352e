package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/proof"
	"usher/client/quantity"
)

// facts is one line of stat --json.
type facts struct {
	Path         string        `json:"path"`
	Size         int64         `json:"size"`
	Modified     time.Time     `json:"modified"`
	ETag         string        `json:"etag,omitempty"`
	Version      string        `json:"version,omitempty"`
	ContentType  string        `json:"content_type,omitempty"`
	StorageClass string        `json:"storage_class"`
	Archived     bool          `json:"archived,omitempty"`
	Checksum     *api.Checksum `json:"checksum,omitempty"`
	Parts        *api.Parts    `json:"parts,omitempty"`
	Grant        string        `json:"grant,omitempty"`
	Event        string        `json:"event"`
}

func (a *app) statCommand() *cobra.Command {
	var paths pathFlags
	var version versionFlag
	cmd := &cobra.Command{
		Use:     "stat PATH...",
		Short:   "Show the properties of files",
		GroupID: "files",
		Long: `Show the properties of files: size, time, checksum, version, storage class, and the grant that gives you access. The audit log records each file.

With --json each file is a line.`,
		Example: `
usher stat company-reports/annual/audited/restated/why.md
usher stat --json 'builds/nightly/2026-11-20/*'
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "stat takes the PATHs of files."); err != nil {
				return err
			}
			targets, err := paths.targets(args)
			if err != nil {
				return err
			}
			if err := version.check(targets); err != nil {
				return err
			}
			return a.stat(cmd.Context(), targets, version.id)
		}),
	}
	paths.add(cmd, true)
	version.add(cmd)
	return cmd
}

func (a *app) stat(ctx context.Context, targets []target, version string) error {
	conn, err := a.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	shown := 0
	return a.eachPath(ctx, targets, func(t target) error {
		return eachFile(ctx, conn.client, t, func(p api.Path) error {
			in := statOf(p)
			in.Version = version
			s, err := conn.client.Stat(ctx, in)
			if err != nil {
				return err
			}
			f := facts{
				Path: p.String(), Size: s.Size, Modified: s.Modified, ETag: s.ETag, Version: s.Version, ContentType: s.ContentType,
				StorageClass: cmp.Or(s.StorageClass, "STANDARD"), Archived: s.Archived, Checksum: s.Checksum, Parts: s.Parts, Grant: s.Grant, Event: s.Event,
			}
			if a.json {
				a.writeJSON(a.Out, f)
				return a.unwritten()
			}
			if shown++; shown > 1 {
				fmt.Fprintln(a.Out)
			}
			a.printFacts(f)
			return a.unwritten()
		})
	})
}

func (a *app) printFacts(f facts) {
	var t table
	line := func(name, value string) {
		if value != "" {
			t.add(name, value)
		}
	}
	line("path", safe(f.Path))
	line("size", fmt.Sprintf("%s (%s bytes)", quantity.Size(f.Size), quantity.Count(f.Size)))
	line("modified", f.Modified.Local().Format("2006-01-02 15:04:05"))
	line("checksum", sumOf(f.Checksum, f.Parts))
	line("etag", safe(f.ETag))
	line("version", safe(f.Version))
	line("type", safe(f.ContentType))
	class := safe(f.StorageClass)
	if f.Archived {
		class += ", archived"
	}
	line("class", class)
	if f.Parts != nil {
		line("parts", fmt.Sprintf("%s of %s", quantity.Count(f.Parts.Count), quantity.Size(f.Parts.Size)))
	}
	line("grant", safe(f.Grant))
	a.writeTable(&t)
}

// sumOf formats a checksum as sum prints it: ALGORITHM:HEX, of an object in parts
// with "-COUNT/SIZE". "" without a checksum.
func sumOf(c *api.Checksum, p *api.Parts) string {
	if c == nil {
		return ""
	}
	value, count, composite := strings.Cut(c.Value, "-")
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return ""
	}
	text := strings.ToLower(safe(c.Algorithm)) + ":" + hex.EncodeToString(raw)
	switch {
	case !composite && c.Type != "COMPOSITE":
		return text
	case p == nil:
		return "" // without the size of the parts nothing can be compared
	case !composite:
		count = fmt.Sprint(p.Count)
	}
	return fmt.Sprintf("%s-%s/%d", text, safe(count), p.Size)
}
