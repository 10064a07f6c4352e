package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/safetext"
)

// fromFlags read PATHs from a list.
type fromFlags struct {
	file string
	null bool
	base string
	set  string // the name of a set of marks
}

func (f *fromFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(textFlag{&f.file, "file"}, "from", "download the paths of this list, one a line, as usher prints them; - for stdin")
	flags.BoolVarP(&f.null, "null", "0", false, "the paths of --from are raw and end in NUL")
	flags.Var(textFlag{&f.set, "name"}, "set", "download the paths of this set of marks (usher marks)")
	flags.Var(textFlag{&f.base, "path"}, "base", "keep the folders below this one (default with --from and --set: the longest common folder)")
}

// maxList is the greatest size of a list, in bytes.
const maxList = 1 << 30

// read returns the paths of the list. They are literal. With a folder, the lines
// are names below it.
func (f *fromFlags) read(ctx context.Context, stdin io.Reader, folder *api.Path) ([]target, error) {
	in, err := openInput(f.file, stdin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	return await(ctx, func() ([]target, error) { return f.parse(io.LimitReader(in, maxList+1), folder) })
}

func (f *fromFlags) parse(in io.Reader, folder *api.Path) (all []target, err error) {
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 64<<10)
	if f.null {
		scan.Split(untilNUL)
	}
	read := 0
	for n := 1; scan.Scan(); n++ {
		line := scan.Text()
		if read += len(line) + 1; read > maxList {
			return nil, usagef("The list is too long: usher reads up to 1 GiB.")
		}
		if line == "" {
			continue
		}
		if !f.null {
			if line, err = safetext.Unescape(line); err != nil {
				return nil, usagef("Line %d of the list, %s, is not a path as usher prints it. For raw paths that end in NUL, add -0.", n, safe(scan.Text()))
			}
		}
		t := api.Path{}
		if folder != nil {
			t = api.Path{Bucket: folder.Bucket, Key: folder.Key + line}
			_, err = api.ParsePath(t.String())
		} else {
			t, err = api.ParsePath(line)
		}
		if err == nil && t.IsRoot() {
			err = usagef("it names no bucket")
		}
		if err != nil {
			return nil, usagef("Line %d of the list: %s", n, explain(err).line)
		}
		all = append(all, target{Path: t})
	}
	if errors.Is(scan.Err(), bufio.ErrTooLong) {
		return nil, usagef("The list has a line of more than 64 KiB. With -0, paths end in NUL.")
	}
	return all, scan.Err()
}

// untilNUL splits at NUL characters.
func untilNUL(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// commonFolder returns the longest folder above all paths; the root if they are in
// several buckets.
func commonFolder(all []target) api.Path {
	if len(all) == 0 {
		return api.Path{}
	}
	common := above(all[0].Path)
	for _, t := range all[1:] {
		if t.Bucket != common.Bucket {
			return api.Path{}
		}
		for !strings.HasPrefix(above(t.Path).Key, common.Key) {
			common = common.Parent()
		}
	}
	return common
}

// above returns the folder that holds a path. That of a bucket is the bucket.
func above(t api.Path) api.Path {
	if t.Key == "" {
		return t
	}
	return t.Parent()
}

// baseOf parses --base and checks that it is above all paths.
// Without --base, --from and --set there is none.
func (f *fromFlags) baseOf(all []target) (*api.Path, error) {
	if f.base == "" {
		if f.file == "" && f.set == "" {
			return nil, nil
		}
		base := commonFolder(all)
		return &base, nil
	}
	base, err := api.ParsePath(f.base)
	if err != nil {
		return nil, err
	}
	if base.Key != "" && !base.IsFolder() {
		base.Key += "/"
	}
	for _, t := range all {
		if !base.IsRoot() && (t.Bucket != base.Bucket || !strings.HasPrefix(t.Key, base.Key)) {
			return nil, usagef("%s is not below the folder of --base, %s.", safe(t.String()), safe(base.String()))
		}
	}
	return &base, nil
}
