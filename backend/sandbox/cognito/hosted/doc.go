// Package hosted serves the OAuth pages and endpoints of a Cognito domain over a
// pool: /oauth2/authorize, /login, /oauth2/token, /oauth2/revoke and /logout. The
// pool itself serves /oauth2/userInfo and the discovery documents.
//
// Like the service, it
//   - compares redirect URIs as strings, port included;
//   - accepts S256 as the only PKCE method;
//   - issues a code for 5 minutes and one use;
//   - keeps a browser signed in for 1 hour from the sign-in, by a cookie that use
//     does not renew;
//   - binds an access token to a resource (RFC 8707).
//
// Company is an external identity provider with its own sign-in form. It
// replaces SAML and OIDC federation, whose protocols are not implemented: its
// assertion reaches the pool in process, through the inbound federation trigger
// and the attribute mapping.
package hosted
