package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"usher/backend/api"
	"usher/session/device"
	"usher/session/oauth"
)

// Failures of a sign-in on another device, for errors.Is.
var (
	// ErrDeviceDenied: refused on the page, or by the sign-in service.
	ErrDeviceDenied error = &Failure{sentence: "The sign-in was refused on the other device. Start again.", exit: api.ExitSignedOut}
	// ErrDeviceNumbers: the end after three wrong numbers.
	ErrDeviceNumbers error = &Failure{sentence: "The number was wrong three times, so the sign-in has ended. Start again.", exit: api.ExitSignedOut}
	// ErrDeviceLost: the server has no record of the request, as after a restart.
	ErrDeviceLost error = &Failure{sentence: "The server no longer knows this sign-in; it may have been restarted. Start again.", exit: api.ExitSignedOut}
	// ErrDeviceTime: no browser came back within ten minutes.
	ErrDeviceTime error = &Failure{sentence: "The sign-in on the other device took too long. Start again.", exit: api.ExitSignedOut}
	// ErrDeviceNumber: the number is not that of the page; it can be typed again.
	ErrDeviceNumber error = &Failure{sentence: "That is not the number on the page. Type the six digits that the page shows.", exit: api.ExitSignedOut}
	// ErrDeviceBusy: the server's limit of pending sign-ins.
	ErrDeviceBusy error = &Failure{sentence: "Too many sign-ins are pending at the server. Wait a few minutes, then try again.", exit: api.ExitUnavailable}
	// ErrDeviceDown: the server cannot store or record now.
	ErrDeviceDown error = &Failure{sentence: "The server cannot continue this sign-in now. Try again in a minute.", exit: api.ExitUnavailable}
	// ErrDeviceOrigin: the profile has another address of the server than its pages.
	ErrDeviceOrigin error = &Failure{sentence: "The pages of this server have another address than the one you use. Run usher configure with the address that your administrator gives you.", exit: api.ExitUsage}
	// ErrDeviceNetwork: the server restricts the networks of terminals.
	ErrDeviceNetwork error = &Failure{sentence: "The server does not allow this sign-in from your network. Sign in another way, or ask your administrator.", exit: api.ExitSignedOut}
)

// DeviceSignIn is a sign-in in a browser on any device, while this terminal waits.
type DeviceSignIn struct {
	profile Profile
	domain  *domain
	request *device.Request
	web     *http.Client
	opened  atomic.Bool // the session is open at the server
}

// cancelLimit bounds the end of a request at the server, which delays the end of a
// command.
const cancelLimit = time.Second

// NewDeviceSignIn begins a sign-in at the server, for a machine's host name.
func NewDeviceSignIn(ctx context.Context, p Profile, o Options) (*DeviceSignIn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d, err := newDomain(p, api.WayDevice, o)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	s := &DeviceSignIn{profile: p, domain: d, web: newHTTPClient()}
	s.request, err = device.Begin(ctx, device.Config{
		HTTP: s.web, Server: p.Server, ClientID: d.clientID, Host: host, Random: o.Random, Now: o.Now, Wait: device.Pause,
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return s, nil
}

// UserCode returns the code to compare with the page: BCDF-GHJK.
func (s *DeviceSignIn) UserCode() string { return s.request.UserCode }

// Address returns the address of the page for typing the code.
func (s *DeviceSignIn) Address() string { return s.request.Address }

// QR returns the address that includes the code, in upper case.
func (s *DeviceSignIn) QR() string { return s.request.QR() }

// Expires returns the end of the sign-in by this machine's clock.
func (s *DeviceSignIn) Expires() time.Time { return s.request.Expires }

// Wait waits for the browser. Its step is NeedNumber or Done.
func (s *DeviceSignIn) Wait(ctx context.Context) (Step, error) {
	grant, err := s.request.Poll(ctx)
	if errors.Is(err, device.ErrNumber) {
		return Step{Kind: NeedNumber}, nil
	}
	if err != nil {
		return Step{}, s.explain(ctx, err)
	}
	return s.finish(ctx, grant)
}

// Number sends the number of the page. After ErrDeviceNumber it can be called
// again.
func (s *DeviceSignIn) Number(ctx context.Context, number string) (Step, error) {
	grant, _, err := s.request.Confirm(ctx, number)
	if err != nil {
		return Step{}, s.explain(ctx, err)
	}
	return s.finish(ctx, grant)
}

// finish redeems the code and opens the session at the server. The server's
// configuration is compared with the trusted one before the code is sent.
func (s *DeviceSignIn) finish(ctx context.Context, g device.Grant) (Step, error) {
	if _, err := s.profile.Recheck(ctx, s.web.Transport); err != nil {
		return Step{}, err
	}
	tokens, id, err := s.domain.redeemed(ctx, oauth.Code{Code: g.Code, Verifier: g.Verifier, RedirectURI: g.RedirectURI, Nonce: g.Nonce})
	if err != nil {
		return Step{}, err
	}
	if err := s.open(ctx, tokens, id); err != nil {
		return Step{}, err
	}
	s.opened.Store(true)
	return Step{Kind: Done, Tokens: tokens}, nil
}

// open opens the session at the server. A lost response is repeated once: the
// server returns the same result.
func (s *DeviceSignIn) open(ctx context.Context, t Tokens, id string) (err error) {
	raw, err := json.Marshal(api.DeviceDoneRequest{IDToken: id})
	if err != nil {
		return err
	}
	for range 2 {
		if err = s.post(ctx, t, raw); err == nil || ctx.Err() != nil {
			break
		}
		if answered := (*api.Error)(nil); errors.As(err, &answered) {
			break
		}
	}
	return err
}

func (s *DeviceSignIn) post(ctx context.Context, t Tokens, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.profile.Server+api.VerbDeviceDone.Path(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("opening the session: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+t.Access.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.web.Do(req)
	if err != nil {
		return networkError(ctx, hostOf(s.profile.Server), err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig))
	switch {
	case err != nil:
		return networkError(ctx, hostOf(s.profile.Server), err)
	case resp.StatusCode == http.StatusOK:
		return nil
	}
	var failed api.ErrorBody
	if json.Unmarshal(answer, &failed) != nil || failed.Error.Code == "" {
		return ErrGarbled
	}
	return &failed.Error
}

// explain maps a failure of the device flow to a sentence.
func (s *DeviceSignIn) explain(ctx context.Context, err error) error {
	for _, row := range []struct{ is, means error }{
		{device.ErrDenied, ErrDeviceDenied}, {device.ErrExpired, ErrDeviceTime}, {device.ErrWrong, ErrDeviceNumber},
		{device.ErrNumbers, ErrDeviceNumbers}, {device.ErrLost, ErrDeviceLost}, {device.ErrBusy, ErrDeviceBusy}, {device.ErrDown, ErrDeviceDown},
		{device.ErrNetwork, ErrDeviceNetwork}, {device.ErrOrigin, ErrDeviceOrigin},
	} {
		if errors.Is(err, row.is) {
			return row.means
		}
	}
	if errors.Is(err, device.ErrGarbled) {
		// The administrator may have turned the device flow off meanwhile.
		if _, changed := s.profile.Recheck(ctx, s.web.Transport); changed != nil {
			return changed
		}
		return ErrGarbled
	}
	return networkError(ctx, hostOf(s.profile.Server), err)
}

// Close ends the sign-in. A request without a session is canceled at the server,
// in at most a second, so that no browser can continue it. Close is called once.
func (s *DeviceSignIn) Close() {
	defer s.web.CloseIdleConnections()
	if s.opened.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelLimit)
	defer cancel()
	_ = s.request.Cancel(ctx) // best effort; the request expires by itself
}

// String keeps the sign-in's secrets out of all output.
func (s *DeviceSignIn) String() string { return "sign-in on another device" }

// GoString keeps the sign-in's secrets out of all output.
func (s *DeviceSignIn) GoString() string { return s.String() }
