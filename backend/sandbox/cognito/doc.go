// Package cognito is an in-process Amazon Cognito user pool over real HTTP: the
// JSON 1.1 protocol of cognito-idp, the pool's JWKS and its userInfo endpoint.
// The demo and the tests of the backend and the client sign in with it.
//
// The pool is as strict as the service:
//   - passwords are proven by SRP and never sent;
//   - an unknown username gets the same kind of challenge as a known one;
//   - the session of a challenge can be used once, and expires;
//   - a TOTP code is accepted once;
//   - wrong passwords lock an account;
//   - a rotated refresh token is refused;
//   - GetUser refuses a token of a disabled account, and a revoked token, at
//     once, although its signature remains valid;
//   - the owner's calls require a valid SigV4 signature;
//   - requests for other host names than loopback and its own, and requests
//     from the origin of another web page, are refused.
//
// Package hosted serves the pages and the OAuth endpoints of the pool's domain.
// Sign-up, the use of passkeys, and more than one pool are not implemented.
// Mail and SMS go to Config.Send. Production code must not import this package.
//
// A comment with "SPEC:" names the page of AWS's documentation for a behavior.
// Comments also mark behavior that AWS does not document.
package cognito
