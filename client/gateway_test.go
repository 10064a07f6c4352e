package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"usher/backend/api"
)

// An API gateway answers in its own form before usher does. An expired token and
// too many requests have usher's codes; other answers are not usher's.
func TestAnswersOfAGateway(t *testing.T) {
	c := &Client{base: &url.URL{Scheme: "https", Host: "files.example.com"}}
	for name, row := range map[string]struct {
		status int
		scheme string
		want   api.Code
	}{
		"an expired token":   {http.StatusUnauthorized, `Bearer scope="openid" error="invalid_token" error_description="the token has expired"`, api.TokenExpired},
		"another refusal":    {http.StatusUnauthorized, "Basic realm=x", ""},
		"no scheme":          {http.StatusUnauthorized, "", ""},
		"too many requests":  {http.StatusTooManyRequests, "", api.RateLimited},
		"an unknown failure": {http.StatusForbidden, "Bearer", ""},
	} {
		res := &http.Response{StatusCode: row.status, Header: http.Header{}}
		if row.scheme != "" {
			res.Header.Set("WWW-Authenticate", row.scheme)
		}
		err := c.refusal(res, strings.NewReader(`{"message":"Unauthorized"}`), "token")
		var answer *api.Error
		got := api.Code("")
		if errors.As(err, &answer) {
			got = answer.Code
		}
		if err == nil || got != row.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
