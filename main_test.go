package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/object/objecttest"
	"usher/client/cli"
)

// The scripts are command lines against `usher demo` in a separate process, with
// sign-in service, storage and backend over real HTTP.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"usher": main, "browser": playBrowser})
}

const scripts = "client/cli/testdata/script"

func TestScripts(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(scripts, "*.txtar"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", scripts, err)
	}
	for _, name := range found {
		if text, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin with its promise as a comment: %v", name, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 scripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".home", "config"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".home", "state"))
			env.Setenv("TZ", "UTC")
			env.Setenv("__FANG_TEST_WIDTH", "100") // of --help, in place of the terminal's
			env.Values[demoKey{}] = &demoProcess{}
			env.Values[faultyKey{}] = new(*objecttest.Storage)
			env.Values[testKey{}] = t
			env.Values[jobKey{}] = new(*exec.Cmd)
			return os.MkdirAll(filepath.Join(env.WorkDir, ".home"), 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name == "root" { // permissions do not apply to root
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("there is no condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"demo":      positive("demo", 0, beginDemo),
			"faulty":    positive("faulty HOW", 1, faulty),
			"stop":      positive("stop", 0, endDemo),
			"totp":      positive("totp NAME", 1, writeCode),
			"full":      positive("full ARGS...", -1, full),
			"exits":     positive("exits CODE usher ARGS...", -2, exits),
			"same":      positive("same FILE BUCKET/KEY", 2, same),
			"store":     positive("store BUCKET/KEY FILE", 2, store),
			"fetch":     positive("fetch STATUS FILE OUT", 3, fetch),
			"liar":      positive("liar HOW", 1, startLiar),
			"garbage":   positive("garbage", 0, startGarbage),
			"clean":     positive("clean FOLDER [ALLOWED...]", -1, clean),
			"interrupt": positive("interrupt INT|TERM GLOB", 2, interrupt),
			"ended":     positive("ended CODE", 1, ended),
			"jsonlines": positive("jsonlines FILE KEY...", -2, jsonLines),
			"quiet":     positive("quiet FILE", 1, quiet),
		},
	})
}

// positive returns a command without a negated form that takes n arguments, or at
// least -n of them.
func positive(usage string, n int, run func(*testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || n >= 0 && len(args) != n || n < 0 && len(args) < -n {
			ts.Fatalf("usage: %s", usage)
		}
		run(ts, args)
	}
}

// demoProcess is a running `usher demo --serve --json`.
type demoProcess struct {
	cmd   *exec.Cmd
	facts cli.DemoFacts
	tmp   string // its TMPDIR
}

type (
	demoKey struct{}
	jobKey  struct{}
)

// running returns the script's demo.
func running(ts *testscript.TestScript) *demoProcess {
	d := ts.Value(demoKey{}).(*demoProcess)
	if d.cmd == nil {
		ts.Fatalf("no demo is running: begin with the command demo")
	}
	return d
}

// beginDemo starts a demo, sets USHER_SERVER, DEMO_PIN, S3_ENDPOINT, DEMO_DIR and GRANTS,
// and writes a file NAME.pw with the password of each person.
func beginDemo(ts *testscript.TestScript, args []string) {
	program, err := exec.LookPath("usher")
	ts.Check(err)
	d := ts.Value(demoKey{}).(*demoProcess)
	d.tmp = ts.MkAbs(".demo-tmp")
	ts.Check(os.MkdirAll(d.tmp, 0o700))
	var problems bytes.Buffer
	cmd := exec.Command(program, append([]string{"demo", "--serve", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+d.tmp)
	cmd.Dir, cmd.Stderr = d.tmp, &problems
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = cmd.Wait()
		ts.Fatalf("the demo does not start: %v\n%s", err, problems.String())
	}
	ts.Check(json.Unmarshal(line, &d.facts))
	d.cmd = cmd
	ts.Setenv("USHER_SERVER", d.facts.Server)
	ts.Setenv("DEMO_PIN", d.facts.Pin)
	ts.Setenv("S3_ENDPOINT", d.facts.S3Endpoint)
	ts.Setenv("GRANTS", d.facts.GrantsFile)
	ts.Setenv("DEMO_DIR", d.facts.Dir)
	for _, p := range d.facts.People {
		ts.Check(os.WriteFile(ts.MkAbs(p.Username+".pw"), []byte(p.Password+"\n"), 0o600))
	}
}

// endDemo sends SIGTERM, and requires exit code 0 and no files left.
func endDemo(ts *testscript.TestScript, _ []string) {
	d := running(ts)
	ts.Check(d.cmd.Process.Signal(syscall.SIGTERM))
	if err := d.cmd.Wait(); err != nil {
		ts.Fatalf("the demo ended with %v", err)
	}
	clean(ts, []string{d.tmp})
}

// writeCode writes NAME.in: the password and a current code, one a line.
func writeCode(ts *testscript.TestScript, args []string) {
	for _, p := range running(ts).facts.People {
		if p.Username == args[0] {
			code, err := totp.GenerateCode(p.TOTPSecret, time.Now())
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[0]+".in"), []byte(p.Password+"\n"+code+"\n"), 0o600))
			return
		}
	}
	ts.Fatalf("there is no %s", args[0])
}

// exits runs a command and requires an exit code.
func exits(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	have := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		have = exit.ExitCode()
	}
	if have != want {
		ts.Fatalf("exit code %d, want %d", have, want)
	}
}

// full runs usher with stdout on a full disk, and requires exit code 7 and one
// sentence. It does nothing on systems without /dev/full.
func full(ts *testscript.TestScript, args []string) {
	if _, err := os.Stat("/dev/full"); err != nil {
		return
	}
	exits(ts, append([]string{"7", "sh", "-c", `exec usher "$@" >/dev/full`, "sh"}, args...))
	said := strings.Split(strings.TrimSpace(ts.ReadFile("stderr")), "\n")
	if last := said[len(said)-1]; !strings.Contains(last, "Can't write the output: no space left on device. It is not complete.") {
		ts.Fatalf("usher %s: %s", strings.Join(args, " "), last)
	}
}

// Every command with output on stdout is run on a full disk in output.txtar.
func TestEveryCommandOnAFullDisk(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(scripts, "output.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	silent := []string{"usher", "usher serve",
		"usher audit reindex", "usher grants apply", "usher grants add", "usher grants remove"} // these need DynamoDB
	var missing func(cmd *cobra.Command)
	missing = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			missing(c)
		}
		name := cmd.CommandPath()
		if cmd.HasSubCommands() && cmd.CommandPath() != "usher audit" || slices.Contains(silent, name) {
			return
		}
		if _, args, _ := strings.Cut(name, " "); !strings.Contains(string(raw), "\nfull "+args) {
			t.Errorf("no line of output.txtar runs %s", name)
		}
	}
	missing(cli.Root(cli.Program{Version: "1.2.3"}))
}

// owner returns an S3 client with the keys of the sandbox's account.
func owner(ts *testscript.TestScript, path string) (client *s3.Client, bucket, key *string) {
	f := running(ts).facts
	b, k, ok := strings.Cut(path, "/")
	if !ok {
		ts.Fatalf("%s is not BUCKET/KEY", path)
	}
	return s3.New(s3.Options{
		Region: f.Region, BaseEndpoint: aws.String(f.S3Endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(f.S3AccessKey, f.S3SecretKey, ""),
	}), aws.String(b), aws.String(k)
}

// same compares a file with an object, read by another client, by SHA-256.
func same(ts *testscript.TestScript, args []string) {
	client, bucket, key := owner(ts, args[1])
	out, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	ts.Check(err)
	defer out.Body.Close()
	remote := sha256.New()
	n, err := io.Copy(remote, out.Body)
	ts.Check(err)
	local := sha256.New()
	if args[0] == "stdout" {
		_, _ = io.WriteString(local, ts.ReadFile("stdout"))
	} else {
		f, err := os.Open(ts.MkAbs(args[0]))
		ts.Check(err)
		defer f.Close()
		_, err = io.Copy(local, f)
		ts.Check(err)
	}
	if n == 0 || !bytes.Equal(local.Sum(nil), remote.Sum(nil)) {
		ts.Fatalf("%s is not what %s holds (%d bytes)", args[0], args[1], n)
	}
}

// store uploads a file with the owner's keys.
func store(ts *testscript.TestScript, args []string) {
	client, bucket, key := owner(ts, args[0])
	_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: bucket, Key: key, Body: strings.NewReader(ts.ReadFile(args[1])),
	})
	ts.Check(err)
}

var address = regexp.MustCompile(`https?://[^\s'"]+`)

// fetch gets the URL in a file, like a browser, and requires a status.
func fetch(ts *testscript.TestScript, args []string) {
	link := address.FindString(ts.ReadFile(args[1]))
	if link == "" {
		ts.Fatalf("%s holds no URL", args[1])
	}
	res, err := http.Get(link)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if strconv.Itoa(res.StatusCode) != args[0] {
		ts.Fatalf("status %d, want %s: %s", res.StatusCode, args[0], body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o600))
}

// hostileChanges returns changes of a released item by name.
func hostileChanges(facts cli.DemoFacts) map[string]func(*api.ReleaseItem) {
	replace := func(old, with string) func(*api.ReleaseItem) {
		return func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, old, with, 1) }
	}
	return map[string]func(*api.ReleaseItem){
		"host":     replace(facts.S3Endpoint, "https://elsewhere.invalid"),
		"scheme":   replace(facts.S3Endpoint, "file://"),
		"userinfo": replace("http://", "http://a:b@"),
		"object":   replace("/company-reports/", "/builds/"),
		"escapes":  func(i *api.ReleaseItem) { i.URL += "\x1b[2J" },
		"life":     func(i *api.ReleaseItem) { i.Life = 86400 },
		"none":     func(i *api.ReleaseItem) { i.URL = "" },
	}
}

// startLiar sets LIAR: the demo's backend behind a proxy that changes downloads.
func startLiar(ts *testscript.TestScript, args []string) {
	facts := running(ts).facts
	lie := hostileChanges(facts)[args[0]]
	if lie == nil {
		ts.Fatalf("there is no lie %s", args[0])
	}
	to, err := url.Parse(facts.Server)
	ts.Check(err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = to.Host },
		ModifyResponse: func(res *http.Response) error {
			if res.Request.URL.Path != "/v1/release" || res.StatusCode != http.StatusOK {
				return nil
			}
			raw, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			var out api.ReleaseResponse
			if err := json.Unmarshal(raw, &out); err != nil {
				return err
			}
			for i := range out.Items {
				lie(&out.Items[i])
			}
			if raw, err = json.Marshal(out); err != nil {
				return err
			}
			res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
			res.Header.Set("Content-Length", strconv.Itoa(len(raw)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	ts.Defer(server.Close)
	ts.Setenv("LIAR", server.URL)
}

// startGarbage sets GARBAGE: a server whose answers are not usher's and have
// escape sequences.
func startGarbage(ts *testscript.TestScript, _ []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "\x1b[2J{\"organisation\": \"\x1b]0;owned\x07\"")
	}))
	ts.Defer(server.Close)
	ts.Setenv("GARBAGE", server.URL)
}

// clean requires that a folder has only the allowed files.
func clean(ts *testscript.TestScript, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		if !slices.Contains(args[1:], e.Name()) {
			ts.Fatalf("%s was left in %s", e.Name(), args[0])
		}
	}
	if len(entries) < len(args)-1 {
		ts.Fatalf("%s holds %d of %q", args[0], len(entries), args[1:])
	}
}

// interrupt waits for a file that matches, then sends a signal to the newest
// background job. INT is Ctrl-C.
func interrupt(ts *testscript.TestScript, args []string) {
	jobs := ts.BackgroundCmds()
	if len(jobs) == 0 {
		ts.Fatalf("no job runs in the background")
	}
	job := jobs[len(jobs)-1]
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		found, err := filepath.Glob(ts.MkAbs(args[1]))
		ts.Check(err)
		if len(found) > 0 {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing fits %s", args[1])
		}
	}
	*ts.Value(jobKey{}).(**exec.Cmd) = job
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}
	ts.Check(job.Process.Signal(signals[args[0]]))
}

// ended requires an exit code of the interrupted job, after wait.
func ended(ts *testscript.TestScript, args []string) {
	job := *ts.Value(jobKey{}).(**exec.Cmd)
	if job == nil || job.ProcessState == nil {
		ts.Fatalf("no interrupted job has ended: use interrupt and wait first")
	}
	if code := strconv.Itoa(job.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// jsonLines requires lines, each an object with exactly these keys. A key that
// ends in "?" may be missing.
func jsonLines(ts *testscript.TestScript, args []string) {
	text := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for _, line := range strings.Split(text, "\n") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		for _, arg := range args[1:] {
			key, optional := strings.CutSuffix(arg, "?")
			if _, ok := object[key]; !ok && !optional {
				ts.Fatalf("%q has no %s", line, key)
			}
			delete(object, key)
		}
		for key := range object {
			ts.Fatalf("%q has %s, which nobody promised", line, key)
		}
	}
}

// quiet requires that a text has no control characters except line ends.
func quiet(ts *testscript.TestScript, args []string) {
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for i, r := range text {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0xfffd) {
			ts.Fatalf("%s holds %q at byte %d", args[0], r, i)
		}
	}
}

// A password that is typed in a terminal is not echoed, and Ctrl-C at the prompt
// restores the terminal.
func TestLoginInATerminal(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	s, _ := open(t, w, 80, 24, "login")
	s.shows("User name at")
	before, err := term.GetState(int(s.pty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s.keys("ada", "enter")
	s.shows("Password:")
	s.keys("not-my-passw0rd")
	during, err := term.GetState(int(s.pty.Fd()))
	if err != nil || reflect.DeepEqual(before, during) {
		t.Errorf("the terminal still echoes: %v", err)
	}
	s.keys("ctrl+c")
	if code := s.quits(); code != api.ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if after, err := term.GetState(int(s.pty.Fd())); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal was not given back as it was: %v", err)
	}
	if screen := s.text(); strings.Contains(screen, "passw0rd") || !strings.Contains(screen, "Stopped.") {
		t.Errorf("the screen shows:\n%s", screen)
	}
}
