package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"usher/backend/api"
	"usher/client/quantity"
)

// counting is a lister that counts the names that the server leaves out because
// they are not valid keys.
type counting struct {
	from lister

	mu      sync.Mutex
	folders map[api.Path]int
}

func (c *counting) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	page, err := c.from.List(ctx, req)
	if err == nil {
		c.add(api.Path{Bucket: req.Bucket, Key: req.Prefix}, page.Omitted)
	}
	return page, err
}

// add counts names that were left out of a folder.
func (c *counting) add(folder api.Path, names int) {
	if names == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.folders == nil {
		c.folders = map[api.Path]int{}
	}
	c.folders[folder] += names
}

// uncounted returns the lister for names that a command looks up and does not
// show.
func uncounted(l lister) lister {
	if c, ok := l.(*counting); ok {
		return c.from
	}
	return l
}

// omittedError is the result of a command whose listings had omitted names.
type omittedError struct {
	names int
	where []string // folders, sorted
}

func (e *omittedError) Error() string {
	in, be := safe(e.where[0]), "are not valid object keys and are"
	if more := len(e.where) - 1; more > 0 {
		in += " and " + quantity.Plural(more, "other folder", "other folders")
	}
	if e.names == 1 {
		be = "is not a valid object key and is"
	}
	return fmt.Sprintf("%s in %s %s left out. Tell your administrator.", quantity.Plural(e.names, "name", "names"), in, be)
}

// errOmitted is the kind of an omittedError. Compare with errors.Is.
var errOmitted = errors.New("names were left out")

func (e *omittedError) Is(target error) bool { return target == errOmitted }

func (e *omittedError) Exit() int { return api.ExitMixed }

// err returns an omittedError, or nil if no name was left out.
func (c *counting) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.folders) == 0 {
		return nil
	}
	e := &omittedError{}
	for at, n := range c.folders {
		e.names += n
		e.where = append(e.where, at.String())
	}
	slices.SortFunc(e.where, strings.Compare)
	return e
}

// withOmitted adds the names that were left out to the result of a command. After
// another failure they are a line of their own.
func (a *app) withOmitted(err error, c *counting) error {
	left := c.err()
	switch {
	case left == nil:
		return err
	case err == nil:
		return left
	}
	a.noteOmitted(left)
	return err
}

// noteOmitted prints the names that were left out on stderr.
func (a *app) noteOmitted(left error) {
	f := explain(left)
	if a.jsonErrors() {
		a.writeJSON(a.Err, warningLine{f})
		return
	}
	fmt.Fprintf(a.Err, "usher: %s\n", f.line)
}

// warningLine is a line of JSON output.
type warningLine struct {
	Warning failure `json:"warning"`
}
