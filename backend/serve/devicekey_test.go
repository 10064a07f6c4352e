package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"usher/backend/api"
	"usher/backend/dynamo/dynamotest"
)

// form sends a form to a function, as API Gateway does.
func form(t *testing.T, f *function, path string, values url.Values) (int, map[string]any) {
	t.Helper()
	var in events.APIGatewayV2HTTPRequest
	in.Version, in.RawPath, in.Body = "2.0", path, values.Encode()
	in.RequestContext.DomainName = strings.TrimPrefix(testOrigin, "https://")
	in.RequestContext.HTTP.Method, in.RequestContext.HTTP.SourceIP = http.MethodPost, "192.0.2.9"
	in.Headers = map[string]string{"content-type": "application/x-www-form-urlencoded"}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Invoke(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var answer events.APIGatewayV2HTTPResponse
	var body map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil {
		t.Fatalf("%d %s: %v", answer.StatusCode, answer.Body, err)
	}
	return answer.StatusCode, body
}

// Two instances without a configured key continue each other's device sign-ins.
// While the table of the key does not respond, a sign-in is refused and the next
// one works.
func TestDeviceKeyIsShared(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.config.HostedUI = "https://sign-in.example.com"
	c.config.SignIn.DeviceClient = "device1"
	var log bytes.Buffer
	one, two := c.instance(t, "1", &log), c.instance(t, "1", io.Discard)

	begin := url.Values{"client_id": {"device1"}, "code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"}}
	c.tables.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
		if op == "GetItem" && bytes.Contains(body, []byte(`"device"`)) {
			return dynamotest.Down
		}
		return dynamotest.Pass
	})
	if status, body := form(t, one, api.DeviceAuthorizePath, begin); status != http.StatusServiceUnavailable || body["error"] != "temporarily_unavailable" {
		t.Errorf("without the key: %d %v", status, body)
	}
	c.tables.Fault(nil)

	status, begun := form(t, one, api.DeviceAuthorizePath, begin)
	code, _ := begun["device_code"].(string)
	if status != http.StatusOK || code == "" {
		t.Fatalf("%d %v", status, begun)
	}
	poll := url.Values{"client_id": {"device1"}, "device_code": {code}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}}
	if status, body := form(t, two, api.DeviceTokenPath, poll); status != http.StatusBadRequest || body["error"] != "authorization_pending" {
		t.Errorf("the other instance: %d %v", status, body)
	}
	if !strings.Contains(log.String(), "device sign-ins are not available") {
		t.Errorf("the log has no cause: %s", log.String())
	}
}
