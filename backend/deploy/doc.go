// Package deploy creates, updates, checks and deletes the stack of usher's
// production form with the AWS credentials of an administrator.
//
// It guarantees:
//   - Nothing changes before the person has seen the changes and agreed.
//   - A resource with data is replaced or removed only after a typed word.
//   - An interrupted deployment goes on in AWS, and the next run follows it.
//   - A refused call is named, so that the missing permission is known.
//
// Package stack has the template. Questions and output are the caller's (Screen).
package deploy
