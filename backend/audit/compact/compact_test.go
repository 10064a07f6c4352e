package compact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func open(t testing.TB, text string) *Dictionary {
	t.Helper()
	d, err := New([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sampleTexts returns JSON objects that have most of their parts in common.
func sampleTexts(n int) [][]byte {
	r := rand.New(rand.NewPCG(3, 5))
	var all [][]byte
	for range n {
		all = append(all, fmt.Appendf(nil, `{"action":"download","bucket":"reports","id":"01KZ%022d","key":"annual/%d.csv","size":%d,"user":{"email":"p%d@example.com","sub":"s"},"user_agent":"usher/1.0"}`,
			r.Uint64(), r.IntN(1000), r.IntN(1<<20), r.IntN(50)))
	}
	return all
}

func members() Members {
	return Members{Whole: []string{"action", "bucket", "user_agent"}, Start: []string{"id"}}
}

// Every text comes back: events, random bytes, repetitions, and texts at the bounds.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := sampleTexts(500)
	for n := range 400 {
		text := make([]byte, n)
		for i := range text {
			text[i] = "abcdef\x00\xff"[r.IntN(1+n%8)]
		}
		texts = append(texts, text)
	}
	texts = append(texts, bytes.Repeat([]byte("x"), MaxText), bytes.Repeat([]byte(`{"a":"b"}`), MaxText/9))
	trained := Train(texts[:300], members(), MaxDictionary)
	for name, d := range map[string]*Dictionary{
		"trained": open(t, string(trained)), "empty": open(t, ""), "short": open(t, "ab"), "longest": open(t, strings.Repeat("abcdefgh", MaxDictionary/8)),
	} {
		shorter := 0
		for _, text := range texts {
			packed, ok := d.Compress([]byte("before"), text)
			back, err := d.Expand([]byte("first"), packed[len("before"):])
			if err != nil || !bytes.Equal(back, append([]byte("first"), text...)) {
				t.Fatalf("%s: %d bytes came back as %d (%v)", name, len(text), len(back), err)
			}
			if ok != (len(packed)-len("before") < len(text)) {
				t.Errorf("%s: %v for %d bytes of %d", name, ok, len(packed), len(text))
			}
			if ok {
				shorter++
			}
		}
		if shorter < 100 {
			t.Errorf("%s: %d texts became shorter", name, shorter)
		}
	}
	if _, ok := open(t, "").Compress(nil, make([]byte, MaxText+1)); ok {
		t.Error("a text above the bound was compressed")
	}
	if _, err := Open(make([]byte, MaxDictionary+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a dictionary above the bound: %v", err)
	}
}

// The blocks of the format's specification, made by hand.
func TestFormat(t *testing.T) {
	d := open(t, "dictionary")
	for packed, want := range map[string]string{
		"\x30abc":                            "abc",
		"\x00":                               "",
		"\x11a\x01\x00\x50bcdef":             "aaaaaabcdef",     // the match overlaps itself
		"\x06\x0a\x00\x50bcdef":              "dictionarybcdef", // a match in the dictionary
		"\x14-\x03\x00\x50bcdef":             "-ry-ry-rybcdef",  // from the dictionary into the text
		"\xf0\x05" + strings.Repeat("x", 20): strings.Repeat("x", 20),
		"\x1fa\x01\x00\xff\x00\x50bcdef":     "a" + strings.Repeat("a", 15+255+4) + "bcdef",
		"\x1fa\x01\x00\x01\x10b":             "a" + strings.Repeat("a", 15+1+4) + "b",
	} {
		if got, err := d.Expand(nil, []byte(packed)); err != nil || string(got) != want {
			t.Errorf("%q: %q, want %q (%v)", packed, got, want, err)
		}
	}
}

// Malformed bytes are refused, and no text is longer than the bound.
func TestMalformed(t *testing.T) {
	d := open(t, "dictionary")
	for name, packed := range map[string]string{
		"empty": "", "literals missing": "\x30ab", "length missing": "\xf0", "offset missing": "\x11a\x01", "offset 0": "\x11a\x00\x00\x50bcdef",
		"offset before the dictionary": "\x11a\x0c\x00\x50bcdef", "no last sequence": "\x11a\x01\x00", "length without an end": "\xf0" + strings.Repeat("\xff", 100),
		"a text without an end":     "\x1fa\x01\x00" + strings.Repeat("\xff", 1<<20) + "\x00\x50bcdef",
		"many matches of the bound": strings.Repeat("\x1fa\x01\x00"+strings.Repeat("\xff", 60)+"\x00", 5) + "\x50bcdef",
	} {
		if got, err := d.Expand([]byte("kept"), []byte(packed)); !errors.Is(err, ErrMalformed) || string(got) != "kept" {
			t.Errorf("%s: %d bytes (%v)", name, len(got), err)
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	d = open(t, string(Train(sampleTexts(100), members(), 4096)))
	refused := 0
	for _, text := range sampleTexts(3000) {
		packed, _ := d.Compress(nil, text)
		for range 1 + r.IntN(3) {
			packed[r.IntN(len(packed))] = byte(r.Uint32())
		}
		packed = packed[:1+r.IntN(len(packed))]
		got, err := d.Expand(nil, packed)
		if len(got) > MaxText {
			t.Fatalf("%d bytes", len(got))
		}
		if err != nil {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("%d refused", refused)
	}
}

// A dictionary has the chosen members, the names of all others, and no other value.
func TestTrain(t *testing.T) {
	sample := sampleTexts(1000)
	text := Train(sample, members(), MaxDictionary)
	for _, part := range []string{`"action":"download","bucket":"reports"`, `"id":"01KZ0`, `,"key":"`, `,"sub":"`, `"user_agent":"usher/1.0"`} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("%s is not in %s", part, text)
		}
	}
	for _, part := range []string{"annual", "example.com", "@", `"p`, `"sub":"s`} {
		if bytes.Contains(text, []byte(part)) {
			t.Errorf("%s is in %s", part, text)
		}
	}
	if again := Train(slices.Clone(sample), members(), MaxDictionary); !bytes.Equal(again, text) {
		t.Error("the same sample made another dictionary")
	}
	if short := Train(sample, members(), 100); len(short) > 100 {
		t.Errorf("%d bytes", len(short))
	}
	if text := Train(nil, members(), 100); len(text) > 0 {
		t.Errorf("of no texts: %q", text)
	}
}

// Each text that Train makes is told apart from one with other bytes or values.
func TestTrained(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	odd := []string{"", "usher/1.0", "a,", ",", `{"key":"x"}`, `,"key":"annual`, `"`, `\\`, "a:", "é", `x{"y`, strings.Repeat("agent ", 20)}
	value := func() string {
		text, err := json.Marshal(odd[r.IntN(len(odd))])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for range 300 {
		var sample [][]byte
		for range Least {
			sample = append(sample, nil)
		}
		for range 5 {
			text := fmt.Appendf(nil, `{"action":%s,"bucket":%s,"bytes":%d,"group_names":["a",%s],"id":%s,"key":%s,"size":12,"user":{"email":%s,"sub":"s"},"user_agent":%s}`,
				value(), value(), r.IntN(9), value(), value(), value(), value(), value())
			for range Least {
				sample = append(sample, text)
			}
		}
		text := Train(sample, members(), MaxDictionary)
		if len(text) == 0 || !Trained(text, members()) {
			t.Fatalf("%q", text)
		}
		for _, other := range []string{"x" + string(text), "{" + string(text), string(text) + `,"key":"annual`, `{"user":{"email":"p@example.com` + string(text), `,"size":12` + string(text)} {
			if Trained([]byte(other), members()) {
				t.Fatalf("accepted: %q", other)
			}
		}
	}
	if !Trained(nil, members()) {
		t.Error("the text of no sample is refused")
	}
}

func FuzzExpand(f *testing.F) {
	d, err := New(Train(sampleTexts(100), members(), 4096))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range sampleTexts(3) {
		packed, _ := d.Compress(nil, text)
		f.Add(packed)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := d.Expand(nil, b); err == nil && len(text) > MaxText {
			t.Errorf("%d bytes", len(text))
		}
		if packed, ok := d.Compress(nil, b); ok && !d.Expands(packed, b) {
			t.Errorf("%q does not come back", b)
		}
	})
}
