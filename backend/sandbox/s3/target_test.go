package s3

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The canonical form of a target parses to the same target. Different targets have
// different canonical forms.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/b/k", "/b//k", "//b/k", "/b/a/../c", "/b/%2e%2e/x", "/b/a%2Fb", "/b/a+b?x=1+2&x=%2B", "/b?list-type=2&prefix=a%26b", "/b/k?&&=&a&a=", "/b/k?a;b=c", "http://h/b/k?x", "http://h?x", "*", "/%", "/b/\xff?\xff=%00"} {
		f.Add(s, "/b/k")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := canonicalTarget(t, a)
		y, ok2 := canonicalTarget(t, b)
		if ok && ok2 && (x.text == y.text) != x.same(y) {
			t.Fatalf("%q and %q: canonical %q and %q", a, b, x.text, y.text)
		}
	})
}

type canonical struct {
	target
	text string
}

func (c canonical) same(d canonical) bool {
	sorted := func(p params) params {
		p = slices.Clone(p)
		slices.SortFunc(p, func(a, b param) int {
			if n := strings.Compare(a.name, b.name); n != 0 {
				return n
			}
			return strings.Compare(a.value, b.value)
		})
		return p
	}
	return c.path == d.path && slices.Equal(sorted(c.query), sorted(d.query))
}

func canonicalTarget(t *testing.T, uri string) (canonical, bool) {
	t.Helper()
	g, err := parseTarget(&http.Request{RequestURI: uri})
	if err != nil {
		return canonical{}, false
	}
	form := func(g target) string {
		return string(uriEncode(nil, g.path, true)) + "?" + string(canonicalQuery(nil, g.query, false))
	}
	c := canonical{g, form(g)}
	again, err := parseTarget(&http.Request{RequestURI: c.text})
	if err != nil || form(again) != c.text || again.bucket != g.bucket || again.key != g.key {
		t.Fatalf("%q has the canonical form %q, which parses as %q (%v)", uri, c.text, form(again), err)
	}
	if strings.Trim(strings.ReplaceAll(g.path, "/", ""), "") != "" && again.path != g.path {
		t.Fatalf("%q: path %q became %q", uri, g.path, again.path)
	}
	return c, true
}

// Clients' form decoding reverses the list encoding.
func FuzzListEncode(f *testing.F) {
	f.Add("a b+c/ü~*\x00\n%41")
	f.Fuzz(func(t *testing.T, s string) {
		e := listEncode(s)
		if d, err := url.QueryUnescape(e); err != nil || d != s {
			t.Fatalf("%q encodes to %q, which is %q (%v)", s, e, d, err)
		}
	})
}
