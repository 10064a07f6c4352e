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

// What a name server may say.
const (
	noSuchName = "no such name"
	noAnswer   = "no answer"
	nobody     = "127.0.0.2" // an address where nobody listens on the ports of 127.0.0.1
	here       = "127.0.0.1"
)

// nameServer knows the names of the tests alone. It answers over pipes, so that
// nobody else is ever asked for them.
type nameServer struct {
	mu      sync.Mutex
	answers map[string][]string // by name; the last one stays
	changed chan struct{}       // closed and replaced when somebody set one
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

// answer waits while there is none.
func (s *nameServer) answer(name string) string {
	for {
		answer, changed := s.next(name)
		if answer != noAnswer {
			return answer
		}
		<-changed
	}
}

// resolver asks the name server.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go s.serve(far)
		return near, nil
	}}
}

// serve speaks DNS over a stream: a length of two bytes before each message.
// SPEC: RFC 1035 §4.2.2.
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

// certificate is a self-signed one.
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

// byName gives the storage a name and a certificate, so that URLs are https and
// its name must be found. When swapped is closed, another certificate is shown.
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

// byNameWhile shows another certificate as long as isSwapped returns true.
func (tr *trial) byNameWhile(isSwapped func() bool, answers ...string) (name string, srv *httptest.Server) {
	name = fmt.Sprintf("s3-%d.test", hostNumber.Add(1))
	names.set(name, answers...)
	mine, root, err := certificate(name)
	must(tr.t, err)
	theirs, _, err := certificate(name)
	must(tr.t, err)
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isSwapped() { // over a connection that began before, and was not closed yet
			panic(http.ErrAbortHandler)
		}
		r.Host = tr.host() // what the signature is for
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

// onTheWay is fault 23: names, addresses and certificates. What may pass is
// tried again; a certificate that is not trusted is final before the first byte,
// and waited for after it.
func networkFaults() []fault {
	noted := func(tr *trial, got Transfer) error {
		if got.Retries == 0 || tr.gets.Load() == 0 {
			return fmt.Errorf("%d requests", tr.gets.Load())
		}
		return nil
	}
	return []fault{
		{
			name:  "23 name not found",
			setup: func(tr *trial) { tr.byName(nil, noSuchName, noSuchName, noSuchName, here) },
			want:  Done,
			check: noted,
		},
		{
			name: "23 no answer from the name server",
			setup: func(tr *trial) {
				tr.config.Timeouts.Idle = stall
				tr.s3Name, _ = tr.byName(nil, noAnswer)
			},
			then: func(t *testing.T, tr *trial) { // it waits, however long that takes
				eventually(t, "waiting for the network", func() bool {
					got := find(t, tr.engine, tr.id)
					return got.State == WaitingNetwork && got.Retries > maxStreak+1
				})
				names.set(tr.s3Name, here)
			},
			want:  Done,
			check: noted,
		},
		{
			name:  "23 connection refused",
			setup: func(tr *trial) { tr.byName(nil, nobody, nobody, nobody, here) },
			want:  Done,
			check: noted,
		},
		{
			name: "23 connection refused for long, then reset",
			setup: func(tr *trial) {
				var refusals []string
				for range 3 * maxStreak {
					refusals = append(refusals, nobody)
				}
				tr.byName(nil, append(refusals, here)...)
				tr.script(repeat(2, anyGET(unanswered))...)
			},
			want:  Done,
			check: noted,
		},
		{
			name: "23 name not found for ever",
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
				tr.byName(swapped, here)
			},
			want: Failed,
			err:  ErrNetwork,
			exit: api.ExitUnavailable,
			check: func(tr *trial, _ Transfer) error {
				if tr.gets.Load() > 0 {
					return errors.New("something was asked of whoever it was")
				}
				return nil
			},
		},
		{
			name:     "23 certificate swapped mid-way",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				swapped := make(chan struct{})
				_, srv := tr.byName(swapped, here)
				tr.script(tr.actAt(tr.cut, func() {
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
					return fmt.Errorf("the cause: %v", got.Err)
				}
				return partKept(tr, got)
			},
		},
		{
			name: "23 certificate swapped for a while",
			min:  70_000,
			setup: func(tr *trial) {
				swapped := new(atomic.Bool)
				_, srv := tr.byNameWhile(swapped.Load, here)
				tr.script(tr.actAt(tr.size/2, func() {
					swapped.Store(true)
					srv.CloseClientConnections()
				}), noFault)
				tr.restoreCertificate = func() { swapped.Store(false) }
			},
			then: func(t *testing.T, tr *trial) {
				eventually(t, "waiting for a certificate that is trusted", func() bool {
					got := find(t, tr.engine, tr.id)
					return got.State == WaitingNetwork && strings.Contains(got.Event, "certificate")
				})
				tr.restoreCertificate()
			},
			want: Done,
		},
	}
}
