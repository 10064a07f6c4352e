package serve

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"usher/backend/api"
	"usher/backend/grant"
)

// Odd events have their status through the whole function. None of them has a URL.
func TestOddEventsOfTheFunction(t *testing.T) {
	c := newCloud(t)
	f := c.instance(t, "v1", io.Discard)
	c.permit(t, f, grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Effect: grant.Allow})
	token := c.token(t, "reader", "finance-team")
	const list = `{"bucket":"company-reports","prefix":"quarterly/"}`
	event := func() *events.APIGatewayV2HTTPRequest {
		in := &events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/v1/list", Body: list, Headers: map[string]string{
			"host": "files.example.com", "content-type": "application/json", "authorization": "Bearer " + token,
		}}
		in.RequestContext.DomainName, in.RequestContext.Stage = "files.example.com", "$default"
		in.RequestContext.HTTP.Method, in.RequestContext.HTTP.SourceIP = http.MethodPost, "198.51.100.7"
		return in
	}
	type change = func(*events.APIGatewayV2HTTPRequest)
	for name, c := range map[string]struct {
		change change
		status int
		code   api.Code
	}{
		"control":              {func(*events.APIGatewayV2HTTPRequest) {}, http.StatusOK, ""},
		"joined Authorization": {func(in *events.APIGatewayV2HTTPRequest) { in.Headers["authorization"] += ",Bearer x" }, http.StatusUnauthorized, api.Unauthenticated},
		"joined Content-Type":  {func(in *events.APIGatewayV2HTTPRequest) { in.Headers["content-type"] += ",application/json" }, http.StatusUnsupportedMediaType, api.UnsupportedType},
		"no body":              {func(in *events.APIGatewayV2HTTPRequest) { in.Body = "" }, http.StatusBadRequest, api.BadRequest},
		"a body in base64": {func(in *events.APIGatewayV2HTTPRequest) {
			in.Body, in.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(list)), true
		}, http.StatusOK, ""},
		"base64 without its mark": {func(in *events.APIGatewayV2HTTPRequest) { in.Body = base64.StdEncoding.EncodeToString([]byte(list)) }, http.StatusBadRequest, api.BadRequest},
		"a body of 6 MB":          {func(in *events.APIGatewayV2HTTPRequest) { in.Body = strings.Repeat(" ", 6<<20) }, http.StatusRequestEntityTooLarge, api.TooLarge},
		"a stage in the path":     {func(in *events.APIGatewayV2HTTPRequest) { in.RawPath = "/prod/v1/list" }, http.StatusNotFound, api.NotFound},
		"a mapping in the path":   {func(in *events.APIGatewayV2HTTPRequest) { in.RawPath = "/files/v1/list" }, http.StatusNotFound, api.NotFound},
		"another Host": {func(in *events.APIGatewayV2HTTPRequest) {
			in.RequestContext.DomainName = "a1b2.execute-api.eu-west-1.amazonaws.com"
		}, http.StatusMisdirectedRequest, api.WrongHost},
		"another Host in a header": {func(in *events.APIGatewayV2HTTPRequest) { in.Headers["host"] = "evil.example" }, http.StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := event()
			c.change(in)
			payload, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := f.Invoke(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			var out events.APIGatewayV2HTTPResponse
			if err := json.Unmarshal(raw, &out); err != nil {
				t.Fatal(err)
			}
			var body api.ErrorBody
			if out.StatusCode != http.StatusOK {
				if err := json.Unmarshal([]byte(out.Body), &body); err != nil {
					t.Fatalf("%q: %v", out.Body, err)
				}
			}
			if out.StatusCode != c.status || body.Error.Code != c.code {
				t.Errorf("%d %q, want %d %q", out.StatusCode, body.Error.Code, c.status, c.code)
			}
		})
	}
	for name, foreign := range map[string]string{
		"an event of S3":     `{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"company-reports"}}}]}`,
		"payload format 1.0": `{"version":"1.0","path":"/v1/list","httpMethod":"POST"}`,
		"no JSON":            `x`,
	} {
		if out, err := f.Invoke(t.Context(), []byte(foreign)); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}
