package object_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/backend/object"
	"usher/backend/object/objecttest"
)

// A page of versions has the rows of exactly one key, and a storage that does not
// advance is refused.
func TestVersions(t *testing.T) {
	row := func(kind, key, id, latest string) string {
		return fmt.Sprintf(`<%s><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%s</IsLatest><LastModified>2026-11-20T10:00:00.000Z</LastModified><ETag>"a"</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></%[1]s>`, kind, key, id, latest)
	}
	page := func(truncated, nextKey, nextID string, rows ...string) string {
		return `<?xml version="1.0"?><ListVersionsResult><Name>lab</Name><Prefix>k</Prefix><EncodingType>url</EncodingType><IsTruncated>` + truncated +
			`</IsTruncated><NextKeyMarker>` + nextKey + `</NextKeyMarker><NextVersionIdMarker>` + nextID + `</NextVersionIdMarker>` + strings.Join(rows, "") + `</ListVersionsResult>`
	}
	for name, c := range map[string]struct {
		page, after, want string
		err               error
	}{
		"versions and markers in their order": {page("false", "", "", row("DeleteMarker", "k", "m1", "true"), row("Version", "k", "v2", "false"), row("DeleteMarker", "k", "m0", "false"), row("Version", "k", "v1", "false")), "", "m1* v2:7 m0 v1:7", nil},
		"longer names":                        {page("true", "k2", "x", row("Version", "k", "v1", "true"), row("Version", "k%20b", "v9", "true")), "", "v1*:7", nil},
		"an id that is no text":               {page("false", "", "", row("Version", "k", "v 1", "true"), row("Version", "k", "v0", "false")), "", "v0:7", nil},
		"another page":                        {page("true", "k", "v1", row("Version", "k", "v1", "true")), "", "v1*:7 >v1", nil},
		"the same marker":                     {page("true", "k", "v1", row("Version", "k", "v1", "true")), "v1", "", object.ErrUnavailable},
		"truncated, no marker":                {page("true", "k", "", row("Version", "k", "v1", "true")), "", "", object.ErrUnavailable},
		"no version":                          {page("false", "", ""), "", "", object.ErrAbsent},
		"only longer names":                   {page("false", "", "", row("Version", "k2", "v1", "true")), "", "", object.ErrAbsent},
		"neither true nor false":              {page("maybe", "", "", row("Version", "k", "v1", "true")), "", "", object.ErrUnavailable},
		"a page of another call":              {`<ListBucketResult></ListBucketResult>`, "", "", object.ErrUnavailable},
		"an unreadable page":                  {`<ListVersionsResult>`, "", "", object.ErrUnavailable},
		"a size that is no size":              {strings.Replace(page("false", "", "", row("Version", "k", "v1", "true")), "<Size>7", "<Size>seven", 1), "", "v1*:0", nil},
		"a page without an error":             {"", "", "", object.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if !q.Has("versions") || q.Get("prefix") != "k" || q.Get("x-usher-event") != "01EVENT" || q.Get("version-id-marker") != c.after {
					t.Errorf("the request %s", r.URL)
				}
				fmt.Fprint(w, c.page)
			}))
			defer server.Close()
			s, _ := store(t, &objecttest.Storage{URL: server.URL}, 0)
			got, err := s.Versions(t.Context(), object.VersionsQuery{Bucket: "lab", Key: "k", After: c.after, Limit: 10, Event: "01EVENT"})
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("%+v, %v", got, err)
			}
			var text []string
			for _, v := range got.Versions {
				line := v.ID
				if v.Latest {
					line += "*"
				}
				if !v.Deleted {
					line += fmt.Sprint(":", v.Size)
				}
				text = append(text, line)
			}
			if got.Next != "" {
				text = append(text, ">"+got.Next)
			}
			if strings.Join(text, " ") != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
		})
	}
}
