package cognito_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"usher/backend/sandbox/cognito"
)

// A pool is an http.Handler. Clients sign in at its base URL, and verifiers
// fetch the keys at its issuer.
func Example() {
	pool, err := cognito.New(cognito.Config{
		Region: "us-east-1", PoolID: "us-east-1_AbCdEfGhI", ClientID: "example",
		Now: time.Now, Rand: rand.Reader,
		OwnerKeys: func(string) (secret string, ok bool) { return "", false },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(pool)
	defer server.Close()
	if err := pool.SetBaseURL(server.URL); err != nil {
		fmt.Println(err)
		return
	}
	_, err = pool.AddUser(cognito.User{Username: "ada", Password: "Correct-horse-7", Groups: []string{"finance-team"}})
	fmt.Println(err, pool.HasUser("ada"))

	resp, err := http.Get(pool.Issuer() + "/.well-known/jwks.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	var set struct{ Keys []struct{ Alg string } }
	fmt.Println(json.NewDecoder(resp.Body).Decode(&set), len(set.Keys), set.Keys[0].Alg)
	// Output:
	// <nil> true
	// <nil> 2 RS256
}
