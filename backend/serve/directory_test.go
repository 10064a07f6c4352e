package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/identity"
	"usher/backend/identity/identitytest"
)

// refusing fails every call of the AWS SDK and records the host.
type refusing struct {
	mu    sync.Mutex
	hosts []string
}

func (n *refusing) Do(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = append(n.hosts, r.URL.Scheme+"://"+r.URL.Host)
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"__type":"ResourceNotFoundException"}`)),
	}, nil
}

// The live check calls AWS at the address of the pool's region. No environment
// variable can redirect it to a server that reports every user as active.
func TestTheEnvironmentDoesNotMoveTheDirectory(t *testing.T) {
	forge := identitytest.New(t, "", "client1", "")
	jwks := httptest.NewServer(forge)
	t.Cleanup(jwks.Close)
	forge.Issuer = jwks.URL + "/eu-central-1_AbCdEf"
	now := func() time.Time { return forge.Now }
	keys, err := identity.NewKeySet(forge.Issuer, jwks.Client(), now)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := identity.NewVerifier(identity.VerifierConfig{Issuer: forge.Issuer, ClientIDs: []string{forge.Client}, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Verify(context.Background(), forge.Token(forge.Claims()))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://127.0.0.1:9", "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "an-example", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	c := Config{Region: "eu-central-1", UserPoolID: "eu-central-1_AbCdEf", Instances: 1, S3: S3{Region: "eu-central-1"}}
	sdk, err := awsConfig(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sdk.BaseEndpoint == nil {
		t.Fatal("the SDK ignores the environment: this test proves nothing")
	}
	calls := &refusing{}
	sdk.HTTPClient = calls
	source, err := identity.NewCognito(newPool(c, sdk, nil), c.UserPoolID, "", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	directory, err := identity.NewDirectory(identity.DirectoryConfig{Source: source, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directory.ForRelease(context.Background(), claims); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("a pool that refuses calls: %v, want ErrUnavailable", err)
	}
	if len(calls.hosts) == 0 {
		t.Fatal("no call was made")
	}
	if i := slices.IndexFunc(calls.hosts, func(h string) bool { return h != "https://cognito-idp.eu-central-1.amazonaws.com" }); i >= 0 {
		t.Errorf("the live check went to %s", calls.hosts[i])
	}
}
