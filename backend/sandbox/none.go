//go:build nosandbox

package sandbox

import (
	"context"
	"errors"
)

// Sandbox is not part of this build.
type Sandbox struct{ Facts }

// Start returns an error: this build has no sandbox.
func Start(context.Context, Options) (*Sandbox, error) {
	_ = people
	_ = defaultGrants
	return nil, errors.New("this build of usher has no sandbox: use one without the tag nosandbox")
}

// Warm does nothing.
func (s *Sandbox) Warm() error { return nil }

// CodeNow returns "".
func (s *Sandbox) CodeNow(string) string { return "" }

// Credentials returns empty strings.
func (s *Sandbox) Credentials() (accessKey, secret string) { return "", "" }

// Deploy returns an error.
func (s *Sandbox) Deploy(context.Context, Functions) error {
	return errors.New("this build of usher has no sandbox: use one without the tag nosandbox")
}

// Close does nothing.
func (s *Sandbox) Close() error { return nil }
