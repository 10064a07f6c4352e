package session

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"
)

// The client reproduces testdata/srp.json, which was computed with
// amazon-cognito-identity-js 6.3.21 (AuthenticationHelper, with a fixed
// ephemeral secret). The vectors cover the encodings of numbers that can be
// wrong unnoticed: leading zero bytes and high bits in A, B, salt, u and S.
func TestSRPVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/srp.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Why, Pool, User, Password, A, Salt, Key string
		PublicA                                 string `json:"a_public"`
		PublicB                                 string `json:"b_public"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 13 {
		t.Fatalf("%d vectors, want 13", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Why, func(t *testing.T) {
			a, _ := new(big.Int).SetString(v.A, 16)
			client, err := srpFrom(a, v.Pool)
			if err != nil {
				t.Fatal(err)
			}
			if client.publicA() != v.PublicA {
				t.Error("A differs")
			}
			challenge, err := client.readChallenge(map[string]string{
				"USER_ID_FOR_SRP": v.User, "SALT": v.Salt, "SRP_B": v.PublicB, "SECRET_BLOCK": "c2VjcmV0"})
			if err != nil {
				t.Fatal(err)
			}
			key, err := client.key(challenge, []byte(v.Password))
			if err != nil || hex.EncodeToString(key) != v.Key {
				t.Errorf("key %x, %v, want %s", key, err, v.Key)
			}
			if other, _ := client.key(challenge, []byte(v.Password+"x")); hex.EncodeToString(other) == v.Key {
				t.Error("another password gives the same key")
			}
		})
	}
}

// A server cannot cause a proof that does not depend on the password, or a
// crash.
func TestSRPRefusesChallenges(t *testing.T) {
	client, err := srpFrom(big.NewInt(12345), "eu-central-1_Ab3dEf9Gh")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"USER_ID_FOR_SRP": "ada", "SALT": "a1b2", "SRP_B": "abcdef", "SECRET_BLOCK": "c2VjcmV0"}
	if _, err := client.readChallenge(good); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	twice := new(big.Int).Lsh(client.n, 1).Text(16)
	for _, bad := range []struct{ name, value string }{
		{"USER_ID_FOR_SRP", ""}, {"SALT", ""}, {"SALT", "xyz"}, {"SALT", "-1"}, {"SRP_B", ""}, {"SRP_B", "0"},
		{"SRP_B", "00000"}, {"SRP_B", srpPrime}, {"SRP_B", twice}, {"SRP_B", "+12"}, {"SRP_B", "0x12"},
		{"SECRET_BLOCK", ""}, {"SECRET_BLOCK", "***"},
	} {
		parameters := map[string]string{}
		for k, v := range good {
			parameters[k] = v
		}
		parameters[bad.name] = bad.value
		if _, err := client.readChallenge(parameters); err == nil {
			t.Errorf("%s %.12q was accepted", bad.name, bad.value)
		}
	}
	for _, pool := range []string{"", "nounderscore"} {
		if _, err := srpFrom(big.NewInt(5), pool); err == nil {
			t.Errorf("pool %q was accepted", pool)
		}
	}
}

// The layout is Cognito's: a day of one digit has no leading zero.
func TestSRPTimestamp(t *testing.T) {
	at := time.Date(2026, 11, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	if got, want := at.UTC().Format(srpTime), "Tue Nov 3 03:05:06 UTC 2026"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
