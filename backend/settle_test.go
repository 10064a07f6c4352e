package backend_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/demo/demotest"
)

// held delays the pool's response about groups, once.
type held struct {
	next    http.RoundTripper
	once    *sync.Once
	at      chan struct{} // closed when the pool has answered
	deliver chan struct{} // closed to deliver the answer
}

func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := h.next.RoundTrip(r)
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".AdminListGroupsForUser") {
		h.once.Do(func() {
			close(h.at)
			<-h.deliver
		})
	}
	return res, err
}

// A person signs out at one server while another one has the answer of the pool
// from before, which is not stored yet. Nothing is released or listed by it.
func TestSignOutDuringAQuestion(t *testing.T) {
	for _, verb := range []api.Verb{api.VerbRelease, api.VerbList, api.VerbWhoami} {
		var once sync.Once
		at, proceed := make(chan struct{}), make(chan struct{})
		f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1})
		f.Put(t, "company-reports", "annual/one.csv", "one")
		ada := f.SignIn(t, "ada")
		token, err := ada.Session.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slow := f.AddWith(func(next http.RoundTripper) http.RoundTripper { return held{next, &once, at, proceed} })
		f.Route(slow)
		body := map[api.Verb]string{
			api.VerbRelease: `{"objects":[{"bucket":"company-reports","key":"annual/one.csv"}]}`,
			api.VerbList:    `{"bucket":"company-reports","prefix":"annual/"}`, api.VerbWhoami: `{}`,
		}[verb]
		type result struct {
			status int
			text   string
		}
		answered := make(chan result, 1)
		go func() {
			status, text := post(t, f.Server, verb, token, body)
			answered <- result{status, string(text)}
		}()
		select {
		case <-at:
		case <-time.After(30 * time.Second):
			t.Fatal("no question to the pool")
		}
		f.Route(f.Instances()[0])
		if err := ada.Client.Signout(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Admin().AdminUserGlobalSignOut(t.Context(), &cognitoidentityprovider.AdminUserGlobalSignOutInput{
			UserPoolId: &f.UserPoolID, Username: aws.String("ada"),
		}); err != nil {
			t.Fatal(err)
		}
		close(proceed)
		if r := <-answered; r.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", verb, r.status, r.text)
		}
	}
}
