package backend_test

import (
	"context"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/object"
)

// archived is a storage with archived objects only.
type archived struct{ backend.Objects }

func (f archived) Head(ctx context.Context, bucket, key, version, event string) (object.Facts, error) {
	facts, err := f.Objects.Head(ctx, bucket, key, version, event)
	facts.Archived = true
	return facts, err
}

// The server checks the object of a link before it signs, even with an ETag in
// the request: the client of a link checks nothing. An archived object has no
// URL, for links and downloads.
func TestObjectIsCheckedBeforeAURL(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/one.csv", "one")
	ada := w.SignIn(t, "ada")
	live, _ := rebuilt(t, w, time.Now, nil)
	archive, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Objects = archived{c.Objects} })
	item, err := releaseOne(t.Context(), at(t, ada, live), "company-reports", "annual/one.csv")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server, key, etag, purpose string
		want                       api.Code
	}{
		"a link":                              {live, "annual/one.csv", "", api.PurposeLink, ""},
		"a link to the listed content":        {live, "annual/one.csv", item.ETag, api.PurposeLink, ""},
		"a link to no object":                 {live, "annual/two.csv", "", api.PurposeLink, api.NotFound},
		"a link to no object, by an ETag":     {live, "annual/two.csv", item.ETag, api.PurposeLink, api.NotFound},
		"a link to other content":             {live, "annual/one.csv", `"00000000000000000000000000000000"`, api.PurposeLink, api.ObjectChanged},
		"a link into the archive":             {archive, "annual/one.csv", "", api.PurposeLink, api.ObjectArchived},
		"a link into the archive, by an ETag": {archive, "annual/one.csv", item.ETag, api.PurposeLink, api.ObjectArchived},
		"a download of an archived object":    {archive, "annual/one.csv", "", api.PurposeDownload, api.ObjectArchived},
		"a preview of an archived object":     {archive, "annual/one.csv", "", api.PurposePreview, api.ObjectArchived},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := at(t, ada, c.server).Release(t.Context(), api.ReleaseRequest{
				Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: c.key, ETag: c.etag}}, Purpose: c.purpose,
			})
			if err != nil {
				t.Fatal(err)
			}
			var code api.Code
			if out.Items[0].Error != nil {
				code = out.Items[0].Error.Code
			}
			if code != c.want || (out.Items[0].URL != "") != (c.want == "") {
				t.Errorf("%q and a URL: %v, want %q", code, out.Items[0].URL != "", c.want)
			}
		})
	}
}
