// Package device brokers sign-ins for a terminal without a browser: the device
// authorization grant of RFC 8628 in front of Cognito, which has none.
//
// A terminal gets a device code and a user code. A person opens the page of the
// user code in any browser and signs in at the hosted UI with the terminal's
// PKCE challenge. The page then shows a number of six digits. The terminal
// sends the number and receives the authorization code, which only the
// terminal can redeem. A link alone is therefore worth nothing to a phisher.
//
//	Pending → Approving → Returned → Redeemed → Opened
//	   └──────────┴───────────┴──→ Refused
//
// Broker holds these rules and no HTTP. Handler adds the endpoints and pages.
// A Store keeps the requests; devicetest is its conformance suite. Device codes,
// user codes, cookies and numbers are stored as HMACs.
//
// The broker never sees a refresh token or a PKCE verifier. The verification of
// tokens is left to identity, the session-start event to backend.
package device
