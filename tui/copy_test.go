package tui_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/link"
	"usher/tui/copymenu"
	"usher/tui/keys"
	"usher/tui/tuitest"
)

var clipboardCode = regexp.MustCompile("\x1b\\]52;c;([A-Za-z0-9+/=]*)")

// clipboard returns the last text that the program sent to the clipboard.
func clipboard(out *bytes.Buffer) string {
	all := clipboardCode.FindAllStringSubmatch(out.String(), -1)
	if len(all) == 0 {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(all[len(all)-1][1])
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Each entry of the copy menu sends its text to the clipboard, for one file.
func TestCopyMenu(t *testing.T) {
	const path = "company-reports/annual/audited/2018-annual-report.pdf"
	url := "https://" + tuitest.StorageHost + "/" + path + "?X-Amz-Expires=60&X-Amz-Signature=" + tuitest.Signature
	for _, row := range []struct {
		keys     []string
		copied   string
		shown    []string
		released int
	}{
		{[]string{"y", "p"}, path, []string{"Sent to the clipboard: " + path}, 0},
		{[]string{"y", "y"}, path, nil, 0},
		{[]string{"y", "s"}, "s3://" + path, []string{"Sent to the clipboard: s3://"}, 0},
		{[]string{"y", "u"}, url, []string{"1 download link", "Works for 60 s", "recorded under your name", "until 10:13:04", "If your terminal did not take it"}, 1},
		{[]string{"y", "c"}, "curl --fail --path-as-is --output ./2018-annual-report.pdf '" + url + "'", []string{"1 curl command", "Works for 60 s"}, 1},
		{[]string{"y", "k"}, "CRC64NVME n0yCQ+arB30=", []string{"Sent to the clipboard: CRC64NVME"}, 0},
		{[]string{"Y"}, "CRC64NVME n0yCQ+arB30=", []string{"Sent to the clipboard: CRC64NVME"}, 0},
	} {
		play(t, nil, func(t *testing.T, w *program) {
			var out bytes.Buffer
			w.Log(&out)
			w.Press("j", "j", "j")
			w.Press(row.keys...)
			w.Wait(time.Second)
			if got := clipboard(&out); got != row.copied {
				t.Errorf("%v copies %q, want %q", row.keys, got, row.copied)
			}
			w.Want(t, row.shown...)
			if got := w.server.Released(); len(got) != row.released || row.released == 1 && got[0] != api.PurposeLink+" "+path {
				t.Errorf("%v releases %q", row.keys, got)
			}
		})
	}
}

// For marked files the text has a line for each. A folder has no link and no checksum.
func TestCopyMenuOfMarks(t *testing.T) {
	const a = "company-reports/annual/audited/"
	marked := []string{a + "2018-annual-report.pdf", a + "2018-auditor-opinion-signed.pdf", a + "letters-to-shareholders/"}
	for _, row := range []struct {
		key   string
		want  []string
		shown string
	}{
		{"p", marked, "3 paths"},
		{"s", []string{"s3://" + marked[0], "s3://" + marked[1], "s3://" + marked[2]}, "3 addresses"},
		{"k", []string{"CRC64NVME n0yCQ+arB30=  " + marked[0], "CRC64NVME n0yCQ+arB30=  " + marked[1]}, "1 folder is left out"},
		{"u", []string{"https://" + tuitest.StorageHost + "/" + marked[0], "https://" + tuitest.StorageHost + "/" + marked[1]}, "1 folder is left out"},
	} {
		play(t, nil, func(t *testing.T, w *program) {
			var out bytes.Buffer
			w.Log(&out)
			w.Press("space", "/")
			w.Type("2018-a")
			w.Press("enter", "space", "space", "esc", "y")
			w.Want(t, "Copy of 3 marked")
			w.Press(row.key)
			w.Wait(time.Second)
			got := strings.Split(clipboard(&out), "\n")
			if !slices.EqualFunc(got, row.want, strings.HasPrefix) {
				t.Errorf("y %s copies %q, want %q", row.key, got, row.want)
			}
			w.Want(t, row.shown)
			w.Press("esc")
			w.Not(t, row.shown)
			w.Want(t, "3 marked")
		})
	}
}

// The text for an administrator has the request IDs of the last refusal, and no secret.
func TestCopyForTheAdministrator(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("ctrl+g")
		w.Type("company-reports/board/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("esc", "y", "a")
		w.Wait(time.Second)
		for _, want := range []string{"Person: alice.moreau (alice.moreau@example.com)", "Groups: audit-team, everyone, finance-readers", "Server: files.example.com",
			"Path: company-reports/annual/audited/letters-to-shareholders/", "Refused: company-reports/board/: ", "(request r-01JD9X5C8M)"} {
			if !strings.Contains(clipboard(&out), want) {
				t.Errorf("the text has no %q:\n%s", want, clipboard(&out))
			}
		}
		w.Want(t, "text for your administrator")
	})
}

// A link leaves the screen at the end of its life, and no message prints it.
func TestLinksAreSecret(t *testing.T) {
	play(t, func(w *program) { w.deps.Now = time.Now; w.server.Now = time.Now }, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "y", "u")
		w.Wait(time.Second)
		w.Want(t, tuitest.Signature)
		w.Wait(60 * time.Second)
		w.Not(t, tuitest.Signature)
		w.Want(t, "have expired")
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, tuitest.Signature)
	})
	server := tuitest.Reports(tuitest.NewServer("ada"))
	d := copymenu.Deps{Stat: server.Stat, Links: server.Links, Now: time.Now}
	file := copymenu.File{Bucket: safetext.New("company-reports"), Key: safetext.New("annual/audited/2025-annual-report.pdf")}
	r, ok := d.Run(copymenu.Request{Action: keys.CopyLink, Files: []copymenu.File{file}}, 1)().(copymenu.Result)
	if !ok || !strings.Contains(r.Text(), tuitest.Signature) {
		t.Fatalf("the result is %v", r)
	}
	links, err := server.Links(t.Context(), link.Object{Path: api.Path{Bucket: file.Bucket.Raw(), Key: file.Key.Raw()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{r, &r, links, links[0]} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, tuitest.Signature) {
				t.Errorf("%s of %T prints the link: %s", verb, v, s)
			}
		}
	}
}

// A refused link gives the sentence of the server; a refusal of one of several is named.
func TestCopyOfRefusedLinks(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "j", "space", "space")
		w.server.Hide("company-reports/annual/audited/2018-auditor")
		w.Press("y", "u")
		w.Wait(time.Second)
		w.Want(t, "1 download link", "2018-auditor-opinion-signed.pdf: There is nothing here that you can open.")
		w.Press("esc", "u")
		w.server.Hide("company-reports/annual/audited/")
		w.Press("y", "u")
		w.Wait(time.Second)
		w.Want(t, "There is nothing here that you can open. (request r-01JD9X5C8M)")
		w.server.Fail(tuitest.ErrNetwork)
		w.Press("y", "u")
		w.Wait(time.Second)
		w.Want(t, "files.example.com")
	})
}

// The menu closes with any other key, which acts; a folder has no link.
func TestCopyMenuCloses(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("y")
		w.Want(t, "p path", "s s3://", "u link", "c curl", "k checksum", "a for admin", "esc cancel")
		w.Press("u")
		w.Want(t, "Copy a link: move to a file.")
		w.Press("y", "esc")
		w.Not(t, "a for admin")
		w.Press("y", "j")
		w.Not(t, "a for admin")
		w.Press("y", "p")
		w.Wait(time.Second)
		w.Want(t, "Sent to the clipboard: company-reports/annual/audited/restated/")
	})
}

// A result for another person is dropped.
func TestCopyOfAnotherPerson(t *testing.T) {
	var held chan struct{}
	play(t, func(w *program) {
		held = make(chan struct{}) // of the bubble
		w.deps.Links = func(ctx context.Context, objects ...link.Object) ([]link.Link, error) {
			select {
			case <-held:
			case <-ctx.Done():
				return nil, errors.New("ended")
			}
			return w.server.Links(ctx, objects...)
		}
	}, func(t *testing.T, w *program) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("j", "j", "j", "y", "u")
		w.server.Become("other")
		w.Wait(30 * time.Second)
		w.Want(t, "other")
		close(held)
		w.Wait(time.Second)
		w.Not(t, tuitest.Signature)
		if got := clipboard(&out); got != "" {
			t.Errorf("the clipboard has %q", got)
		}
	})
}
