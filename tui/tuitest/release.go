package tuitest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
	"usher/client/link"
)

// StorageHost is the host of the fake's URLs. Signature is in each of them.
const (
	StorageHost = "s3.example.com"
	Signature   = "5ec4e7"
)

// Release returns a URL for each visible object, and records its path.
func (s *Server) Release(ctx context.Context, r api.ReleaseRequest) (api.ReleaseResponse, error) {
	if err := s.begin(ctx); err != nil {
		return api.ReleaseResponse{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := api.ReleaseResponse{RequestID: "r-01JD9X5C8M"}
	for _, o := range r.Objects {
		path := o.Bucket + "/" + o.Key
		at, ok := s.objects[path]
		if !ok || s.gone(path) {
			out.Items = append(out.Items, api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}})
			continue
		}
		s.released = append(s.released, r.Purpose+" "+path)
		version := ""
		if o.Version != "" {
			version = "versionId=" + o.Version + "&"
		}
		out.Items = append(out.Items, api.ReleaseItem{Event: "e", Life: 60, ETag: `"` + etag(path) + `"`, Size: &at.Size,
			URL: "https://" + StorageHost + "/" + path + "?" + version + "X-Amz-Expires=60&X-Amz-Signature=" + Signature})
	}
	return out, nil
}

// Versions returns three versions of each visible object: the latest one, a deletion
// and an earlier one.
func (s *Server) Versions(ctx context.Context, r api.VersionsRequest) (api.VersionsResponse, error) {
	if err := s.begin(ctx); err != nil {
		return api.VersionsResponse{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.Bucket + "/" + r.Key
	o, ok := s.objects[path]
	if !ok || s.gone(path) {
		return api.VersionsResponse{}, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
	}
	deleted, first := o.Modified.Add(-time.Hour), o.Modified.AddDate(0, -1, 0)
	return api.VersionsResponse{Event: "e", Versions: []api.ObjectVersion{
		{Version: "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", Latest: true, Size: o.Size, Modified: &o.Modified, ETag: fmt.Sprintf("%q", etag(path))},
		{Version: "QUpfdndhfd8438MNFDN93jdnJFkdmqnh893", Deleted: true, Modified: &deleted},
		{Version: "UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH", Size: 1234, Modified: &first, ETag: `"old"`},
	}}, nil
}

// Released returns the purpose and the path of each release.
func (s *Server) Released() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.released)
}

// Links makes links with the server's releases.
func (s *Server) Links(ctx context.Context, objects ...link.Object) ([]link.Link, error) {
	check, err := ticket.New(ticket.Config{Hosts: []string{StorageHost}})
	if err != nil {
		return nil, err
	}
	maker, err := link.New(link.Config{Server: s, Check: check, Now: s.Now})
	if err != nil {
		return nil, err
	}
	return maker.Make(ctx, objects...)
}

// Become changes the person that the server describes.
func (s *Server) Become(user string) {
	s.locked(func() { s.Me.Person = api.Person{Sub: "sub-" + user, Username: user} })
}
