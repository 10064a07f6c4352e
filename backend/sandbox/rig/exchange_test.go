package rig

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/klauspost/compress/gzip"

	"usher/backend/api"
)

// reply is a decoded answer. The status is 0 if the instance died.
type reply struct {
	status int
	body   []byte
}

// call makes one request: as API Gateway sends it, or over HTTP.
func (i *instance) call(ctx context.Context, verb, token, body string) reply {
	header := map[string]string{
		"accept-encoding": "gzip", "content-type": "application/json", "authorization": "Bearer " + token, "user-agent": "rig",
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.f.serve {
		status, raw := exchange(ctx, i.url+"/v1/"+verb, []byte(body), header)
		return reply{status, raw}
	}
	header["host"] = filesHost
	in := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/v1/" + verb, Body: body, Headers: header}
	in.RequestContext.DomainName, in.RequestContext.Stage = filesHost, "$default"
	in.RequestContext.HTTP.Method, in.RequestContext.HTTP.SourceIP = http.MethodPost, "198.51.100.7"
	payload, err := json.Marshal(in)
	if err != nil {
		return reply{}
	}
	_, raw := exchange(ctx, i.url, payload, nil)
	var out events.APIGatewayV2HTTPResponse
	if json.Unmarshal(raw, &out) != nil {
		return reply{}
	}
	text := []byte(out.Body)
	if out.IsBase64Encoded {
		if text, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			return reply{}
		}
		text = gunzip(text)
	}
	return reply{out.StatusCode, text}
}

// exchange posts a body and returns the response, or 0 if there is none.
func exchange(ctx context.Context, url string, body []byte, header map[string]string) (int, []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	if header != nil {
		req.Host = filesHost
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	if res.Header.Get("Content-Encoding") == "gzip" {
		raw = gunzip(raw)
	}
	return res.StatusCode, raw
}

// gunzip returns nil for a text that is not whole.
func gunzip(packed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return text
}

// released returns the events of the URLs in an answer.
func (a reply) released() (ids []string) {
	var out api.ReleaseResponse
	if a.status != http.StatusOK || json.Unmarshal(a.body, &out) != nil {
		return nil
	}
	for _, item := range out.Items {
		if item.URL != "" {
			ids = append(ids, item.Event)
		}
	}
	return ids
}
