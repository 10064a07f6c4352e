package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// trigger is the function that the pool calls, with the log that it wrote.
func trigger(t *testing.T, environ ...string) (lambda.Handler, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	f, err := NewFunction(t.Context(), append([]string{"USHER_TASK=federation"}, environ...), Deps{
		Now: func() time.Time { return time.Unix(1764345600, 5) }, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h, ok := f.Handler.(lambda.Handler)
	if !ok {
		t.Fatalf("%T is no handler of events", f.Handler)
	}
	return h, &log
}

// The value is written at every sign-in, with the allowed groups and the time.
func TestFederationTrigger(t *testing.T) {
	for name, row := range map[string]struct {
		allowed, attributes, want string
	}{
		"an allowed group":            {"[finance-*]", `{"idToken":{"groups":["finance-team","usher-admins"]}}`, "1764345600[finance-team]"},
		"admins where they are named": {"[usher-admins]", `{"samlResponse":{"groups":"[usher-admins,usher-auditors]"}}`, "1764345600[usher-admins]"},
		"admins of a prefix":          {"['*']", `{"samlResponse":{"groups":"[usher-admins,usher-auditors]"}}`, "1764345600[]"},
		"no groups":                   {"[finance-team]", `{"idToken":{}}`, "1764345600[]"},
	} {
		h, _ := trigger(t, "USHER_FEDERATED_GROUPS="+row.allowed)
		out, err := h.Invoke(t.Context(), []byte(`{"request":{"attributes":`+row.attributes+`},"response":{"userAttributesToMap":{}}}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var answer struct {
			Response struct {
				Mapped map[string]string `json:"userAttributesToMap"`
			}
		}
		if err := json.Unmarshal(out, &answer); err != nil || answer.Response.Mapped["custom:groups"] != row.want {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestFederationTriggerClaim(t *testing.T) {
	h, _ := trigger(t, "USHER_FEDERATED_GROUPS=[a]", "USHER_GROUPS_CLAIM=memberOf", "USHER_GROUPS_ATTRIBUTE_NAME=custom:teams")
	out, err := h.Invoke(t.Context(), []byte(`{"request":{"attributes":{"idToken":{"memberOf":"a","groups":"b"}}}}`))
	if err != nil || !strings.Contains(string(out), `"custom:teams":"1764345600[a]"`) {
		t.Errorf("%s, %v", out, err)
	}
}

// A refused event fails the sign-in, and neither the error nor the log has the
// attributes of the person.
func TestFederationTriggerRefuses(t *testing.T) {
	h, log := trigger(t, "USHER_FEDERATED_GROUPS=[a]")
	for _, event := range []string{`{}`, `{"request":{"attributes":["ada@example.com"]}}`, `ada@example.com`} {
		out, err := h.Invoke(context.Background(), []byte(event))
		if err == nil || out != nil || strings.Contains(err.Error(), "ada") {
			t.Errorf("%s is answered with %s, %v", event, out, err)
		}
	}
	if strings.Contains(log.String(), "ada@") || strings.Count(log.String(), "sign-in refused") != 3 {
		t.Errorf("the log is %s", log)
	}
}

func TestFederationTriggerVariables(t *testing.T) {
	for _, environ := range [][]string{
		nil, {"USHER_FEDERATED_GROUPS=[]"}, {"USHER_FEDERATED_GROUPS=a b"}, {"USHER_FEDERATED_GROUPS=[a**]"},
		{"USHER_FEDERATED_GROUPS=[a]", "USHER_AUDIT=dynamodb:log"}, {"USHER_FEDERATED_GROUPS=[a]", "USHER_ADMINS_GROUP=a b"},
	} {
		if _, err := NewFunction(t.Context(), append([]string{"USHER_TASK=federation"}, environ...), Deps{Now: time.Now, Log: slog.Default()}); err == nil {
			t.Errorf("%q is accepted", environ)
		}
	}
}
