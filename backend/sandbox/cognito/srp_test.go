package cognito

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

//go:embed testdata/srp.json
var srpVectors []byte

type srpVector struct{ Name, Password, Salt, A, B, Key string }

func readVectors(t *testing.T) (pool, user string, vectors []srpVector) {
	t.Helper()
	var file struct {
		Pool, User string
		Vectors    []struct {
			Name     string `json:"name"`
			Password string `json:"password"`
			Salt     string `json:"salt"`
			A        string `json:"a"`
			B        string `json:"b"`
			Key      string `json:"key"`
		}
	}
	if err := json.Unmarshal(srpVectors, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		vectors = append(vectors, srpVector(v))
	}
	if len(vectors) < 17 {
		t.Fatalf("%d vectors, want at least 17", len(vectors))
	}
	return file.Pool, file.User, vectors
}

// A number begins with a zero byte in one of 256 exchanges, and has its high bit
// set in half of them. The vectors contain all these cases.
func TestSRPKeysEqualThoseOfTheReferenceClient(t *testing.T) {
	pool, user, vectors := readVectors(t)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			salt, a, b := hexNumber(v.Salt), hexNumber(v.A), hexNumber(v.B)
			client := newSRPClient(pool, a)
			verifier := srpVerifier(pool, user, v.Password, salt)
			B := srpPublic(b, verifier)
			got, err := srpKey(client.A, B, b, verifier)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got) != v.Key {
				t.Errorf("server's key is %x, the reference has %s", got, v.Key)
			}
			theirs, err := client.key(user, v.Password, B, salt)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(theirs) != v.Key {
				t.Errorf("test client's key is %x, the reference has %s", theirs, v.Key)
			}
		})
	}
}

// A negative control of the test above: the vectors detect the usual mistakes.
func TestSRPVectorsDetectWrongPadding(t *testing.T) {
	pool, user, vectors := readVectors(t)
	fixedWidth := func(width int) func(*big.Int) string {
		return func(n *big.Int) string {
			s := n.Text(16)
			return strings.Repeat("0", max(len(s)%2, width-len(s))) + s
		}
	}
	mistakes := map[string]func(*big.Int) string{
		"no sign byte": func(n *big.Int) string {
			s := n.Text(16)
			return strings.Repeat("0", len(s)%2) + s
		},
		"the group's width": fixedWidth(768),
		"the hash's width":  fixedWidth(64),
		"always a sign byte": func(n *big.Int) string {
			s := n.Text(16)
			return "00" + strings.Repeat("0", len(s)%2) + s
		},
	}
	caught := map[string]int{}
	for _, v := range vectors {
		salt := hexNumber(v.Salt)
		client := newSRPClient(pool, hexNumber(v.A))
		B := srpPublic(hexNumber(v.B), srpVerifier(pool, user, v.Password, salt))
		for name, padded := range mistakes {
			client.padded = padded
			key, err := client.key(user, v.Password, B, salt)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(key) != v.Key {
				caught[name]++
			}
		}
	}
	for name := range mistakes {
		if caught[name] == 0 {
			t.Errorf("padding with %s passes all vectors", name)
		}
	}
}

func TestPadIsShortestWithAClearSignBit(t *testing.T) {
	for n, want := range map[string]string{"0": "00", "1": "01", "7f": "7f", "80": "0080", "ff": "00ff",
		"100": "0100", "7fff": "7fff", "8000": "008000", "00000001": "01"} {
		if got := hex.EncodeToString(pad(hexNumber(n))); got != want {
			t.Errorf("pad(%s) = %s, want %s", n, got, want)
		}
	}
}

func TestParsePublicRefusesPredictableKeys(t *testing.T) {
	N := clientPrime()
	plus := func(n *big.Int, d int64) string { return new(big.Int).Add(n, big.NewInt(d)).Text(16) }
	double := new(big.Int).Mul(N, big.NewInt(2)).Text(16)
	for _, bad := range []string{"", "0", "00", strings.Repeat("0", 768), N.Text(16), "00" + N.Text(16), double, plus(N, 1),
		"-1", "+1", "0x1", "1_0", " 1", "1 ", "1\n", "g", "٣", strings.Repeat("f", 768), strings.Repeat("1", 771), strings.Repeat("1", 1<<20)} {
		if _, err := parsePublic(bad); err == nil {
			t.Errorf("accepted %.40q", bad)
		}
	}
	for _, good := range []string{"1", "2", "A", "a", "00ff", plus(N, -1), "00" + plus(N, -1)} {
		if _, err := parsePublic(good); err != nil {
			t.Errorf("refused %.40q", good)
		}
	}
}
