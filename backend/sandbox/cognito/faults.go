package cognito

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Fault is a failure of one operation of the pool. A test or `usher demo --fault`
// switches it on.
type Fault string

// The faults of an operation's answer.
const (
	FaultTwoPackets  Fault = "two-packets" // headers and body arrive 5 ms apart
	FaultCutBefore   Fault = "cut-before"  // the connection ends, and the call has no effect
	FaultCutAfter    Fault = "cut-after"   // the call has its effect, and the connection ends without an answer
	FaultCutHalf     Fault = "cut-half"    // half of the answer arrives
	FaultHang        Fault = "hang"        // no answer
	FaultThrottled   Fault = "throttled"   // TooManyRequestsException
	FaultUnavailable Fault = "unavailable" // status 500
)

// The faults of a pool's settings. They have no operation.
const (
	FaultClientSecret Fault = "client-secret" // the app client has a secret
	FaultLateDisabled Fault = "late-disabled" // a disabled account is refused only after a valid proof
	FaultTemporaryOld Fault = "temporary-old" // all temporary passwords have expired

	FaultCodeAfterSetUp Fault = "code-after-set-up" // a set-up of an authenticator is followed by a request for its code
)

// packetGap is the time between the packets of FaultTwoPackets.
const packetGap = 5 * time.Millisecond

func (f Fault) ofSettings() bool {
	return f == FaultClientSecret || f == FaultLateDisabled || f == FaultTemporaryOld || f == FaultCodeAfterSetUp
}

// ParseFault reads "FAULT:OPERATION", or "FAULT" for a fault of the settings. The
// operation may be limited to the answers to one challenge, such as
// RespondToAuthChallenge/SMS_MFA.
func ParseFault(text string) (f Fault, operation string, err error) {
	name, operation, _ := strings.Cut(text, ":")
	switch f = Fault(name); f {
	case FaultTwoPackets, FaultCutBefore, FaultCutAfter, FaultCutHalf, FaultHang, FaultThrottled, FaultUnavailable:
		if operation != "" {
			return f, operation, nil
		}
	case FaultClientSecret, FaultLateDisabled, FaultTemporaryOld, FaultCodeAfterSetUp:
		if operation == "" {
			return f, "", nil
		}
	}
	return "", "", fmt.Errorf("cognito: %q is not FAULT:OPERATION, like hang:InitiateAuth, and not client-secret, late-disabled or temporary-old", text)
}

// Break switches a fault on. operation is as for ParseFault.
func (p *Pool) Break(f Fault, operation string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.ofSettings() {
		operation = string(f)
	}
	p.faults[operation] = f
}

// Mend switches all faults off.
func (p *Pool) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.faults)
	clear(p.met)
}

// Met returns the number of calls that met a fault since the last Mend, by the
// operation of Break.
func (p *Pool) Met() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.met)
}

// faulty reports whether a fault of the settings is on. The caller holds p.mu.
func (p *Pool) faulty(f Fault) bool { return p.faults[string(f)] == f }

// meet returns the fault of a call, "" if there is none. It reads the body, and
// replaces it.
func (p *Pool) meet(operation string, r *http.Request) Fault {
	p.mu.Lock()
	none := len(p.faults) == 0
	p.mu.Unlock()
	if none {
		return ""
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1)) // call refuses a longer one
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct{ ChallengeName string }
	_ = json.Unmarshal(body, &in) // an operation without a challenge has none
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range []string{operation + "/" + in.ChallengeName, operation} {
		if f := p.faults[name]; f != "" && !f.ofSettings() {
			p.met[name]++
			return f
		}
	}
	return ""
}

// recorder holds the answer of a call.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// serveBroken serves a call with a fault.
func (p *Pool) serveBroken(w http.ResponseWriter, r *http.Request, f Fault) {
	switch f {
	case FaultCutBefore:
		hangUp(w)
	case FaultHang:
		_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client is gone
		<-r.Context().Done()
	case FaultThrottled:
		writeError(w, &Error{Code: "TooManyRequestsException", Message: "Rate exceeded"})
	case FaultUnavailable:
		writeError(w, &Error{Code: "InternalErrorException", Message: "Internal error", status: http.StatusInternalServerError})
	default:
		answer := &recorder{header: w.Header(), status: http.StatusOK}
		p.call(answer, r)
		whole := answer.body.Bytes()
		switch f {
		case FaultCutAfter:
			hangUp(w)
		case FaultCutHalf:
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			w.WriteHeader(answer.status)
			_, _ = w.Write(whole[:len(whole)/2])
			flush(w)
			hangUp(w)
		case FaultTwoPackets:
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			w.WriteHeader(answer.status)
			flush(w)
			<-time.After(packetGap)
			_, _ = w.Write(whole)
		}
	}
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// hangUp ends the connection.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
