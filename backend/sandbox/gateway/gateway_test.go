package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/backend/sandbox/gateway"
)

// start serves a function that keeps its last event and gives an answer.
func start(t *testing.T, answer string, failure error) (url string, last *map[string]any) {
	t.Helper()
	last = &map[string]any{}
	g, err := gateway.New(gateway.Config{Now: time.Now, Invoke: func(_ context.Context, payload []byte) ([]byte, error) {
		clear(*last)
		return []byte(answer), errors.Join(failure, json.Unmarshal(payload, last))
	}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	return web.URL, last
}

func post(t *testing.T, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response, string(raw)
}

// A request becomes an event of payload format 2.0, and the answer a response.
func TestRequestAndAnswer(t *testing.T) {
	url, last := start(t, `{"statusCode":201,"headers":{"x-a":"b"},"cookies":["c=d"],"body":"aGk=","isBase64Encoded":true}`, nil)
	response, body := post(t, url+"/v1/a%20b?q=1&q=2", "{}", map[string]string{"Authorization": "Bearer x"})
	if response.StatusCode != 201 || body != "hi" || response.Header.Get("X-A") != "b" || response.Header.Get("Set-Cookie") != "c=d" {
		t.Errorf("%d %q %v", response.StatusCode, body, response.Header)
	}
	e := *last
	headers, _ := e["headers"].(map[string]any)
	at, _ := e["requestContext"].(map[string]any)
	if e["version"] != "2.0" || e["rawPath"] != "/v1/a%20b" || e["rawQueryString"] != "q=1&q=2" || e["body"] != "{}" ||
		headers["authorization"] != "Bearer x" || "http://"+fmt.Sprint(at["domainName"]) != url {
		t.Errorf("the event is %v", e)
	}
	if _, _ = post(t, url+"/", "\xff", nil); (*last)["isBase64Encoded"] != true || (*last)["body"] != "/w==" {
		t.Errorf("the event is %v", *last)
	}
}

// A function that fails is a 500, and headers over the limit never reach it.
func TestFailures(t *testing.T) {
	url, _ := start(t, "", errors.New("a failure"))
	if response, body := post(t, url+"/", "", nil); response.StatusCode != 500 || body != `{"message":"Internal Server Error"}`+"\n" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	url, last := start(t, `{"statusCode":200}`, nil)
	if response, _ := post(t, url+"/", "", map[string]string{"X-Long": strings.Repeat("x", 10_240)}); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge || len(*last) > 0 {
		t.Errorf("%d, event %v", response.StatusCode, *last)
	}
}
