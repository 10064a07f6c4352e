// Package session signs a person in through Cognito and keeps them signed in.
// It discovers and pins a server, proves a password by SRP, stores the tokens
// of a profile on disk, renews them and returns access tokens.
//
// Its guarantees:
//   - An existing password is never sent. A proof of it goes only to the
//     endpoint derived from the pinned region and pool, which no setting of the
//     AWS SDK can change.
//   - Tokens are stored in a file 0600 in a folder 0700 and replaced
//     atomically. A file that other users can access is refused with the fix.
//   - Of the processes that share a profile, one renews at a time, so a
//     rotating refresh token is used once. The loser of a race adopts the
//     tokens of the winner. Only the tokens that were refused are removed.
//   - A wrong clock does not end a session.
//   - Errors are sentences with the next step (Failure and the other error
//     types). They hold no text of Cognito, no token and no password.
//
// The package has no user interface. All calls to the server except discovery
// are made by package client. Claims about a person are unverified here and
// used for the first paint only; the server decides.
//
//	p, err := folders.Resolve(ctx, "", "", os.Getenv)
//	s, err := session.Open(folders, p, session.Options{Now: time.Now, Random: rand.Reader})
//	token, err := s.Token(ctx) // errors.Is(err, session.ErrSignedOut): sign in
package session
