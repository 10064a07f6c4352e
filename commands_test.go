package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/safetext/safetexttest"
)

// Each hostile text of the corpus is a name in a bucket, an absent name, a word of
// a filter and an argument. No command prints it unescaped, neither to stdout nor
// to stderr.
func TestCommandsEscapeTheirOutput(t *testing.T) {
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	c := commands{t: t, home: t.TempDir(), server: w.Server}
	for _, p := range w.People {
		if p.Username == "ada" {
			c.run(p.Password+"\n", "login", "--username", "ada", "--password-stdin")
		}
	}
	const folder = "company-reports/annual/hostile/"
	put := 0
	for _, p := range safetexttest.Payloads() {
		if !utf8.ValidString(p.Text) || strings.Contains(p.Text, "\x00") { // not a valid S3 key
			continue
		}
		bucket, key, _ := strings.Cut(folder+p.Text, "/")
		w.Put(t, bucket, key, "x")
		w.Put(t, bucket, key+"/inside", "x")
		put++
	}
	c.put = put
	c.check("ls", folder)
	c.check("ls", "-l", folder)
	c.check("ls", "-R", folder)
	c.check("get", folder, "-o", "got", "--dry-run")
	c.check("get", folder, "-o", "got")
	c.check("get", "--json", folder, "-o", "again")
	c.put = 1
	for _, p := range safetexttest.Payloads() {
		if strings.Contains(p.Text, "\x00") { // not a valid argument
			continue
		}
		c.check("ls", folder+"none"+p.Text+"/")
		if testing.Short() { // each of the others starts one more process for each text
			continue
		}
		c.check("get", folder+"none"+p.Text, "-o", "got")
		c.check("url", folder+"none"+p.Text)
		c.check("audit", "path:"+p.Text)
		c.check("access", "who", p.Text)
		c.check(p.Text)
	}
	t.Logf("TERMINAL world=commands payloads=%d renders=%d control_bytes_leaked=%d overflow=0", put, c.renders, c.leaks)
	if c.renders < 3*put {
		t.Errorf("only %d renders", c.renders)
	}
}

// commands runs usher with a separate home folder.
type commands struct {
	t              *testing.T
	home, server   string
	put            int // texts that each command shows
	renders, leaks int
}

func (c *commands) run(stdin string, args ...string) (out, errs string) {
	c.t.Helper()
	program, err := exec.LookPath("usher") // the test binary under that name (testscript.Main)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), program, args...)
	cmd.Dir, cmd.Stdin = c.home, strings.NewReader(stdin)
	cmd.Env = []string{"HOME=" + c.home, "USHER_SERVER=" + c.server, "LANG=C.UTF-8", "TZ=UTC", "TMPDIR=" + c.t.TempDir()}
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run() // failures are part of the test
	return o.String(), e.String()
}

func (c *commands) check(args ...string) {
	c.t.Helper()
	out, errs := c.run("", args...)
	if out+errs == "" {
		c.t.Errorf("usher %q prints nothing", args)
	}
	c.renders += c.put
	for _, line := range strings.Split(out+errs, "\n") {
		if err := safetexttest.Leaks(line); err != nil {
			c.leaks++
			c.t.Errorf("usher %q: %v in %s", args, err, fmt.Sprintf("%.200q", line))
		}
	}
}
