// Package federation reads and writes the groups of people with accounts at a
// company's identity provider. It is pure.
//
// Cognito stores the groups as one text, an attribute of the account, at each
// sign-in through the provider. An attribute keeps its old value when the provider
// no longer sends it, so a person without groups at the company would keep the
// old ones. Therefore Inbound, the step of the pool's inbound federation trigger,
// always writes a value, with the time of its sign-in: Format. The backend drops a
// value that is older than the session (identity.Directory).
//
// An allow-list bounds the groups that a company can give. It is applied twice,
// when the value is written and when it is read.
package federation
