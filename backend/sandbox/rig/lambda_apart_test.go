package rig

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"usher/backend/event"
)

// visit signs a person in and sends a request with the session to each instance.
func (f *fleet) visit(t *testing.T, username string) {
	t.Helper()
	token := f.token(t, username, username)
	for n, i := range f.instances {
		if a := i.call(t.Context(), "whoami", token, "{}"); a.status != http.StatusOK {
			t.Fatalf("instance %d: %d %s", n, a.status, a.body)
		}
	}
}

// sessionStarts returns the events of the sign-ins of a person.
func (f *fleet) sessionStarts(t *testing.T, least int, username string) []event.Event {
	t.Helper()
	return f.recorded(t, least, event.Term{Field: event.ByAction, Value: event.SessionStart}, event.Term{Field: event.ByWho, Value: username})
}

// sessions counts the events of one session on all instances: one.
func (f *fleet) sessions(t *testing.T) {
	f.visit(t, "visitor")
	if starts := f.sessionStarts(t, 1, "visitor"); len(starts) != 1 {
		t.Errorf("%d events of the start of one session: %+v", len(starts), starts)
	}
}

// TestAmazonLambdaApart is a control: with a state table for each instance, a
// session and a version start several times. TestAmazonLambda detects that.
func TestAmazonLambdaApart(t *testing.T) {
	f := startFleet(t, 3, true)
	f.visit(t, "visitor")
	if starts := f.sessionStarts(t, 3, "visitor"); len(starts) < 2 {
		t.Errorf("%d events of the start of a session: instances with a state of their own pass the test", len(starts))
	}
	if starts := f.recorded(t, 3, event.Term{Field: event.ByAction, Value: event.ServiceStart}); len(starts) < 2 {
		t.Errorf("%d events of the start of a version: instances with a state of their own pass the test", len(starts))
	}
}

// inNamespace is set in the process that TestAmazonLambdaNamespace starts.
const inNamespace = "USHER_RIG_NAMESPACE"

// noRoutes is the counter of connections and packets without a route.
//
// SPEC: RFC 4293, ipSystemStatsOutNoRoutes.
func noRoutes(t *testing.T) (n string) {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/snmp")
	must(t, err)
	var names []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] != "Ip:":
		case names == nil:
			names = fields
		default:
			for i, name := range names {
				if name == "OutNoRoutes" {
					n = fields[i]
				}
			}
		}
	}
	six, err := os.ReadFile("/proc/net/snmp6")
	if err == nil {
		for line := range strings.Lines(string(six)) {
			if fields := strings.Fields(line); fields[0] == "Ip6OutNoRoutes" {
				n += " " + fields[1]
			}
		}
	}
	return n
}

// TestAmazonLambdaNamespace runs instances in a network namespace that has the
// loopback interface and no route. The kernel counts each attempt to reach
// another address, also one that does not use the proxy, and DNS.
func TestAmazonLambdaNamespace(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		if out, err := exec.Command("unshare", "-rn", "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			// The claim of the README has this limit; TestAmazonLambda/egress holds everywhere.
			t.Logf("not checked: no network namespace on this machine: %v: %s", err, out)
			return
		}
		child := exec.Command("unshare", "-rn", "sh", "-c", `ip link set lo up && exec "$@"`, "sh", os.Args[0], "-test.run=^TestAmazonLambdaNamespace$", "-test.timeout=5m")
		child.Env = append(os.Environ(), inNamespace+"=1", "USHER_SOAK=") // the long series are in TestAmazonLambdaSeries
		var out bytes.Buffer
		child.Stdout, child.Stderr = &out, &out
		if err := child.Run(); err != nil {
			t.Errorf("%v:\n%s", err, strings.ReplaceAll(out.String(), "---", "- -")) // not a result of this process
		}
		return
	}
	before := noRoutes(t)
	f := startFleet(t, 8, false)
	f.visit(t, "visitor")
	f.revocations(t, 0, 6)
	f.egress(t)
	playTasks(t)
	if after := noRoutes(t); after != before || before == "" {
		t.Errorf("an instance tried to reach another address: packets without a route %q, before %q", after, before)
	}
	// Control: a direct connection is counted.
	if c, err := net.Dial("tcp", "198.51.100.9:443"); err == nil {
		_ = c.Close()
	}
	if after := noRoutes(t); after == before {
		t.Errorf("a connection that bypasses the proxy is not counted: %q", after)
	}
}
