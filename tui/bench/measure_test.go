package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fake is a program that writes ten bytes for each key.
const fake = `stty -echo -icanon; printf ready; while [ -n "$(dd bs=1 count=1 2>/dev/null)" ]; do printf 0123456789; done`

// The measurement counts the bytes of the moves alone.
func TestMeasure(t *testing.T) {
	if _, err := exec.LookPath("stty"); err != nil {
		t.Skip(err)
	}
	c := candidate{name: "fake", args: []string{"sh", "-c", fake}, key: "j", first: "ready", home: t.TempDir()}
	r := measure(t.Context(), c, 80, 24, 5)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if r.bytes != 10 || r.idle != 0 || r.p50 <= 0 || r.p50 > r.p99 || r.first <= 0 {
		t.Errorf("%+v, want 10 bytes a move and none at rest", r)
	}
}

// The table has each program, also those without a measurement, and the verdicts.
func TestTable(t *testing.T) {
	var b bytes.Buffer
	table(&b, "80x24", []result{{name: "usher", bytes: 201}, {name: "lf", bytes: 402}, {name: "nnn", err: os.ErrNotExist}})
	for _, want := range []string{"usher             201         1.00", "lf                402         0.50", "nnn      file does not exist", "201.0, at most  200.0: OVER", "bytes at rest      0.0, at most    0.0: ok"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}
