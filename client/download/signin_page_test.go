package download

import (
	"errors"
	"net/http"
	"testing"

	"usher/backend/api"
)

// TestSignInPage checks that the sign-in page of a network (a captive portal),
// with status 200 and the length of the object, is not taken for the object.
func TestSignInPage(t *testing.T) {
	for _, size := range []int{1000, 3 << 20, 9 << 20} { // one request, ranges, sizes above smallObject
		w := newTestbed(t)
		w.put("b/k", random(1, size), "")
		w.onGet = func(_ int, o *object, rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write(random(7, size))
			return true
		}
		e, dir := w.engine(), scratch(t)
		id := e.Add(w.request("b/k", dir))[0]
		wait(t, e)
		if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, ErrIntegrity) {
			t.Errorf("%d bytes: %v, %v", size, got.State, got.Err)
		}
		if left := leftovers(t, dir); left != nil {
			t.Errorf("%d bytes: left behind %v", size, left)
		}
		if _, err := e.Peek(t.Context(), api.ReleaseObject{Bucket: "b", Key: "k"}, 10); err == nil {
			t.Errorf("%d bytes: Peek returns the page", size)
		}
	}
}

// TestVerifiedInFolder checks that a small file is verified by the same checksum
// in a folder and on its own.
func TestVerifiedInFolder(t *testing.T) {
	for _, row := range []struct{ sum, encryption, want string }{
		{"MD5", "", "md5"}, {"MD5", "AES256", "md5"}, {"CRC64NVME", "", "crc64nvme"}, {"", "aws:kms", "size"}, {"", "aws:kms:dsse", "size"},
	} {
		w := newTestbed(t)
		w.put("b/f/k", random(1, 1000), row.sum)
		w.object("b/f/k").etag = md5ETag(random(1, 1000)) // an upload in one part
		w.onGet = func(_ int, _ *object, rw http.ResponseWriter, _ *http.Request) bool {
			if row.encryption != "" {
				rw.Header().Set("X-Amz-Server-Side-Encryption", row.encryption)
			}
			return false
		}
		for _, r := range []Request{{Bucket: "b", Key: "f/", Folder: true}, {Bucket: "b", Key: "f/k"}} {
			e := w.engine()
			r.Dir = scratch(t)
			e.Add(r)
			wait(t, e)
			all := e.Snapshot().Transfers
			if last := all[len(all)-1]; last.State != Done || last.Verified != row.want {
				t.Errorf("%q, %s, folder %v: %v by %q, want %q (%v)", row.sum, row.encryption, r.Folder, last.State, last.Verified, row.want, last.Err)
			}
		}
	}
}
