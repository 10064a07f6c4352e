// Package cognito is an Amazon Cognito user pool in this process, spoken to
// over real HTTP: the JSON 1.1 protocol of cognito-idp, the pool's JWKS and
// its userInfo endpoint. The demo signs in against it and the tests of the
// backend and of the client fight against it.
//
// It promises to be as unkind as the service it stands for: passwords are
// proven by SRP and never sent, unknown people get a challenge like known
// ones, sessions of a challenge are spent once and run out, a code counts
// once, wrong passwords lock, rotated refresh tokens are refused, a revoked,
// disabled or signed-out token is dead at the next GetUser while its
// signature still verifies, and the owner's calls need a good SigV4
// signature. It answers to loopback names only and to no browser origin.
//
// It leaves out sign-up, SMS, passkeys, devices, Lambda triggers, managed
// login, and more than one pool and app client. Mail goes to Config.Send.
// Nothing in production may import it.
//
// Where the documentation of AWS says what happens, the line that relies on
// it carries "SPEC:" and the page; where it is silent the comment says so.
//
//	pool, err := cognito.New(cognito.Config{Region: "us-east-1", PoolID: "us-east-1_AbCdEfGhI", …})
//	server := httptest.NewServer(pool)
//	pool.SetBaseURL(server.URL)
//	sub, err := pool.AddUser(cognito.User{Username: "ada", Password: …, Groups: []string{"finance-team"}})
package cognito
