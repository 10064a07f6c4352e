// Package oauth is a public client of a Cognito domain: the authorization code
// grant with PKCE, the listener for the code on this machine, the token and
// revocation endpoints, and the check of the ID token.
//
// Its guarantees:
//   - A code is accepted once, from this machine, with the state of this request.
//     All other requests change nothing.
//   - A code is redeemed with the verifier that never left this process (S256),
//     and the ID token must carry the nonce of the request: a code of another
//     sign-in gives no tokens.
//   - The ID token is verified: signature, issuer, audience, nonce. The access
//     token belongs to the same person.
//   - Answers are bounded, redirects are not followed, and no text of a server is
//     part of an error without safetext.
//
// The browser is opened by package browser. Sentences for the screen are in
// package session.
package oauth
