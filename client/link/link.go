// Package link makes download links that any browser or curl can use. The command
// usher url and the copy menu of the browser share it.
//
// The server decides and records each link under the caller's name before it signs
// it. A link is a secret until it expires: only URL and Curl return it, and no other
// method prints it.
package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	localname "usher/client/download/name"
	"usher/client/download/ticket"
)

// Server releases URLs (*client.Client).
type Server interface {
	Release(context.Context, api.ReleaseRequest) (api.ReleaseResponse, error)
}

// Config is the input of New. All fields are required.
type Config struct {
	Server Server
	Check  *ticket.Checker
	Now    func() time.Time
}

// Maker makes links. See New.
type Maker struct{ Config }

// New returns a Maker, or an error that names the missing part.
func New(c Config) (*Maker, error) {
	switch {
	case c.Server == nil:
		return nil, errors.New("link: no server")
	case c.Check == nil:
		return nil, errors.New("link: no check of URLs")
	case c.Now == nil:
		return nil, errors.New("link: no clock")
	}
	return &Maker{c}, nil
}

// Object is an object, or one version of it.
type Object struct {
	Path    api.Path
	Version string // "": the current one
}

// Link is a URL of one object, or the reason that there is none.
type Link struct {
	Path  api.Path
	Life  int    // seconds from the response
	Event string // of the release, in the audit log
	Err   error  // the URL is "" then
	url   string
}

// String returns a text without the URL, so that no log contains it.
func (l Link) String() string { return "download link of " + safetext.Line(l.Path.String()) }

// GoString returns String, for %#v.
func (l Link) GoString() string { return l.String() }

// URL returns the secret address.
func (l Link) URL() string { return l.url }

// Curl returns a command that downloads the object into the current folder, under
// its local name.
func (l Link) Curl() string {
	name, flags := localname.Local(l.Path.Base()), ""
	if strings.Contains(name, "/") { // a name that is too long for a file system is split into folders
		flags = " --create-dirs"
	}
	// --path-as-is: curl would resolve dots in a key.
	return fmt.Sprintf("curl --fail --path-as-is%s --output %s %s", flags, Quote("./"+name), Quote(l.url))
}

// Make requests a link for each object, in the same order. A refused object has its
// error in the link. The error of Make is one of a whole request.
func (m *Maker) Make(ctx context.Context, objects ...Object) ([]Link, error) {
	var out []Link
	for len(objects) > 0 {
		n := min(len(objects), api.MaxRelease)
		links, err := m.batch(ctx, objects[:n])
		if err != nil {
			return out, err
		}
		out, objects = append(out, links...), objects[n:]
	}
	return out, nil
}

func (m *Maker) batch(ctx context.Context, objects []Object) ([]Link, error) {
	req := api.ReleaseRequest{Purpose: api.PurposeLink}
	for _, o := range objects {
		req.Objects = append(req.Objects, api.ReleaseObject{Bucket: o.Path.Bucket, Key: o.Path.Key, Version: o.Version})
	}
	requested := m.Now()
	answer, err := m.Server.Release(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(answer.Items) != len(objects) {
		return nil, fmt.Errorf("link: %d items in the response for %d objects", len(answer.Items), len(objects))
	}
	out := make([]Link, len(objects))
	for i, o := range objects {
		out[i] = m.link(o.Path, req.Objects[i], answer.Items[i], answer.RequestID, requested)
	}
	return out, nil
}

func (m *Maker) link(p api.Path, object api.ReleaseObject, item api.ReleaseItem, request string, requested time.Time) Link {
	if item.Error != nil {
		return Link{Path: p, Err: &api.Error{Code: item.Error.Code, RequestID: request}}
	}
	if _, err := m.Check.Check(object, item, requested); err != nil {
		return Link{Path: p, Err: err}
	}
	return Link{Path: p, Life: item.Life, Event: item.Event, url: item.URL}
}

// Quote quotes a word for a POSIX shell. Unprintable text is escaped, and a shell
// cannot read it back.
func Quote(s string) string {
	s = safetext.Line(s)
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
