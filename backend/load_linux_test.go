package backend_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// Thousands of concurrent connections, from many people and addresses, are
// served or refused with 429 or 503, and leave no goroutines behind. The logged
// figures include the clients, which run in the same process.
func TestManyConnections(t *testing.T) {
	conns, people, rounds := 1000, 20, 3
	switch {
	case testing.Short():
		conns, people, rounds = 300, 10, 2
	case os.Getenv("USHER_SOAK") != "":
		conns, people, rounds = 10_000, 100, 5
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(limit.Cur)/2 - 200; conns > most { // two descriptors a connection
		t.Logf("%d descriptors allow %d connections", limit.Cur, most)
		conns = most
	}
	w := demotest.Start(t, demo.Options{})
	tokens := make([]string, people)
	for i := range tokens {
		var err error
		if tokens[i], err = w.AddPerson(t, fmt.Sprintf("crowd-%03d", i), "finance-team").Session.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	host := strings.TrimPrefix(w.Server, "http://")
	crowd(t, &load{answers: map[int]int{}}, host, tokens, 50, 1) // opens the server's own idle connections
	before := settled()
	l := &load{answers: map[int]int{}}
	stop := l.watchMemory()
	took := crowd(t, l, host, tokens, conns, rounds)
	l.report(t, conns, took, stop(), before, settled())
}

// crowd opens connections, sends requests on all of them, and closes them.
func crowd(t *testing.T, l *load, host string, tokens []string, conns, rounds int) time.Duration {
	t.Helper()
	began := time.Now()
	open := make([]net.Conn, conns)
	for i := range open {
		// The loopback network has many addresses.
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/200), byte(1+i%200))}}
		c, err := from.DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		open[i] = c
	}
	var work sync.WaitGroup
	for i, c := range open {
		work.Go(func() { l.talk(c, host, tokens[i%len(tokens)], rounds) })
	}
	work.Wait()
	for _, c := range open {
		_ = c.Close()
	}
	return time.Since(began)
}

// settled returns the number of goroutines once it has not fallen for a second.
func settled() int {
	n, since := runtime.NumGoroutine(), time.Now()
	for time.Since(since) < time.Second {
		<-time.After(20 * time.Millisecond)
		if now := runtime.NumGoroutine(); now < n {
			n, since = now, time.Now()
		}
	}
	return n
}

type load struct {
	mu      sync.Mutex
	answers map[int]int // by status; 0: no response
	took    []time.Duration
}

// talk sends requests on one connection, each after the previous response.
func (l *load) talk(c net.Conn, host, token string, rounds int) {
	in := bufio.NewReader(c)
	request := "POST /v1/whoami HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 2\r\n\r\n{}"
	for range rounds {
		began, status, over := time.Now(), 0, false
		_ = c.SetDeadline(began.Add(time.Minute))
		if _, err := c.Write([]byte(request)); err == nil {
			if res, err := http.ReadResponse(in, nil); err == nil {
				status, over = res.StatusCode, res.Close
				_ = res.Body.Close() // reads the rest of the body
			}
		}
		l.mu.Lock()
		l.answers[status]++
		l.took = append(l.took, time.Since(began))
		l.mu.Unlock()
		if status == 0 || over { // a full server closes the connection after its response
			return
		}
	}
}

// watchMemory samples the memory of this process until stop is called. stop
// returns the maximum in MiB.
func (l *load) watchMemory() (stop func() int) {
	end, most := make(chan struct{}), make(chan int)
	go func() {
		peak, tick := 0, time.NewTicker(100*time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, resident())
			select {
			case <-tick.C:
			case <-end:
				most <- peak
				return
			}
		}
	}()
	return func() int { close(end); return <-most }
}

// resident returns this process's memory in MiB (proc(5), statm).
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		pages, _ := strconv.Atoi(fields[1])
		return pages * os.Getpagesize() >> 20
	}
	return 0
}

func (l *load) report(t *testing.T, conns int, took time.Duration, rss, before, left int) {
	t.Helper()
	slices.Sort(l.took)
	at := func(percent int) time.Duration {
		return l.took[min(len(l.took)*percent/100, len(l.took)-1)].Round(time.Millisecond)
	}
	odd := 0
	for status, n := range l.answers {
		switch status {
		case http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		default:
			odd += n
		}
	}
	t.Logf("LOAD conns=%d requests=%d ok=%d busy=%d odd_answers=%d rps=%.0f p50=%s p99=%s max=%s rss_max_MiB=%d goroutines_begin=%d goroutines_end=%d goroutines_left=%d",
		conns, len(l.took), l.answers[http.StatusOK], l.answers[http.StatusTooManyRequests]+l.answers[http.StatusServiceUnavailable], odd,
		float64(len(l.took))/took.Seconds(), at(50), at(99), at(100), rss, before, left, max(0, left-before-10))
	if odd > 0 || l.answers[http.StatusOK] == 0 {
		t.Errorf("answers by status: %v", l.answers)
	}
	if left > before+10 {
		t.Errorf("%d goroutines at the end, %d at the beginning", left, before)
	}
}
