package checkpoint_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

func newSigner(t testing.TB, name string) *checkpoint.Signer {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *checkpoint.Signer, head tree.Head) []byte {
	t.Helper()
	signed, err := s.Sign(head)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestACheckpointIsASignedNote(t *testing.T) {
	s := newSigner(t, "usher.example.com/audit")
	for _, head := range []tree.Head{{}, {Size: 1, Root: tree.Hash{1}}, {Size: 1<<62 - 1, Root: tree.Hash{255}}} {
		signed := sign(t, s, head)
		text, _, _ := strings.Cut(string(signed), "\n\n")
		if lines := strings.Split(text, "\n"); len(lines) != 3 || lines[0] != "usher.example.com/audit" || lines[1] != fmt.Sprint(head.Size) || lines[2] != head.Root.String() {
			t.Errorf("the text is %q", text)
		}
		if got, err := s.Open(signed); err != nil || got != head {
			t.Errorf("%v, want %v (%v)", got, head, err)
		}
	}
}

// A signed text that is no checkpoint of the log is refused.
func TestSignedTextsThatAreNoCheckpoints(t *testing.T) {
	secret, public, err := checkpoint.Generate(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	const root = "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for text, want := range map[string]error{
		"log\n5\n" + root + "\n":                    nil,
		"other\n5\n" + root + "\n":                  checkpoint.ErrMalformed,
		"log\n05\n" + root + "\n":                   checkpoint.ErrMalformed,
		"log\n+5\n" + root + "\n":                   checkpoint.ErrMalformed,
		"log\n-5\n" + root + "\n":                   checkpoint.ErrMalformed,
		"log\n5\n" + root + "\nextension\n":         checkpoint.ErrMalformed,
		"log\n5\n" + root + "\n\nextension\n":       checkpoint.ErrMalformed,
		"log\n5\n" + root[:8] + "\n":                checkpoint.ErrMalformed,
		"log\n5\n" + root[:42] + "B=\n":             checkpoint.ErrMalformed,
		"log\n5\n":                                  checkpoint.ErrMalformed,
		"log\n99999999999999999999\n" + root + "\n": checkpoint.ErrMalformed,
	} {
		signed, err := note.Sign(&note.Note{Text: text}, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Open(signed); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	mine, other := newSigner(t, "log"), newSigner(t, "log")
	if _, err := mine.Open(sign(t, other, tree.Head{Size: 5})); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("%v", err)
	}
	secret, _, err := checkpoint.Generate(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.NewSigner(secret, mine.Key()); err == nil {
		t.Error("two keys that do not belong together are accepted")
	}
	if _, err := checkpoint.NewSigner("PRIVATE+KEY+secret", mine.Key()); err == nil || strings.Contains(err.Error(), "secret+") {
		t.Errorf("a malformed key: %v", err)
	}
}

func ExampleSigner() {
	secret, public, err := checkpoint.Generate(rand.Reader, "usher.example.com/audit")
	if err != nil {
		panic(err)
	}
	signer, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(tree.Head{Size: 12})
	if err != nil {
		panic(err)
	}
	verifier, err := checkpoint.NewVerifier(public)
	if err != nil {
		panic(err)
	}
	head, err := verifier.Open(signed)
	fmt.Println(head.Size, err)
	// Output: 12 <nil>
}
