package download

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"usher/backend/api"
	"usher/client/download/fetch"
)

// TestNetErrorNamesTheHost checks that the error names the unreachable host:
// usher's server by its name, or the storage.
func TestNetErrorNamesTheHost(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://s3/secret", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	for want, err := range map[string]error{
		"Can't reach files.example.com (nothing listens there). Check": fmt.Errorf("listing: %w", api.NewUnreachable("files.example.com", refused)),
		"Can't reach the storage (nothing listens there). Check":       refused,
		"Can't reach the storage (no data came for too long).":         &url.Error{Op: "Get", URL: "https://s3/secret", Err: fetch.ErrStalled},
	} {
		got := netError(err)
		if !errors.Is(got, ErrNetwork) || !strings.HasPrefix(got.Error(), want) || strings.Contains(got.Error(), "secret") {
			t.Errorf("%v, want %s", got, want)
		}
	}
}
