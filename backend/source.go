package backend

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// invalidSource is recorded in place of an address that does not parse: that of
// the peer, or an X-Forwarded-For entry from a trusted proxy.
const invalidSource = "invalid"

// Source returns the client's address. X-Forwarded-For is used only if the peer
// is a configured proxy; the source is then its right-most address that is not a
// configured proxy. An entry that does not parse yields invalidSource: the
// address of the proxy must not be recorded as the client's.
func (b *Backend) Source(h *http.Request) string {
	host, _, err := net.SplitHostPort(h.RemoteAddr)
	if err != nil {
		host = h.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return invalidSource
	}
	addr = plain(addr)
	hops := strings.Split(strings.Join(h.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && b.trusted(addr); i-- {
		hop := strings.Trim(hops[i], " \t")
		if hop == "" { // SPEC: RFC 9110 §5.6.1.2, empty list elements are ignored
			continue
		}
		next, ok := forwarded(hop)
		if !ok {
			return invalidSource
		}
		addr = next
	}
	return addr.String()
}

func (b *Backend) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(b.c.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwarded parses one entry of X-Forwarded-For: an address. Some proxies add a
// port, brackets or quotes.
// SPEC: RFC 7239 §6 for the quotes; Elastic Load Balancing, "X-Forwarded-For",
// routing.http.xff_client_port, for the port.
func forwarded(hop string) (netip.Addr, bool) {
	if len(hop) > 1 && hop[0] == '"' && hop[len(hop)-1] == '"' {
		hop = hop[1 : len(hop)-1]
	}
	if a, err := netip.ParseAddr(hop); err == nil {
		return plain(a), true
	}
	if a, err := netip.ParseAddrPort(hop); err == nil {
		return plain(a.Addr()), true
	}
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			a, err := netip.ParseAddr(inner)
			return plain(a), err == nil && a.Is6()
		}
	}
	return netip.Addr{}, false
}

// plain returns an address in the form for comparison and record: IPv4 as IPv4,
// and without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
