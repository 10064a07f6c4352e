package link_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
	"usher/client/link"
)

const signature = "5ec4e7"

// storage releases a URL of host for each object but those whose key begins with "no".
type storage struct {
	host     string
	short    bool // one item too few
	requests [][]api.ReleaseObject
	purposes []string
}

func (s *storage) Release(_ context.Context, r api.ReleaseRequest) (api.ReleaseResponse, error) {
	s.requests, s.purposes = append(s.requests, r.Objects), append(s.purposes, r.Purpose)
	out := api.ReleaseResponse{RequestID: "r-1"}
	for _, o := range r.Objects {
		if strings.HasPrefix(o.Key, "no") {
			out.Items = append(out.Items, api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}})
			continue
		}
		version := ""
		if o.Version != "" {
			version = "versionId=" + o.Version + "&"
		}
		out.Items = append(out.Items, api.ReleaseItem{Event: "e-" + o.Key, Life: 60,
			URL: "https://" + s.host + "/" + o.Bucket + "/" + (&url.URL{Path: o.Key}).EscapedPath() + "?" + version + "X-Amz-Expires=60&X-Amz-Signature=" + signature})
	}
	if s.short {
		out.Items = out.Items[1:]
	}
	return out, nil
}

func maker(t *testing.T, s *storage) *link.Maker {
	t.Helper()
	check, err := ticket.New(ticket.Config{Hosts: []string{"s3.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := link.New(link.Config{Server: s, Check: check, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Many paths need several requests. The links are in the order of the paths.
func TestLinksInBatches(t *testing.T) {
	s := &storage{host: "s3.example.com"}
	var objects []link.Object
	for i := range api.MaxRelease + 3 {
		objects = append(objects, link.Object{Path: api.Path{Bucket: "b", Key: fmt.Sprintf("f%d", i)}})
	}
	objects[1].Path.Key, objects[2].Version = "no", "v1"
	links, err := maker(t, s).Make(t.Context(), objects...)
	if err != nil || len(links) != len(objects) {
		t.Fatalf("%d links, %v", len(links), err)
	}
	for i, l := range links {
		if i == 1 {
			var refused *api.Error
			if !errors.As(l.Err, &refused) || refused.Code != api.NotFound || refused.RequestID != "r-1" || l.URL() != "" {
				t.Errorf("the refused path: %v, %q", l.Err, l.URL())
			}
			continue
		}
		if l.Err != nil || l.Path != objects[i].Path || l.Event != "e-"+l.Path.Key || l.Life != 60 || !strings.Contains(l.URL(), "/"+l.Path.Key+"?") {
			t.Errorf("link %d: %v, %q, %v", i, l.Path, l.URL(), l.Err)
		}
	}
	if len(s.requests) != 2 || len(s.requests[0]) != api.MaxRelease || s.purposes[1] != api.PurposeLink || s.requests[0][2].Version != "v1" {
		t.Errorf("%d requests, purposes %q", len(s.requests), s.purposes)
	}
	s.short = true
	if _, err := maker(t, s).Make(t.Context(), objects...); err == nil {
		t.Error("a response with an item too few gives links")
	}
}

// The URL of another host is not returned.
func TestALinkIsChecked(t *testing.T) {
	links, err := maker(t, &storage{host: "evil.example.com"}).Make(t.Context(), link.Object{Path: api.Path{Bucket: "b", Key: "k"}})
	if err != nil || len(links) != 1 {
		t.Fatalf("%v, %v", links, err)
	}
	if !errors.Is(links[0].Err, ticket.ErrRefused) || links[0].URL() != "" {
		t.Errorf("%v, %q", links[0].Err, links[0].URL())
	}
}

// A curl command writes into the current folder, below no other name, and a shell
// reads it as one command.
func TestCurl(t *testing.T) {
	m := maker(t, &storage{host: "s3.example.com"})
	for key, want := range map[string]string{
		"a/report.pdf":                  "--output ./report.pdf ",
		"a/it's.pdf":                    `--output './it'\''s.pdf' `,
		"a/$(touch x)":                  "--output './$(touch x)' ",
		"a/-o":                          "--output ./-o ",
		"a/" + strings.Repeat("x", 700): "--create-dirs --output ./x",
	} {
		links, err := m.Make(t.Context(), link.Object{Path: api.Path{Bucket: "b", Key: key}})
		if err != nil {
			t.Fatal(err)
		}
		if links[0].Err != nil || !strings.Contains(links[0].Curl(), want) || !strings.Contains(links[0].Curl(), signature) {
			t.Errorf("%s: %s, %v", key, links[0].Curl(), links[0].Err)
		}
	}
}

// No format verb prints the URL.
func TestALinkIsSecret(t *testing.T) {
	links, err := maker(t, &storage{host: "s3.example.com"}).Make(t.Context(), link.Object{Path: api.Path{Bucket: "b", Key: "k"}})
	if err != nil || links[0].URL() == "" {
		t.Fatal(links, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{links[0], &links[0], links} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, signature) {
				t.Errorf("%s of %T prints %s", verb, v, text)
			}
		}
	}
}
