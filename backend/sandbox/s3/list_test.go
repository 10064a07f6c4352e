package s3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// listAll returns the decoded names of all pages, in listing order, and the number
// of pages.
func (r *rig) listAll(in *awss3.ListObjectsV2Input) (names []string, pages int) {
	r.t.Helper()
	in.Bucket = aws.String("box")
	in.EncodingType = types.EncodingTypeUrl
	for {
		out, err := r.client.ListObjectsV2(context.Background(), in)
		if err != nil {
			r.t.Fatal(err)
		}
		var page []string
		for _, o := range out.Contents {
			page = append(page, decoded(r.t, *o.Key))
		}
		for _, p := range out.CommonPrefixes {
			page = append(page, decoded(r.t, *p.Prefix))
		}
		if in.MaxKeys != nil && len(page) > int(*in.MaxKeys) || int(*out.KeyCount) != len(page) {
			r.t.Fatalf("a page of %d, KeyCount %d, for max-keys %v", len(page), *out.KeyCount, in.MaxKeys)
		}
		slices.Sort(page)
		names, pages = append(names, page...), pages+1
		if !*out.IsTruncated {
			if out.NextContinuationToken != nil {
				r.t.Fatal("the last page has a token")
			}
			return names, pages
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

func decoded(t testing.TB, s string) string {
	t.Helper()
	d, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *rig) seed(keys ...string) {
	r.t.Helper()
	for _, k := range keys {
		if err := r.srv.PutContent("box", k, Object{Content: memory(k)}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestListingPages(t *testing.T) {
	r := newRig(t)
	r.seed("a", "a/", "a/1", "a/2", "a-b", "b", "b/x/y", "b//z", "c/../d", "/lead", "file", "file/child", "new\nline", "t\x01", "ü", "x y+z", "zz/\xf4\x8f\xbf\xbf")
	cases := []struct {
		name string
		in   awss3.ListObjectsV2Input
		want []string
	}{
		{"flat", awss3.ListObjectsV2Input{}, []string{"/lead", "a", "a-b", "a/", "a/1", "a/2", "b", "b//z", "b/x/y", "c/../d", "file", "file/child", "new\nline", "t\x01", "x y+z", "zz/\xf4\x8f\xbf\xbf", "ü"}},
		{"folders", awss3.ListObjectsV2Input{Delimiter: aws.String("/")}, []string{"/", "a", "a-b", "a/", "b", "b/", "c/", "file", "file/", "new\nline", "t\x01", "x y+z", "zz/", "ü"}},
		{"in a folder", awss3.ListObjectsV2Input{Delimiter: aws.String("/"), Prefix: aws.String("a/")}, []string{"a/", "a/1", "a/2"}},
		{"empty segment", awss3.ListObjectsV2Input{Delimiter: aws.String("/"), Prefix: aws.String("b/")}, []string{"b//", "b/x/"}},
		{"prefix within a name", awss3.ListObjectsV2Input{Prefix: aws.String("fi")}, []string{"file", "file/child"}},
		{"start after a key", awss3.ListObjectsV2Input{StartAfter: aws.String("file")}, []string{"file/child", "new\nline", "t\x01", "x y+z", "zz/\xf4\x8f\xbf\xbf", "ü"}},
		// As in S3, a common prefix of start-after is omitted with all its keys.
		{"start after inside a folder", awss3.ListObjectsV2Input{Delimiter: aws.String("/"), StartAfter: aws.String("a/1")}, []string{"b", "b/", "c/", "file", "file/", "new\nline", "t\x01", "x y+z", "zz/", "ü"}},
		{"start before the prefix", awss3.ListObjectsV2Input{Prefix: aws.String("b/"), StartAfter: aws.String("a")}, []string{"b//z", "b/x/y"}},
		{"start after the prefix", awss3.ListObjectsV2Input{Prefix: aws.String("b/"), StartAfter: aws.String("c")}, nil},
		{"another delimiter", awss3.ListObjectsV2Input{Delimiter: aws.String("-"), Prefix: aws.String("a")}, []string{"a", "a-", "a/", "a/1", "a/2"}},
	}
	for _, c := range cases {
		for _, size := range []int32{1, 2, 5, 1000} {
			in := c.in
			in.MaxKeys = aws.Int32(size)
			got, pages := r.listAll(&in)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s in pages of %d: %q, want %q", c.name, size, got, c.want)
			}
			if want := max(1, (len(c.want)+int(size)-1)/int(size)); pages != want {
				t.Errorf("%s in pages of %d: %d pages, want %d", c.name, size, pages, want)
			}
		}
	}
}

// For random keys, the index returns the same listing as a naive implementation.
func TestListEqualsANaiveListing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		var x index
		keys := map[string]bool{}
		for range 1 + rnd.IntN(3000) {
			k := randomKey(rnd)
			if rnd.IntN(5) == 0 && keys[k] {
				if x.remove(k) == nil {
					t.Fatalf("%q was not found to remove", k)
				}
				delete(keys, k)
				continue
			}
			if old := x.put(&object{key: k}); (old != nil) != keys[k] {
				t.Fatalf("put %q replaced %v, want %v", k, old, keys[k])
			}
			keys[k] = true
		}
		if x.n != len(keys) {
			t.Fatalf("index counts %d of %d", x.n, len(keys))
		}
		for range 50 {
			prefix, after := randomKey(rnd)[:rnd.IntN(2)], ""
			if rnd.IntN(2) == 0 {
				after = randomKey(rnd)
			}
			delimiter := []string{"", "/", "a/"}[rnd.IntN(3)]
			limit := 1 + rnd.IntN(50)
			rows, more := x.list(prefix, delimiter, after, limit)
			want := naive(keys, prefix, delimiter, after)
			wantMore := len(want) > limit
			want = want[:min(limit, len(want))]
			var got []string
			for _, e := range rows {
				got = append(got, e.name())
			}
			if !slices.Equal(got, want) || more != wantMore {
				t.Fatalf("round %d: list(%q,%q,%q,%d) = %q %v, want %q %v", round, prefix, delimiter, after, limit, got, more, want, wantMore)
			}
		}
	}
}

func randomKey(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(5))
	for i := range b {
		b[i] = "ab/\xff"[r.IntN(4)]
	}
	return string(b)
}

func naive(keys map[string]bool, prefix, delimiter, after string) []string {
	found := map[string]bool{}
	for k := range keys {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		name := k
		if delimiter != "" {
			if i := strings.Index(rest, delimiter); i >= 0 {
				name = prefix + rest[:i+len(delimiter)]
			}
		}
		if name > after {
			found[name] = true
		}
	}
	var names []string
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func TestListingRefusals(t *testing.T) {
	r := newRig(t)
	r.seed("a", "b", "c")
	first := r.do(r.signed(raw{method: "GET", path: "/box", query: "list-type=2&max-keys=1"}))
	_, token, _ := strings.Cut(first.body, "<NextContinuationToken>")
	token, _, _ = strings.Cut(token, "<")
	if token == "" {
		t.Fatalf("no token: %s", first.body)
	}
	if err := r.srv.CreateBucket("other", r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	esc := url.QueryEscape(token)
	other := "A"
	if token[8] == 'A' {
		other = "B"
	}
	for name, c := range map[string]struct {
		path, query string
		want        int
		code        string
	}{
		"good token":            {"/box", "list-type=2&continuation-token=" + esc, 200, ""},
		"garbage token":         {"/box", "list-type=2&continuation-token=garbage", 400, "InvalidArgument"},
		"empty token":           {"/box", "list-type=2&continuation-token=", 400, "InvalidArgument"},
		"token changed":         {"/box", "list-type=2&continuation-token=" + url.QueryEscape(token[:8]+other+token[9:]), 400, "InvalidArgument"},
		"token's key":           {"/box", "list-type=2&continuation-token=YQ==", 400, "InvalidArgument"},
		"another prefix's":      {"/box", "list-type=2&prefix=b&continuation-token=" + esc, 400, "InvalidArgument"},
		"another bucket's":      {"/other", "list-type=2&continuation-token=" + esc, 400, "InvalidArgument"},
		"max-keys not a number": {"/box", "list-type=2&max-keys=x", 400, "InvalidArgument"},
		"max-keys negative":     {"/box", "list-type=2&max-keys=-1", 400, "InvalidArgument"},
		"encoding":              {"/box", "list-type=2&encoding-type=base64", 400, "InvalidArgument"},
		"no bucket":             {"/nobox", "list-type=2", 404, "NoSuchBucket"},
		"slash after bucket":    {"/box/", "list-type=2", 200, ""},
		"max-keys zero":         {"/box", "list-type=2&max-keys=0", 200, ""},
	} {
		a := r.do(r.signed(raw{method: "GET", path: c.path, query: c.query}))
		if a.StatusCode != c.want || a.code() != c.code {
			t.Errorf("%s: %s %s, want %d %s", name, a.Status, a.code(), c.want, c.code)
		}
	}
	zero := r.do(r.signed(raw{method: "GET", path: "/box", query: "list-type=2&max-keys=0"}))
	if !strings.Contains(zero.body, "<IsTruncated>false</IsTruncated>") || strings.Contains(zero.body, "<Contents>") {
		t.Errorf("max-keys=0: %s", zero.body)
	}
}

func TestListVersion1(t *testing.T) {
	r := newRig(t)
	r.seed("a", "d/1", "d/2", "e")
	in := &awss3.ListObjectsInput{Bucket: aws.String("box"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)}
	var got []string
	for {
		out, err := r.client.ListObjects(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			got = append(got, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
		if !*out.IsTruncated {
			break
		}
		in.Marker = out.NextMarker
	}
	if fmt.Sprint(got) != "[a d/ e]" {
		t.Errorf("%q", got)
	}
}

func BenchmarkListPage(b *testing.B) {
	r := newRig(b)
	for i := range 20_000 {
		r.seed(fmt.Sprintf("readings/%05d.csv", i))
	}
	q := r.signed(raw{method: "GET", path: "/box", query: "list-type=2&encoding-type=url&prefix=readings%2F&delimiter=%2F&start-after=readings%2F10000"})
	for b.Loop() {
		if a := r.do(q); a.StatusCode != 200 {
			b.Fatal(a.body)
		}
	}
}
