package download

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"usher/backend/api"
)

// Answers of the name server: an error, no response, or an address.
const (
	noSuchName = "no such name"
	noAnswer   = "no answer"
	unused     = "127.0.0.2" // no listener on the ports that the tests use
	local      = "127.0.0.1"
)

// nameServer resolves the names of the tests. It is reached over pipes, so that
// no query leaves the process.
type nameServer struct {
	mu      sync.Mutex
	answers map[string][]string // by name, one for each query; the last one repeats
	changed chan struct{}       // closed and replaced by set
}

var names = &nameServer{answers: map[string][]string{}, changed: make(chan struct{})}

func (s *nameServer) set(name string, answers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = answers
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *nameServer) next(name string) (answer string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.answers[name]
	if len(all) == 0 {
		return noSuchName, nil
	}
	if len(all) > 1 {
		s.answers[name] = all[1:]
	}
	return all[0], s.changed
}

// answer returns the next answer for name. It waits while that is noAnswer.
func (s *nameServer) answer(name string) string {
	for {
		answer, changed := s.next(name)
		if answer != noAnswer {
			return answer
		}
		<-changed
	}
}

// resolver returns a resolver that queries the name server.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go s.serve(far)
		return near, nil
	}}
}

// serve answers DNS queries over a stream, with a length of two bytes before
// each message (SPEC: RFC 1035 §4.2.2).
func (s *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		raw := make([]byte, binary.BigEndian.Uint16(size[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(conn, raw); err != nil || m.Unpack(raw) != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if q.Type == dnsmessage.TypeA {
			switch a := s.answer(strings.TrimSuffix(q.Name.String(), ".")); a {
			case noSuchName:
				m.RCode = dnsmessage.RCodeNameError
			default:
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(a).To4())},
				}}
			}
		}
		if raw, err := m.Pack(); err == nil {
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
		}
	}
}

// certificate returns a self-signed certificate for name.
func certificate(name string) (tls.Certificate, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(crand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed, err
}

var hostNumber atomic.Int64

// byName gives the storage a DNS name and a certificate, so that its URLs are
// https. Once swapped is closed, the storage presents another certificate.
func (tr *trial) byName(swapped <-chan struct{}, answers ...string) (name string, srv *httptest.Server) {
	return tr.byNameWhile(func() bool {
		select {
		case <-swapped:
			return true
		default:
			return false
		}
	}, answers...)
}

// byNameWhile presents another certificate as long as isSwapped returns true.
func (tr *trial) byNameWhile(isSwapped func() bool, answers ...string) (name string, srv *httptest.Server) {
	name = fmt.Sprintf("s3-%d.test", hostNumber.Add(1))
	names.set(name, answers...)
	mine, root, err := certificate(name)
	must(tr.t, err)
	theirs, _, err := certificate(name)
	must(tr.t, err)
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isSwapped() { // a connection that was opened before the swap
			panic(http.ErrAbortHandler)
		}
		r.Host = tr.host() // the host that is signed
		tr.ServeHTTP(rw, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if isSwapped() {
			return &theirs, nil
		}
		return &mine, nil
	}}
	srv.StartTLS()
	closeTestbed := tr.close
	tr.close = func() { srv.Close(); closeTestbed() }
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	must(tr.t, err)
	host := net.JoinHostPort(name, port)
	tr.config.S3Hosts = []string{host}
	tr.config.hooks.rootCAs = x509.NewCertPool()
	tr.config.hooks.rootCAs.AddCert(root)
	tr.onItem = func(it *api.ReleaseItem) { it.URL = "https://" + host + it.URL[len(tr.url):] }
	return name, srv
}

// awaitBytes returns when the client has read a byte of the object.
func (tr *trial) awaitBytes() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		if s := tr.engine.Snapshot(); len(s.Transfers) > 0 && s.Transfers[0].Fetched > 0 {
			return
		}
	}
	tr.t.Error("the client read no byte")
}

// networkFaults are fault 23: DNS, connections and certificates. A temporary
// failure is retried. An untrusted certificate fails a transfer without bytes;
// a transfer with bytes waits for a trusted one.
func networkFaults() []fault {
	retriedByName := func(tr *trial, got Transfer) error {
		if got.Retries == 0 || tr.gets.Load() == 0 {
			return fmt.Errorf("%d retries, %d requests", got.Retries, tr.gets.Load())
		}
		return nil
	}
	return []fault{
		{
			name:  "23 name not found",
			setup: func(tr *trial) { tr.byName(nil, noSuchName, noSuchName, noSuchName, local) },
			want:  Done,
			check: retriedByName,
		},
		{
			name: "23 no answer from the name server",
			setup: func(tr *trial) {
				tr.config.Timeouts.Idle = 2 * stall // a query has half of it
				tr.s3Name, _ = tr.byName(nil, noAnswer)
			},
			then: func(t *testing.T, tr *trial) { // the wait has no limit
				eventually(t, "the wait for the network", func() bool {
					got := find(t, tr.engine, tr.id)
					return got.State == WaitingNetwork && got.Retries > maxStreak+1
				})
				names.set(tr.s3Name, local)
			},
			want:  Done,
			check: retriedByName,
		},
		{
			name:  "23 connection refused",
			setup: func(tr *trial) { tr.byName(nil, unused, unused, unused, local) },
			want:  Done,
			check: retriedByName,
		},
		{
			name: "23 connection refused many times, then reset",
			setup: func(tr *trial) {
				var refusals []string
				for range 3 * maxStreak {
					refusals = append(refusals, unused)
				}
				tr.byName(nil, append(refusals, local)...)
				tr.script(repeat(2, anyGET(unanswered))...)
			},
			want:  Done,
			check: retriedByName,
		},
		{
			name: "23 name never found",
			setup: func(tr *trial) {
				tr.byName(nil, noSuchName)
				tr.config.Patience = stall
			},
			want: Failed,
			err:  ErrNetwork,
			exit: api.ExitUnavailable,
		},
		{
			name: "23 another certificate",
			setup: func(tr *trial) {
				swapped := make(chan struct{})
				close(swapped)
				tr.byName(swapped, local)
			},
			want: Failed,
			err:  ErrNetwork,
			exit: api.ExitUnavailable,
			check: func(tr *trial, _ Transfer) error {
				if tr.gets.Load() > 0 {
					return errors.New("a request was sent to the wrong server")
				}
				return nil
			},
		},
		{
			name:     "23 certificate swapped during the download",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				swapped := make(chan struct{})
				_, srv := tr.byName(swapped, local)
				tr.script(tr.actAt(tr.offset, func() {
					close(swapped)
					srv.CloseClientConnections()
				}), noFault)
				tr.config.Patience = stall
			},
			want: Failed,
			err:  ErrNetwork,
			exit: api.ExitUnavailable,
			check: func(tr *trial, got Transfer) error {
				if !strings.Contains(got.Err.Error(), "certificate is not trusted") {
					return fmt.Errorf("another error: %v", got.Err)
				}
				return partKept(tr, got)
			},
		},
		{
			name: "23 certificate swapped and restored",
			min:  70_000,
			setup: func(tr *trial) {
				swapped := new(atomic.Bool)
				_, srv := tr.byNameWhile(swapped.Load, local)
				tr.script(tr.actAt(tr.size/2, func() {
					tr.awaitBytes() // without bytes an untrusted certificate fails the transfer
					swapped.Store(true)
					srv.CloseClientConnections()
				}), noFault)
				tr.restoreCertificate = func() { swapped.Store(false) }
			},
			then: func(t *testing.T, tr *trial) {
				eventually(t, "the wait for a trusted certificate", func() bool {
					got := find(t, tr.engine, tr.id)
					if got.State.Finished() {
						t.Errorf("the transfer of %d bytes ended: %v, %v", tr.size, got.State, got.Err)
						return true
					}
					return got.State == WaitingNetwork && strings.Contains(got.Event, "certificate")
				})
				tr.restoreCertificate()
			},
			want: Done,
		},
	}
}
