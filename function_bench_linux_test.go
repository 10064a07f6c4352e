package main

import (
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The figures of the prototype, on two shared cores.
const (
	prototypeInit   = 24.0 // ms, with SQLite
	prototypeMemory = 22.7 // MB
	prototypeZip    = 8.9  // MB
)

// BenchmarkColdStart prints the initialization, the memory and the archive of the
// function beside those of the prototype. The runtime API is that of AWS Lambda,
// up to the first request for an event.
//
// SPEC: AWS Lambda developer guide, "Using the Lambda runtime API".
func BenchmarkColdStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "nosandbox,lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var table strings.Builder
	least, memory := leastOf(b, binary, apiEnvironment)
	for _, task := range []struct {
		name string
		env  []string
	}{
		{"stream", []string{"USHER_TASK=stream", "USHER_AUDIT=dynamodb:log", "USHER_FIREHOSE=archive"}},
		{"seal", []string{
			"USHER_TASK=seal", "USHER_AUDIT=dynamodb:log", "USHER_STATE=dynamodb:state", "USHER_PUBLIC_URL=https://files.example.com",
			"USHER_SEAL_BUCKET=checkpoints", "USHER_SEAL_KMS_KEY=arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555",
		}},
	} {
		took, used := leastOf(b, binary, task.env)
		fmt.Fprintf(&table, "%-22s %7.1f   memory, MB %5.1f\n", task.name+" function, ms", float64(took.Microseconds())/1000, used)
	}
	for b.Loop() { // the starts above are the measurement
	}
	for _, row := range []struct {
		name            string
		here, prototype float64
	}{
		{"initialization, ms", float64(least.Microseconds()) / 1000, prototypeInit},
		{"memory after it, MB", memory, prototypeMemory},
		{"archive, MB", archive(b, binary), prototypeZip},
	} {
		fmt.Fprintf(&table, "%-22s %7.1f   prototype %5.1f   ratio %.2f\n", row.name, row.here, row.prototype, row.here/row.prototype)
	}
	b.Log("the least of " + strconv.Itoa(starts) + " starts\n" + table.String())
}

const starts = 9

// leastOf returns the shortest initialization and the least memory of several starts.
func leastOf(b *testing.B, binary string, env []string) (least time.Duration, memory float64) {
	b.Helper()
	least, memory = time.Hour, 1e9
	for range starts {
		took, used := coldStart(b, binary, env)
		least, memory = min(least, took), min(memory, used)
	}
	return least, memory
}

// apiEnvironment is the configuration of the function of requests.
var apiEnvironment = []string{
	"USHER_PUBLIC_URL=https://files.example.com", "USHER_USER_POOL_ID=us-east-1_AbCdEfGhI",
	"USHER_CLIENT_ID=1example23456789", "USHER_AUDIT=dynamodb:log", "USHER_GRANTS=dynamodb:grants", "USHER_STATE=dynamodb:state",
	"USHER_S3_READER_ROLE=arn:aws:iam::111122223333:role/usher-reader",
}

// coldStart starts the function and returns the time until its first request for
// an event, and its memory then in MB.
func coldStart(b *testing.B, binary string, env []string) (time.Duration, float64) {
	b.Helper()
	ready, done := make(chan time.Time, 1), make(chan struct{})
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invocation/next") {
			select {
			case ready <- time.Now():
			default:
			}
			<-done
		}
		w.Header().Set("Lambda-Extension-Identifier", "bench")
		_, _ = io.WriteString(w, "{}")
	}))
	defer runtime.Close()
	defer close(done)
	cmd := exec.Command(binary)
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIATEST",
		"AWS_SECRET_ACCESS_KEY=secret",
	}, env...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	select {
	case at := <-ready:
		return at.Sub(began), resident(b, cmd.Process.Pid)
	case <-time.After(30 * time.Second):
		b.Fatal("the function requests no event")
	}
	return 0, 0
}

// resident returns the memory of a process in MB.
func resident(b testing.TB, pid int) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb * 1024 / 1e6
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// archive returns the compressed size of a file in MB.
func archive(b *testing.B, name string) float64 {
	b.Helper()
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	n := &written{}
	w, err := flate.NewWriter(n, flate.BestCompression)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(w, file); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return float64(n.bytes) / 1e6
}

type written struct{ bytes int }

func (w *written) Write(p []byte) (int, error) {
	w.bytes += len(p)
	return len(p), nil
}
