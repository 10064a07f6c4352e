package cli

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"usher/backend/api"
	"usher/backend/safetext"
	localname "usher/client/download/name"
	"usher/client/download/part"
	"usher/client/download/verify"
	"usher/client/proof"
	"usher/client/quantity"
)

// sum prints checksums of objects, and compares them with local files.
type sum struct {
	*app
	paths pathFlags
	sel   selectFlags
	check string
	used  map[string]string // local names so far → path of the object; nil: one PATH, whose names differ
}

func (a *app) sumCommand() *cobra.Command {
	s := &sum{app: a}
	cmd := &cobra.Command{
		Use:     "sum PATH...",
		Short:   "Print checksums, or compare them with local files",
		GroupID: "files",
		Long: `Print the checksums that S3 stores, without a download. Where S3 has a SHA-256 of the whole file, the line is that of sha256sum: HEX  NAME. Otherwise it is ALGORITHM:HEX  NAME, like crc64nvme:3cf4a8f1d2b09e67  NAME; "-COUNT/SIZE" follows for the checksum of an object in parts. A file without a checksum has size:BYTES. Names are the local names that get gives to the files: of two files with one name the second is "name (1)".

--check FILE reads such lines, or those of sha256sum, and compares local files with them, without the server. It prints NAME: OK or NAME: FAILED, and ends with code 5 if any file differs.

With --json each line is {"path","name","size","sum"}; with --check {"name","ok","reason"}.`,
		Example: `
usher sum company-reports/annual/audited/restated/why.md

# A downloaded folder, compared with S3
usher get builds/logs/ -o out
usher sum builds/logs/ > SUMS
cd out && usher sum --check ../SUMS
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if s.check != "" {
				if err := checkArgs(cmd, args, 0, 0, "sum --check takes no PATH."); err != nil {
					return err
				}
				return s.compare(cmd.Context())
			}
			if err := checkArgs(cmd, args, 1, -1, "sum takes the PATHs of files or folders."); err != nil {
				return err
			}
			return s.run(cmd.Context(), args)
		}),
	}
	s.paths.add(cmd, true)
	s.sel.add(cmd)
	cmd.Flags().Var(textFlag{&s.check, "file"}, "check", "compare local files with the lines of this file; - for stdin")
	return cmd
}

// sumLine is one line of sum --json.
type sumLine struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  string `json:"sum"`
}

const sumCalls = 16 // concurrent calls

func (s *sum) run(ctx context.Context, args []string) error {
	targets, err := s.paths.targets(args)
	if err != nil {
		return err
	}
	sel, err := s.sel.selection(s.Now())
	if err != nil {
		return err
	}
	conn, err := s.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	if len(targets) > 1 {
		s.used = map[string]string{}
	}
	from := &counting{from: conn.client}
	o := &objects{from: from, stat: conn.client, sel: sel, recursive: true}
	err = s.eachPath(ctx, targets, func(t target) error {
		if !t.IsFolder() && !t.pattern && sel.Empty() { // a file, without a listing
			if line, err := s.line(ctx, conn.client, t.Path, ""); err == nil {
				line.Name = s.name(t.Path, t.Base())
				s.print(line)
				return s.unwritten()
			} else if !errors.Is(err, &api.Error{Code: api.NotFound}) {
				return err
			}
		}
		return s.below(ctx, conn.client, o, t)
	})
	return s.withOmitted(err, from)
}

// below prints the checksums of a folder or a pattern, in the order of the names.
func (s *sum) below(ctx context.Context, from stater, o *objects, t target) error {
	lead := ""
	if !t.pattern && t.Key != "" {
		lead = t.Base() + "/" // as get creates it
	}
	type pending chan sumLine
	order := make(chan pending, 4*sumCalls)
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(sumCalls + 2)
	calls.Go(func() error { // prints
		for line := range order {
			select {
			case l, ok := <-line:
				if !ok {
					return nil
				}
				s.print(l)
				if err := s.unwritten(); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	err := o.each(ctx, t, func(f found) error {
		if !f.object() {
			return nil
		}
		line := make(pending, 1)
		select {
		case order <- line:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		name := lead + f.entry.Name
		if f.at.Key+f.entry.Name == t.Key { // the PATH is this file
			name = f.entry.Name
		}
		name = s.name(f.path(), name)
		calls.Go(func() error {
			l, err := s.line(ctx, from, f.path(), name)
			if err != nil {
				return err
			}
			line <- l
			return nil
		})
		return nil
	})
	close(order)
	if werr := calls.Wait(); werr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = werr
	}
	return err
}

// name returns the local name that get gives to an object; key is the part of its key
// that becomes the name. It is called in the order of the
// files.
func (s *sum) name(object api.Path, key string) string {
	local := localname.Local(key)
	if s.used == nil {
		return local
	}
	dir, last := path.Split(local)
	for n := 1; s.used[local] != "" && s.used[local] != object.String(); n++ {
		local = dir + part.Numbered(last, n)
	}
	s.used[local] = object.String()
	return local
}

// line returns the checksum of one object, for a local name.
func (s *sum) line(ctx context.Context, from stater, p api.Path, name string) (sumLine, error) {
	f, err := from.Stat(ctx, statOf(p))
	if err != nil {
		return sumLine{}, err
	}
	l := sumLine{Path: p.String(), Name: name, Size: f.Size, Sum: sumOf(f.Checksum, f.Parts)}
	if l.Sum == "" {
		l.Sum = fmt.Sprintf("size:%d", f.Size)
	}
	if digits, ok := strings.CutPrefix(l.Sum, "sha256:"); ok && !strings.Contains(l.Sum, "-") {
		l.Sum = digits
	}
	return l, nil
}

func (s *sum) print(l sumLine) {
	if s.json {
		s.writeJSON(s.Out, l)
		return
	}
	fmt.Fprintf(s.Out, "%s  %s\n", l.Sum, safe(l.Name))
}

// compared is one line of sum --check --json.
type compared struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// compare implements --check.
func (s *sum) compare(ctx context.Context) error {
	in, err := openInput(s.check, s.In)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	checked, wrong := 0, 0
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 64<<10)
	for n := 1; scan.Scan(); n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if scan.Text() == "" {
			continue
		}
		want, name, err := parseSum(scan.Text())
		if err != nil {
			return usagef("Line %d of %s is not a line of usher sum or sha256sum: %s.", n, safe(s.check), err.Error())
		}
		checked++
		reason := want.compare(name)
		if reason != "" {
			wrong++
		}
		s.printCompared(compared{Name: name, OK: reason == "", Reason: reason}, want)
		if err := s.unwritten(); err != nil {
			return err
		}
	}
	switch {
	case scan.Err() != nil:
		return scan.Err()
	case checked == 0:
		return usagef("%s has no checksum.", safe(s.check))
	case wrong > 0:
		differ := "differ"
		if wrong == 1 {
			differ = "differs"
		}
		return &failedError{text: fmt.Sprintf("%s of %s %s.", quantity.Count(wrong), quantity.Plural(checked, "file", "files"), differ), exit: api.ExitIntegrity}
	}
	return nil
}

func (s *sum) printCompared(c compared, want expected) {
	switch {
	case s.json:
		s.writeJSON(s.Out, c)
	case !c.OK:
		fmt.Fprintf(s.Out, "%s: FAILED (%s)\n", safe(c.Name), safe(c.Reason))
	case want.sum == nil && !s.quiet:
		fmt.Fprintf(s.Out, "%s: OK (size only)\n", safe(c.Name))
	case !s.quiet:
		fmt.Fprintf(s.Out, "%s: OK\n", safe(c.Name))
	}
}

// expected is the checksum of a line.
type expected struct {
	sum   *api.Checksum // nil: the size alone
	parts *api.Parts
	size  int64 // -1: unknown
}

// parseSum parses a line of sum or of sha256sum. SPEC: GNU coreutils, "md5sum
// invocation": two spaces, or a space and an asterisk, before the name.
func parseSum(line string) (expected, string, error) {
	token, name, ok := strings.Cut(line, " ")
	if !ok || len(name) < 2 || name[0] != ' ' && name[0] != '*' {
		return expected{}, "", errors.New("two spaces separate a checksum from its name")
	}
	name, err := safetext.Unescape(name[1:])
	if err != nil {
		return expected{}, "", errors.New("its name is not as usher prints it")
	}
	algorithm, value, tagged := strings.Cut(token, ":")
	if !tagged {
		algorithm, value = map[int]string{64: "sha256", 40: "sha1", 32: "md5"}[len(token)], token
	}
	if algorithm == "size" {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return expected{}, "", errors.New("its size is not a number")
		}
		return expected{size: n}, name, nil
	}
	digits, parts, composite := strings.Cut(value, "-")
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) == 0 || algorithm == "" {
		return expected{}, "", errors.New("its checksum is not hexadecimal, or of an unknown kind")
	}
	e := expected{size: -1, sum: &api.Checksum{Algorithm: strings.ToUpper(algorithm), Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(raw)}}
	if composite {
		var p api.Parts
		if n, err := fmt.Sscanf(parts, "%d/%d", &p.Count, &p.Size); n != 2 || err != nil || p.Count < 1 || p.Size < 1 {
			return expected{}, "", errors.New("its parts are not COUNT/SIZE")
		}
		e.parts, e.sum.Type = &p, "COMPOSITE"
		e.sum.Value += fmt.Sprintf("-%d", p.Count)
	}
	if c, err := verify.Expect(e.sum, e.parts, 0); err != nil || c.None() {
		return expected{}, "", errors.New("its checksum is of an unknown kind")
	}
	return e, name, nil
}

// compare returns the reason why a local file differs, or "".
func (e expected) compare(name string) string {
	if !filepath.IsLocal(filepath.FromSlash(name)) && !filepath.IsAbs(name) {
		return "its name leaves the current folder"
	}
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return reasonOf(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return reasonOf(err)
	case !info.Mode().IsRegular():
		return "it is not a file"
	case e.sum == nil && info.Size() != e.size:
		return fmt.Sprintf("it has %d bytes instead of %d", info.Size(), e.size)
	case e.sum == nil:
		return ""
	}
	check, err := verify.Expect(e.sum, e.parts, info.Size())
	if err != nil {
		return err.Error()
	}
	same, err := check.MatchesReader(f, info.Size())
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return reasonOf(err)
	case !same:
		return "its content differs"
	}
	return ""
}

// reasonOf returns the reason of a failed access to a file, without its path.
func reasonOf(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}
