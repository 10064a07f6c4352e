package sink

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"usher/backend/event"
)

// settle is the time that a connection must stay open after a batch. Syslog has
// no acknowledgment; a receiver that is gone closes or resets the connection.
const settle = 250 * time.Millisecond

// NewSyslog returns a transport for syslog over TLS. The receiver's certificate
// must be valid for the address.
//
// SPEC: RFC 5425, octet counting; RFC 5424, the header. The facility is 13, the
// audit log of RFC 5424 table 1.
func NewSyslog(address string, trust *tls.Config) Transport { return newSyslog(address, trust, settle) }

func newSyslog(address string, trust *tls.Config, settle time.Duration) Transport {
	host, err := os.Hostname()
	if err != nil || host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		host = "-"
	}
	return &syslogSink{address: address, host: host, trust: trust, settle: settle}
}

type syslogSink struct {
	address, host string
	trust         *tls.Config
	settle        time.Duration
	conn          net.Conn
}

func (s *syslogSink) Send(ctx context.Context, messages []Message) error {
	if s.conn == nil {
		conn, err := (&tls.Dialer{Config: s.trust}).DialContext(ctx, "tcp", s.address)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	if err := s.deliver(ctx, messages); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Check connects, if there is no connection.
func (s *syslogSink) Check(ctx context.Context) error { return s.Send(ctx, nil) }

func (s *syslogSink) deliver(ctx context.Context, messages []Message) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(sendTimeout)
	}
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	w := bufio.NewWriter(s.conn)
	for _, m := range messages {
		line := s.line(m)
		if _, err := fmt.Fprintf(w, "%d %s", len(line), line); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return s.settled(ctx)
}

// settled waits for the end of the connection. The receiver sends nothing, so a
// timeout is the success.
func (s *syslogSink) settled(ctx context.Context) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(s.settle)); err != nil {
		return err
	}
	var one [1]byte
	switch _, err := s.conn.Read(one[:]); {
	case err == nil:
		return errors.New("the receiver sent data; it is no syslog server")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the receiver ended the connection: %w", err)
	}
	return nil
}

// line returns a message of RFC 5424: PRI VERSION TIMESTAMP HOST APP PROCID MSGID
// STRUCTURED-DATA MSG.
func (s *syslogSink) line(m Message) []byte {
	const facility = 13
	return fmt.Appendf(nil, "<%d>1 %s %s usher - %s - %s", facility*8+priority(m.Event), m.Event.Time.UTC().Format("2006-01-02T15:04:05.000Z"), s.host, m.Event.Action, m.Text)
}

// priority returns the severity of RFC 5424, table 2.
func priority(e event.Event) int {
	const alert, warning, notice, informational = 1, 4, 5, 6
	switch {
	case e.Action == event.Alarm, e.Action == event.AuditGap:
		return alert
	case e.Outcome == event.Failed:
		return warning
	case e.Outcome == event.Denied:
		return notice
	}
	return informational
}

func (s *syslogSink) Close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}
