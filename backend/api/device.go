package api

import (
	"crypto/sha256"
	"encoding/base64"
)

// The endpoints and values of the device flow.
// SPEC: RFC 8628 §3.1, §3.4; RFC 8693 §2.2.1: N_A is the type of a token that is
// no access token.
const (
	DeviceAuthorizePath = "/v1/device/authorize"
	DeviceTokenPath     = "/v1/device/token"
	DeviceCancelPath    = "/v1/device/cancel" // ends a request of the terminal, in the form of RFC 7009 §2.1
	DeviceGrantType     = "urn:ietf:params:oauth:grant-type:device_code"
	DeviceTokenType     = "N_A"
)

// DeviceNonce returns the nonce that binds an ID token to a device code. Server
// and terminal derive it.
func DeviceNonce(deviceCode string) string {
	sum := sha256.Sum256([]byte("device\x00" + deviceCode))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
