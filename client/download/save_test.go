package download

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/api"
)

// TestSave checks that Save writes in order, resumes after a closed connection,
// and returns an error for wrong bytes.
func TestSave(t *testing.T) {
	for _, sum := range []string{"CRC64NVME", "SHA256", "CRC32/5242880", ""} {
		w := newTestbed(t)
		o := w.put("b/k", random(1, 7<<20), sum)
		cut := w.closeAfter(1<<20, true)
		w.onGet = func(n int, o *object, rw http.ResponseWriter, r *http.Request) bool {
			return n <= 2 && cut(n, o, rw, r)
		}
		var out bytes.Buffer
		tr, err := Save(context.Background(), w.config(), Request{Bucket: "b", Key: "k"}, &out)
		if err != nil || tr.State != Done || !bytes.Equal(out.Bytes(), o.data) {
			t.Errorf("%s: %v, %d bytes", sum, err, out.Len())
		}
		if want := strings.ToLower(strings.Split(sum+"/", "/")[0]); tr.Verified != want && !(sum == "" && tr.Verified == "size") {
			t.Errorf("%s: verified %q", sum, tr.Verified)
		}
	}
	w := newTestbed(t)
	w.put("b/k", random(1, 70_000), "CRC64NVME")
	w.script(w.flipBit(5))
	if _, err := Save(context.Background(), w.config(), Request{Bucket: "b", Key: "k"}, &bytes.Buffer{}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("a flipped byte: %v", err)
	}
	w.onGet = nil
	_, err := Save(context.Background(), w.config(), Request{Bucket: "b", Key: "absent"}, &bytes.Buffer{})
	if !errors.Is(err, &api.Error{Code: api.NotFound}) {
		t.Errorf("an absent object: %v", err)
	}
	if _, err := Save(context.Background(), w.config(), Request{Bucket: "b", Key: "k"}, failingWriter{}); !errors.Is(err, errPipe) {
		t.Errorf("a broken pipe: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Save(ctx, w.config(), Request{Bucket: "b", Key: "k"}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

var errPipe = errors.New("broken pipe")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errPipe }

// TestExpand checks the objects and folders that a pattern matches.
func TestExpand(t *testing.T) {
	w := newTestbed(t)
	for _, k := range []string{"annual/a.pdf", "annual/x/b.pdf", "annual/x/y/c.pdf", "annual/x/y/d.csv", "annual/[1].pdf", "other/e.pdf", "annual/x/"} {
		w.put("b/"+k, nil, "")
	}
	for pattern, want := range map[string]string{
		"b/annual/**/*.pdf":      "annual/[1].pdf annual/a.pdf annual/x/b.pdf annual/x/y/c.pdf",
		"b/annual/*.pdf":         "annual/[1].pdf annual/a.pdf",
		"b/annual/?.pdf":         "annual/a.pdf",
		`b/annual/\[1\].pdf`:     "annual/[1].pdf",
		"b/{annual,other}/*.pdf": "annual/[1].pdf annual/a.pdf other/e.pdf",
		"b/annual/x/y/d.csv":     "annual/x/y/d.csv",
		"b/annual/":              "annual/ (folder)",
		"b":                      " (folder)",
		"b/*/x/**":               "annual/x/b.pdf annual/x/y/c.pdf annual/x/y/d.csv",
		"b/*.txt":                "not_found",
		"b/*":                    "annual/ (folder) other/ (folder)",
		"b/annual/*":             "annual/[1].pdf annual/a.pdf annual/x/ (folder)",
		"b/annual/*/":            "annual/x/ (folder)",
		"b/annual/[1].pdf":       "annual/[1].pdf",
		"b/**/x":                 "annual/x/ (folder)",
		"*/x":                    "not a path",
		"b/[":                    "not a path",
	} {
		var got []string
		for r, err := range Expand(context.Background(), w, pattern) {
			var ae *api.Error
			switch {
			case errors.As(err, &ae):
				got = append(got, string(ae.Code))
			case errors.Is(err, ErrPattern):
				got = append(got, "not a path")
			case err != nil:
				t.Error(err)
			case r.Folder:
				got = append(got, r.Key+" (folder)")
			default:
				got = append(got, r.Key)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", pattern, s, want)
		}
	}
	e, dir := w.engine(), scratch(t)
	for r, err := range Expand(context.Background(), w, "b/annual/**/*.pdf") {
		must(t, err)
		r.Dir = dir
		e.Add(r)
	}
	wait(t, e)
	if _, err := os.Stat(filepath.Join(dir, "x", "y", "c.pdf")); err != nil {
		t.Error(err)
	}
}
