package cognito

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

func (b *bench) jwks() *jose.JSONWebKeySet {
	b.t.Helper()
	var set jose.JSONWebKeySet
	b.get("/"+testPool+"/.well-known/jwks.json", &set)
	return &set
}

func (b *bench) get(path string, out any) {
	b.t.Helper()
	resp, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s answered %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		b.t.Fatal(err)
	}
}
