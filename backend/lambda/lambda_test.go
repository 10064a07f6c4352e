package lambda_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"usher/backend/api"
	"usher/backend/lambda"
)

// seen is one request that reached the handler.
type seen struct {
	*http.Request
	body string
}

// handler records its requests and answers them with a function.
type handler struct {
	seen   []seen
	answer func(w http.ResponseWriter, r *http.Request)
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.seen = append(h.seen, seen{r, string(body)})
	if h.answer != nil {
		h.answer(w, r)
	}
}

func newAdapter(t testing.TB, h *handler, log io.Writer) *lambda.Adapter {
	t.Helper()
	a, err := lambda.New(lambda.Config{Handler: h, Log: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// recorded returns the events of a folder by name.
func recorded(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
	if err != nil || len(files) < 5 {
		t.Fatal(err, len(files))
	}
	out := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = raw
	}
	return out
}

func decode(t testing.TB, answer []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	var out events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRequests plays each recorded event and compares the request.
func TestRequests(t *testing.T) {
	const list = `{"bucket":"company-reports","prefix":"quarterly/"}`
	for name, event := range recorded(t, "events") {
		t.Run(name, func(t *testing.T) {
			h := &handler{}
			if _, err := newAdapter(t, h, io.Discard).Invoke(t.Context(), event); err != nil || len(h.seen) != 1 {
				t.Fatal(err, len(h.seen))
			}
			r := h.seen[0]
			method, path, query, host, ip, body := "POST", "/v1/list", "", "files.example.com", "198.51.100.7", list
			auth, kind := "Bearer aaa.bbb.ccc", "application/json"
			switch name {
			case "config":
				method, path, body, auth, kind = "GET", "/v1/config", "", "", ""
			case "no-body":
				body = ""
			case "ipv6":
				ip = "2001:db8::7"
			case "two-authorizations":
				auth = "Bearer aaa.bbb.ccc,Bearer ddd.eee.fff"
			case "two-content-types":
				kind = "application/json,application/json"
			case "stage":
				path = "/prod/v1/list"
			case "mapping":
				path = "/files/v1/list"
			case "other-host":
				host = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
			case "query":
				query = "a=b&a=c%2F"
			}
			got := []any{r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.RemoteAddr, r.body, r.ContentLength, r.Header.Get("Authorization"), r.Header.Get("Content-Type")}
			want := []any{method, path, query, host, ip, body, int64(len(body)), auth, kind}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%d: %v, want %v", i, got[i], want[i])
				}
			}
			for _, name := range []string{"Host", "X-Forwarded-For", "Forwarded"} {
				if v := r.Header.Values(name); len(v) > 0 {
					t.Errorf("%s reached the handler: %q", name, v)
				}
			}
		})
	}
}

// Two spellings of one header name are two values.
func TestRepeatedHeaders(t *testing.T) {
	h := &handler{}
	event := strings.Replace(string(recorded(t, "events")["list"]), `"authorization":`, `"Authorization": "Bearer x.y.z", "authorization":`, 1)
	if _, err := newAdapter(t, h, io.Discard).Invoke(t.Context(), []byte(event)); err != nil {
		t.Fatal(err)
	}
	if v := h.seen[0].Header.Values("Authorization"); len(v) != 2 {
		t.Errorf("%q", v)
	}
}

// An event of another source reaches no handler. The error names the fault.
func TestForeignEvents(t *testing.T) {
	for name, event := range recorded(t, "events/foreign") {
		var log bytes.Buffer
		h := &handler{}
		answer, err := newAdapter(t, h, &log).Invoke(t.Context(), event)
		var refused *lambda.EventError
		if !errors.As(err, &refused) || answer != nil || len(h.seen) != 0 {
			t.Errorf("%s: %v, %q, %d requests", name, err, answer, len(h.seen))
			continue
		}
		want := "is no request of an API Gateway HTTP API"
		if name == "rest-api" {
			want = "payload format version of the API's integration to 2.0"
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(log.String(), "event refused") {
			t.Errorf("%s: %v, %s", name, err, log.String())
		}
	}
}

// A prefix of the path is logged once: the administrator sees the fault.
func TestPrefixIsLogged(t *testing.T) {
	all := recorded(t, "events")
	for name, want := range map[string]int{"stage": 1, "mapping": 1, "list": 0, "config": 0} {
		var log bytes.Buffer
		a := newAdapter(t, &handler{}, &log)
		for range 3 {
			if _, err := a.Invoke(t.Context(), all[name]); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(log.String(), "has a prefix"); got != want {
			t.Errorf("%s: %d lines: %s", name, got, log.String())
		}
	}
}

// TestAnswers compares the decoded answer with that of a net/http server.
func TestAnswers(t *testing.T) {
	packed := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	for name, answer := range map[string]func(w http.ResponseWriter, _ *http.Request){
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"a":"b&<>\u0000"}`)
		},
		"status": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusTooManyRequests)
			w.WriteHeader(http.StatusOK) // without effect, as in net/http
			_, _ = io.WriteString(w, "wait")
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed("hello"))
		},
		"bytes": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0, 0xfe}) },
	} {
		h := &handler{answer: answer}
		raw, err := newAdapter(t, h, io.Discard).Invoke(t.Context(), recorded(t, "events")["list"])
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, raw)
		body := []byte(got.Body)
		if got.IsBase64Encoded {
			if body, err = base64.StdEncoding.DecodeString(got.Body); err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		answer(w, nil)
		if got.StatusCode != w.Code || !bytes.Equal(body, w.Body.Bytes()) || got.Headers["Content-Encoding"] != w.Header().Get("Content-Encoding") {
			t.Errorf("%s: %d %q %v", name, got.StatusCode, body, got.Headers)
		}
		if _, has := got.Headers["Connection"]; has {
			t.Errorf("%s: the answer has a header of the connection", name)
		}
	}
}

// An answer over the limit becomes an error of the API's form. The limit is that
// of the encoded answer, which is larger than the body.
func TestTooLarge(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"at the limit":         {strings.Repeat("a", lambda.MaxAnswer-300), http.StatusOK},
		"over the limit":       {strings.Repeat("a", lambda.MaxAnswer), http.StatusRequestEntityTooLarge},
		"over it in quotes":    {strings.Repeat(`"`, lambda.MaxAnswer/2+1), http.StatusRequestEntityTooLarge},
		"over it as base64":    {strings.Repeat("\xff", lambda.MaxAnswer*3/4+1), http.StatusRequestEntityTooLarge},
		"far over every limit": {strings.Repeat("a", 8<<20), http.StatusRequestEntityTooLarge},
	} {
		var log bytes.Buffer
		h := &handler{answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "01REQUEST")
			w.Header().Set("Content-Encoding", "")
			_, _ = io.WriteString(w, c.body)
		}}
		raw, err := newAdapter(t, h, &log).Invoke(t.Context(), recorded(t, "events")["list"])
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, raw)
		if got.StatusCode != c.want || len(raw) > lambda.MaxAnswer {
			t.Errorf("%s: %d with %d bytes", name, got.StatusCode, len(raw))
		}
		if c.want == http.StatusOK {
			continue
		}
		var body api.ErrorBody
		if err := json.Unmarshal([]byte(got.Body), &body); err != nil || body.Error.Code != api.TooLarge || body.Error.RequestID != "01REQUEST" {
			t.Errorf("%s: %s %v", name, got.Body, err)
		}
		if !strings.Contains(log.String(), "too large") {
			t.Errorf("%s: no line in the log", name)
		}
	}
}

// The request ends before the invocation does.
func TestDeadline(t *testing.T) {
	h := &handler{}
	end := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	if _, err := newAdapter(t, h, io.Discard).Invoke(ctx, recorded(t, "events")["list"]); err != nil {
		t.Fatal(err)
	}
	if at, ok := h.seen[0].Context().Deadline(); !ok || !at.Before(end) {
		t.Errorf("%v %v, and the invocation ends at %v", at, ok, end)
	}
}

func TestNewRefusesMissingParts(t *testing.T) {
	for _, c := range []lambda.Config{{}, {Handler: &handler{}}, {Log: slog.New(slog.DiscardHandler)}} {
		if _, err := lambda.New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// oneEvent plays any bytes. Nothing panics, and a request that reaches the handler
// has the host and the address of the event's context.
func oneEvent(t *testing.T, event []byte) {
	t.Helper()
	h := &handler{}
	answer, err := newAdapter(t, h, io.Discard).Invoke(t.Context(), event)
	if (err == nil) != (len(h.seen) == 1) {
		t.Fatalf("%d requests, %v: %q", len(h.seen), err, event)
	}
	if err != nil {
		return
	}
	decode(t, answer)
	var in events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &in); err != nil {
		t.Fatalf("accepted: %q: %v", event, err)
	}
	r, at := h.seen[0], in.RequestContext
	if r.Host != at.DomainName || r.RemoteAddr != at.HTTP.SourceIP || r.Method != at.HTTP.Method || r.URL.Path != in.RawPath || r.URL.IsAbs() ||
		len(r.Header.Values("X-Forwarded-For")) > 0 || r.ContentLength != int64(len(r.body)) {
		t.Errorf("%+v of %q", r.Request, event)
	}
	if !in.IsBase64Encoded && r.body != in.Body {
		t.Errorf("body %q of %q", r.body, event)
	}
}

// TestMutatedEvents plays recorded events with random changes.
func TestMutatedEvents(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := recorded(t, "events")
	for _, event := range recorded(t, "events/foreign") {
		all[string(event)] = event
	}
	for _, event := range all {
		for range 200 {
			changed := bytes.Clone(event)
			for range 1 + random.IntN(4) {
				i := random.IntN(len(changed))
				switch random.IntN(4) {
				case 0:
					changed[i] = byte(random.Uint32())
				case 1:
					changed = append(changed[:i], changed[min(len(changed), i+1+random.IntN(20)):]...)
				case 2:
					j := random.IntN(len(event))
					changed = append(changed[:i:i], append(bytes.Clone(event[j:min(len(event), j+30)]), changed[i:]...)...)
				default:
					changed[i] = `"{}[],:0`[random.IntN(8)]
				}
				if len(changed) == 0 {
					break
				}
			}
			oneEvent(t, changed)
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, event := range recorded(f, "events") {
		f.Add(event)
	}
	for _, event := range recorded(f, "events/foreign") {
		f.Add(event)
	}
	f.Fuzz(oneEvent)
}
