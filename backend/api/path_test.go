package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usher/backend/api"
	"usher/backend/api/shape"
)

func ExamplePath() {
	p, err := api.ParsePath("s3://company-reports/annual/audited/letter.pdf")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p)
	fmt.Println(p.Bucket, p.Base(), p.Parent(), p.Parent().Parent(), p.IsFolder(), p.Parent().IsFolder())
	fmt.Println(p.Parent().Join("notes.txt"))
	// Output:
	// company-reports/annual/audited/letter.pdf
	// company-reports letter.pdf company-reports/annual/audited/ company-reports/annual/ false true
	// company-reports/annual/audited/notes.txt
}

func TestParsePath(t *testing.T) {
	for text, want := range map[string]api.Path{
		"": {}, "/": {}, "s3://": {},
		"builds":                           {Bucket: "builds"},
		"builds/":                          {Bucket: "builds"},
		"builds//":                         {Bucket: "builds", Key: "/"},
		"builds/a//b":                      {Bucket: "builds", Key: "a//b"},
		"builds/a/../b":                    {Bucket: "builds", Key: "a/../b"},
		"builds/./%2e%2e/":                 {Bucket: "builds", Key: "./%2e%2e/"},
		"builds/ x ":                       {Bucket: "builds", Key: " x "},
		"builds/http://x":                  {Bucket: "builds", Key: "http://x"},
		"builds/arn:aws:s3:::b/k":          {Bucket: "builds", Key: "arn:aws:s3:::b/k"},
		"/builds/a":                        {Bucket: "builds", Key: "a"},
		"/builds//a":                       {Bucket: "builds", Key: "/a"},
		"s3://builds":                      {Bucket: "builds"},
		"S3://builds/a/b/":                 {Bucket: "builds", Key: "a/b/"},
		"s3://builds//a":                   {Bucket: "builds", Key: "/a"},
		"arn:aws:s3:::builds":              {Bucket: "builds"},
		"arn:aws:s3:::builds/a:b/c":        {Bucket: "builds", Key: "a:b/c"},
		"arn:aws-cn:s3:::builds/a":         {Bucket: "builds", Key: "a"},
		"arn:aws-us-gov:s3:::builds/**/*":  {Bucket: "builds", Key: "**/*"},
		"my.bucket-1/x":                    {Bucket: "my.bucket-1", Key: "x"},
		"b12/" + strings.Repeat("k", 1024): {Bucket: "b12", Key: strings.Repeat("k", 1024)},
	} {
		t.Run(text[:min(len(text), 40)], func(t *testing.T) {
			if got, err := api.ParsePath(text); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// A text that is not a path is refused with the reason and exit code 64.
func TestParsePathRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"./x": "a file on this machine", "../x/y": "a file on this machine", ".": "a file on this machine",
		"~/x": "a file on this machine", `C:\x`: "a file on this machine",
		"Bad Name/x": "lowercase letters", "Builds/x": "lowercase letters", "a_b_c/x": "lowercase letters",
		"ab/x": "3 to 63", strings.Repeat("a", 64) + "/x": "3 to 63",
		"-abc/x": "begins and ends", "abc-/x": "begins and ends", ".abc/x": "begins and ends",
		"a..b/x": "two dots", "192.168.5.4/x": "IP address",
		"xn--abc/x": "begin with xn--", "abc-s3alias/x": "end in -s3alias",
		"bu*/x": "a wildcard in the bucket's name", "s3://[ab]cd/x": "a wildcard in the bucket's name",
		"//": "no bucket", "//x": "no bucket", "s3:///x": "no bucket", "arn:aws:s3:::/x": "no bucket", "arn:aws:s3:::": "no bucket",
		"arn:aws:s3:eu-west-1:123456789012:accesspoint/x": "ARN of another kind",
		"arn:aws:iam::123456789012:user/x":                "not the ARN",
		"https://b.s3.amazonaws.com/k":                    "an address",
		"builds/\xff":                                     "UTF-8", "builds/a\x00b": "NUL",
		"builds/" + strings.Repeat("x", api.MaxKey+1): "at most 1024 bytes",
	} {
		t.Run(reason, func(t *testing.T) {
			_, err := api.ParsePath(text)
			var refused *api.PathError
			if !errors.As(err, &refused) || refused.Exit() != api.ExitUsage || !strings.Contains(err.Error(), reason) {
				t.Errorf("%q: %v", text, err)
			}
		})
	}
	if _, err := api.ParsePath("B\x1b[2J/x"); strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

// String and ParsePath are inverse, and so are Join and the pair of Parent and
// Base.
func TestPathReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := api.Path{
			Bucket: rapid.StringMatching(`[a-z][a-z0-9-]{1,8}[a-z0-9]`).Filter(func(s string) bool { return shape.BucketProblem(s) == "" }).Draw(t, "bucket"),
			Key:    rapid.StringMatching(`[a./ :*]{0,12}`).Draw(t, "key"),
		}
		if got, err := api.ParsePath(p.String()); err != nil || got != p {
			t.Fatalf("%q reads as %+v, %v", p.String(), got, err)
		}
		name := p.Base()
		if p.IsFolder() {
			name += "/"
		}
		if got := p.Parent().Join(name); got != p {
			t.Fatalf("%q and %q make %q", p.Parent(), name, got)
		}
		if !p.Parent().IsFolder() {
			t.Fatalf("the parent of %q is %q", p, p.Parent())
		}
	})
}

// Only an empty object is a folder marker.
func TestIsMarker(t *testing.T) {
	folder, file := api.Path{Bucket: "abc", Key: "x/"}, api.Path{Bucket: "abc", Key: "x"}
	for _, c := range []struct {
		path api.Path
		size int64
		want bool
	}{{folder, 0, true}, {folder, 1, false}, {file, 0, false}, {api.Path{Bucket: "abc"}, 0, false}} {
		if got := c.path.IsMarker(c.size); got != c.want {
			t.Errorf("%q of %d bytes: %v", c.path, c.size, got)
		}
	}
}
