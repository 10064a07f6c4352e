package shape

import "strconv"

// The paths of an OAuth sign-in, registered at the app clients. They are part of
// each deployment: a change here is a change there.
const (
	CallbackPath       = "/callback"   // of the listener on a person's machine
	DeviceCallbackPath = "/d/callback" // of the server, for the device flow
	SignedOutPath      = "/signed-out" // of the server, after a sign-out in the browser
)

// CallbackPorts returns the registered ports of the listener on a person's
// machine, in the order in which they are tried. Cognito compares redirect URIs
// as strings, so no other port works. The ports are below those that operating
// systems assign to outgoing connections.
func CallbackPorts() []int {
	return []int{17851, 17963, 18077, 18191, 18329, 18443, 18587, 18719}
}

// Callback returns the redirect URI of a port. It has an address in place of
// localhost (RFC 8252 §7.3).
func Callback(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) + CallbackPath }
