package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/glob"
	"usher/client/proof"
)

// cat writes files to stdout, one after the other.
type cat struct {
	*app
	paths   pathFlags
	version versionFlag
}

func (a *app) catCommand() *cobra.Command {
	c := &cat{app: a}
	cmd := &cobra.Command{
		Use:     "cat PATH...",
		Short:   "Write files to stdout",
		GroupID: "files",
		Long: `Write files to stdout, one after the other, and verify each at its end: only exit code 0 means that the content is complete and correct. On a terminal, control characters are escaped.

A PATH can be a pattern; its matches are written in the order of their names.`,
		Example: `
usher cat company-reports/annual/audited/restated/why.md
usher cat 'builds/nightly/2026-11-20/*.log' | wc -l
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "cat takes the PATHs of files."); err != nil {
				return err
			}
			return c.run(cmd.Context(), args)
		}),
	}
	c.paths.add(cmd, true)
	c.version.add(cmd)
	return cmd
}

func (c *cat) run(ctx context.Context, args []string) error {
	targets, err := c.paths.targets(args)
	if err == nil {
		err = c.version.check(targets)
	}
	if err != nil {
		return err
	}
	conn, err := c.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	out := c.contentWriter()
	err = c.eachPath(ctx, targets, func(t target) error {
		return eachFile(ctx, conn.client, t, func(p api.Path) error {
			_, err := download.Save(ctx, c.engine(ctx, conn), download.Request{Bucket: p.Bucket, Key: p.Key, Version: c.version.id}, out)
			if ctx.Err() != nil {
				return &failedError{text: "Stopped. The output is not the complete file.", exit: api.ExitInterrupted, cause: context.Cause(ctx)}
			}
			return err
		})
	})
	if ferr := out.flush(); err == nil {
		err = ferr
	}
	return err
}

// eachFile visits the file of a PATH, or the files that match a pattern. Folders
// that match are left out.
func eachFile(ctx context.Context, from storage, t target, visit func(api.Path) error) error {
	if t.IsRoot() {
		return usagef("Name a file, like bucket/folder/file.")
	}
	if !t.pattern {
		if file, err := isFile(ctx, from, t.Path); err != nil {
			return err
		} else if !file {
			return usagef("%s is a folder. This command takes files; a pattern like %s takes those of a folder.", safe(t.String()), shellQuote(t.String()+"*"))
		}
		return visit(t.Path)
	}
	files := 0
	for m, err := range glob.Find(ctx, from, t.Bucket, t.Key) {
		if err != nil {
			return err
		}
		if m.Entry.Kind != api.KindObject {
			continue
		}
		files++
		if err := visit(api.Path{Bucket: t.Bucket, Key: m.Base + m.Entry.Name}); err != nil {
			return err
		}
	}
	if files == 0 {
		return &api.Error{Code: api.NotFound}
	}
	return nil
}

// storage lists folders and returns the facts of objects.
type storage interface {
	lister
	stater
}

// engine returns the configuration of an engine for a connection.
func (a *app) engine(ctx context.Context, conn connection) download.Config {
	return download.Config{
		Report: true, Now: a.Now, Values: ctx, Releaser: conn.client, Lister: conn.client,
		S3Hosts: conn.profile.Config.S3Hosts, AllowHTTP: ownMachine(conn.profile), Patience: patience, Wrap: a.traced(),
	}
}

// content is stdout for the content of files. A terminal gets escaped lines.
type content struct {
	to      io.Writer
	escapes bool
	keepCR  bool   // a carriage return at the end of a line is escaped too
	line    []byte // the unfinished line
}

func (a *app) contentWriter() *content { return &content{to: a.Out, escapes: a.OutTTY} }

// Write writes content. It keeps an unfinished line for a terminal.
func (c *content) Write(p []byte) (int, error) {
	if !c.escapes {
		return c.to.Write(p)
	}
	c.line = append(c.line, p...)
	for {
		i := bytes.IndexByte(c.line, '\n')
		if i < 0 && len(c.line) < 64<<10 {
			return len(p), nil
		}
		end := "\n"
		if i < 0 {
			i, end = len(c.line)-1, ""
		}
		if err := c.put(c.line[:i], end); err != nil {
			return 0, err
		}
		c.line = append(c.line[:0], c.line[i+1:]...)
	}
}

// put writes a line with its tabs.
func (c *content) put(line []byte, end string) error {
	if !c.keepCR {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	cells := bytes.Split(line, []byte("\t"))
	for i, cell := range cells {
		cells[i] = []byte(safe(string(cell)))
	}
	_, err := fmt.Fprintf(c.to, "%s%s", bytes.Join(cells, []byte("\t")), end)
	return err
}

// flush writes the unfinished line.
func (c *content) flush() error {
	if len(c.line) == 0 {
		return nil
	}
	line := c.line
	c.line = nil
	return c.put(line, "\n")
}

// head writes the beginning of files.
type head struct {
	*app
	paths   pathFlags
	version versionFlag
	lines   int
	bytes   string
}

// Bounds of head, in bytes.
const (
	firstPeek = 64 << 10
	mostPeek  = 256 << 20
)

func (a *app) headCommand() *cobra.Command {
	h := &head{app: a, lines: 10}
	cmd := &cobra.Command{
		Use:     "head PATH...",
		Short:   "Write the first lines or bytes of files to stdout",
		GroupID: "files",
		Long: `Write the first 10 lines of files to stdout, or as many as -n, or the first bytes with -c. Only the beginning is fetched, and the audit log records a preview. The content is not verified, because a checksum covers the whole file. On a terminal, control characters are escaped.

With several files, a line with the path is in front of each.`,
		Example: `
usher head company-reports/annual/audited/restated/why.md
usher head -n 1 'datasets/public/*.csv'
usher head -c 512 builds/README.md | od -c
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "head takes the PATHs of files."); err != nil {
				return err
			}
			if h.bytes != "" && cmd.Flags().Changed("lines") {
				return usagef("Use only one of -n and -c.")
			}
			return h.run(cmd.Context(), args)
		}),
	}
	h.paths.add(cmd, true)
	h.version.add(cmd)
	cmd.Flags().VarP(&countFlag{&h.lines, 1}, "lines", "n", "the first lines (10)")
	cmd.Flags().VarP(textFlag{&h.bytes, "size"}, "bytes", "c", "the first bytes, like 512 or 4k")
	return cmd
}

func (h *head) run(ctx context.Context, args []string) error {
	targets, err := h.paths.targets(args)
	if err == nil {
		err = h.version.check(targets)
	}
	if err != nil {
		return err
	}
	size := int64(0)
	if h.bytes != "" {
		if size, err = bytesOf(h.bytes); err != nil {
			return err
		}
		if size > mostPeek {
			return usagef("head writes up to %d MiB. For more: usher get -o - PATH", mostPeek>>20)
		}
	}
	conn, err := h.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	engine, err := download.New(h.engine(ctx, conn))
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	out, shown, titles := h.contentWriter(), 0, len(targets) > 1 || targets[0].pattern
	return h.eachPath(ctx, targets, func(t target) error {
		return eachFile(ctx, conn.client, t, func(p api.Path) error {
			begin, err := h.begin(ctx, engine, p, int(size))
			if err != nil {
				return err
			}
			if titles {
				if shown++; shown > 1 {
					fmt.Fprintln(h.Out)
				}
				fmt.Fprintf(h.Out, "==> %s <==\n", safe(p.String()))
			}
			if _, err := out.Write(begin); err != nil {
				return err
			}
			return out.flush()
		})
	})
}

// begin returns the beginning of a file: size bytes, or the lines. Lines of an
// unknown length are read in growing steps, each a preview of its own.
func (h *head) begin(ctx context.Context, engine *download.Engine, p api.Path, size int) ([]byte, error) {
	object := api.ReleaseObject{Bucket: p.Bucket, Key: p.Key, Version: h.version.id}
	if size > 0 {
		return engine.Peek(ctx, object, size)
	}
	for n := firstPeek; ; n *= 16 {
		raw, err := engine.Peek(ctx, object, min(n, mostPeek))
		if err != nil {
			return nil, err
		}
		end := 0
		for range h.lines {
			i := bytes.IndexByte(raw[end:], '\n')
			if i < 0 {
				end = -1
				break
			}
			end += i + 1
		}
		switch {
		case end >= 0:
			return raw[:end], nil
		case len(raw) < min(n, mostPeek): // the whole file
			return raw, nil
		case n >= mostPeek:
			return nil, usagef("The first %d lines of %s have more than %d MiB. For the whole file: usher cat PATH", h.lines, safe(p.String()), mostPeek>>20)
		}
	}
}
