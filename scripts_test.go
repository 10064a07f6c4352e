package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"

	"usher/backend/api"
	"usher/client/cli"
)

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

// eventually runs a command again until it succeeds, for a state that a service reaches
// after its answer.
func eventually(ts *testscript.TestScript, args []string) {
	for end := time.Now().Add(patience); ; <-time.After(100 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never succeeded: %v", strings.Join(args, " "), err)
		}
	}
}

// value sets a variable to a text field of the JSON object in a file.
func value(ts *testscript.TestScript, args []string) {
	var fields map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &fields))
	text, ok := fields[args[2]].(string)
	if !ok || text == "" {
		ts.Fatalf("%s has no text %s", args[1], args[2])
	}
	ts.Setenv(args[0], text)
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

// storeAll uploads a file for each name in a list. Its content is the name.
func storeAll(ts *testscript.TestScript, args []string) {
	client, bucket, folder := owner(ts, args[0])
	for _, name := range strings.Fields(ts.ReadFile(args[1])) {
		_, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String(*folder + name), Body: strings.NewReader(name)})
		ts.Check(err)
	}
}

// versioned makes a bucket keep versions.
func versioned(ts *testscript.TestScript, args []string) {
	client, bucket, _ := owner(ts, args[0]+"/")
	_, err := client.PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	ts.Check(err)
}

// unstore deletes an object.
func unstore(ts *testscript.TestScript, args []string) {
	client, bucket, key := owner(ts, args[0])
	_, err := client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: bucket, Key: key})
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

// startHung sets HUNG: the demo's backend behind a proxy that never answers requests of
// one path.
func startHung(ts *testscript.TestScript, args []string) {
	to, err := url.Parse(running(ts).facts.Server)
	ts.Check(err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = to.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == args[0] {
			_, _ = io.Copy(io.Discard, r.Body) // then the server notices the end of the connection
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv("HUNG", server.URL)
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
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
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
